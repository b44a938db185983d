#include "compiler/reference/Reference.h"

#include <cassert>

namespace kv {

StoredStream::StoredStream(CodecAttr attr, int64_t heads, int64_t dim)
    : codec(attr), heads(heads), dim(dim), groups(codec.integer ? dim / codec.group : 0), values(heads) {}

void StoredStream::append(int64_t tokens, const float *source) {
  for (int64_t end = count + tokens; count < end; ++count, source += heads * dim) {
    size_t firstCode = codes.size(), firstGroup = groupParameters.size();
    codes.resize(firstCode + heads * dim);
    groupParameters.resize(firstGroup + heads * groups);
    encode(codec, {source, size_t(heads * dim)}, llvm::MutableArrayRef(codes).drop_front(firstCode),
           llvm::MutableArrayRef(groupParameters).drop_front(firstGroup));
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
  for (int64_t head = 0; head < heads; ++head) {
    int64_t row = token * heads + head;
    values[head].resize((token + 1) * dim);
    decode(codec, llvm::ArrayRef(codes).slice(row * dim, dim), llvm::ArrayRef(groupParameters).slice(row * groups, groups),
           llvm::MutableArrayRef(values[head]).slice(token * dim, dim));
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
