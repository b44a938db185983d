// The cache of one sequence as the language defines it: codes, scales and zeros by (token, head, channel), without any layout.
#ifndef KV_REFERENCE_REFERENCE_H
#define KV_REFERENCE_REFERENCE_H

#include "compiler/reference/Codec.h"
#include "dialect/KvTypes.h"

#include <vector>

namespace kv {

/// Keys or values of a sequence.
class StoredStream {
public:
  StoredStream(CodecAttr codec, int64_t heads, int64_t dim);

  const Codec codec;
  const int64_t heads, dim;
  const int64_t groups; ///< of one token and head; 0 for scalar codecs

  int64_t tokens() const { return count; }
  uint32_t code(int64_t token, int64_t head, int64_t channel) const { return codes[(token * heads + head) * dim + channel]; }
  /// The codes of all channels.
  llvm::ArrayRef<uint32_t> codesOf(int64_t token, int64_t head) const {
    return llvm::ArrayRef(codes).slice(size_t((token * heads + head) * dim), size_t(dim));
  }
  const GroupParameters &parameters(int64_t token, int64_t head, int64_t group) const {
    return groupParameters[(token * heads + head) * groups + group];
  }
  /// The decoded channels of one token: `dim` floats; those of the next token follow.
  const float *decoded(int64_t token, int64_t head) const { return values[head].data() + token * dim; }

  /// Encodes `tokens` more, [tokens][heads][dim].
  void append(int64_t tokens, const float *source);
  /// Adds one token of stored bits, [heads][dim] and [heads][groups]; decodes them.
  void appendStored(llvm::ArrayRef<uint32_t> stored, llvm::ArrayRef<GroupParameters> parameters);
  /// Forgets all but the first `tokens`.
  void truncate(int64_t tokens);

private:
  void decodeToken(int64_t token);

  int64_t count = 0;
  std::vector<uint32_t> codes;
  std::vector<GroupParameters> groupParameters;
  std::vector<std::vector<float>> values; ///< for each head [token][dim]
};

/// A sequence. Appending n tokens at once and one by one is the same by construction: each token is encoded alone.
class Reference {
public:
  explicit Reference(CacheType cache);

  const CacheType type;
  StoredStream key, value;

  int64_t length() const { return key.tokens(); }
  /// `keys` is [tokens][heads][keyDim], `values` [tokens][heads][valueDim].
  void append(int64_t tokens, const float *keys, const float *values);
  void truncate(int64_t tokens);
};

} // namespace kv

#endif
