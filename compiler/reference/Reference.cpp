#include "compiler/reference/Reference.h"

#include <cassert>

namespace kv {

StoredStream::StoredStream(CodecAttr attr, int64_t heads, int64_t dim)
    : codec(attr), heads(heads), dim(dim), groups(codec.integer ? dim / codec.group : 0), values(heads) {}

void StoredStream::append(int64_t tokens, const float *source) {
  for (int64_t end = count + tokens; count < end; ++count, source += heads * dim) {
    size_t first = codes.size();
    codes.resize(first + heads * dim);
    for (int64_t group = 0; group < heads * groups; ++group)
      groupParameters.push_back(encodeGroup(codec, {source + group * codec.group, size_t(codec.group)},
                                            {&codes[first + group * codec.group], size_t(codec.group)}));
    if (!codec.integer)
      for (int64_t i = 0; i < heads * dim; ++i)
        codes[first + i] = encodeScalar(codec.element, source[i]);
    decodeToken(count);
  }
}

void StoredStream::appendStored(llvm::ArrayRef<uint32_t> stored, llvm::ArrayRef<GroupParameters> parameters) {
  assert(int64_t(stored.size()) == heads * dim && int64_t(parameters.size()) == heads * groups);
  codes.insert(codes.end(), stored.begin(), stored.end());
  groupParameters.insert(groupParameters.end(), parameters.begin(), parameters.end());
  decodeToken(count++);
}

void StoredStream::decodeToken(int64_t token) {
  const uint32_t *stored = &codes[token * heads * dim];
  for (int64_t head = 0; head < heads; ++head, stored += dim) {
    values[head].resize((token + 1) * dim);
    float *row = &values[head][token * dim];
    for (int64_t group = 0; group < groups; ++group)
      decodeGroup(codec, {stored + group * codec.group, size_t(codec.group)}, parameters(token, head, group),
                  {row + group * codec.group, size_t(codec.group)});
    if (!codec.integer)
      for (int64_t i = 0; i < dim; ++i)
        row[i] = decodeScalar(codec.element, stored[i]);
  }
}

void StoredStream::truncate(int64_t tokens) {
  assert(tokens <= count);
  count = tokens;
  codes.resize(count * heads * dim);
  groupParameters.resize(count * heads * groups);
  for (std::vector<float> &head : values)
    head.resize(count * dim);
}

Reference::Reference(CacheType cache)
    : type(cache), key(cache.getKey(), cache.getHeads(), cache.getKeyDim()),
      value(cache.getValue(), cache.getHeads(), cache.getValueDim()) {}

void Reference::append(int64_t tokens, const float *keys, const float *values) {
  key.append(tokens, keys);
  value.append(tokens, values);
}

void Reference::truncate(int64_t tokens) {
  key.truncate(tokens);
  value.truncate(tokens);
}

} // namespace kv
