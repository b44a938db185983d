// What every codec does to the channels of a token, bit for bit: the definition that all kernels are tested against. A family of
// codecs is a file of compiler/reference/codecs/; it shares nothing with the compiler's own, compiler/codecs/.
#ifndef KV_REFERENCE_CODEC_H
#define KV_REFERENCE_CODEC_H

#include "dialect/KvAttrs.h"
#include "llvm/ADT/ArrayRef.h"

#include <cstdint>

namespace kv {

/// A codec as plain numbers.
struct Codec {
  Element element = Element::f32;
  int64_t bits = 32;
  int64_t bias = 0; ///< what stored bits have more than the code (CodecAttr::storedBias)
  bool integer = false;
  bool asym = false;
  int64_t group = 0; ///< channels of a group; 0 for scalar codecs
  Element scale = Element::f32;

  Codec() = default;
  explicit Codec(CodecAttr attr);
};

/// What a group stores beside its codes: bits of the scale's type.
struct GroupParameters {
  uint32_t scale = 0;
  uint32_t zero = 0; ///< asym only
};

/// Encodes channels of one token: `stored` gets the bits of each as they stand in memory, in the low codec.bits; `parameters` has
/// an element for each group, none for a scalar codec.
void encode(const Codec &codec, llvm::ArrayRef<float> values, llvm::MutableArrayRef<uint32_t> stored,
            llvm::MutableArrayRef<GroupParameters> parameters);

/// The values of the channels.
void decode(const Codec &codec, llvm::ArrayRef<uint32_t> stored, llvm::ArrayRef<GroupParameters> parameters,
            llvm::MutableArrayRef<float> values);

/// Whether a kernel may store the one where the reference stores the other: equal, or two codes of a NaN that the codec leaves
/// free.
bool isSameCode(const Codec &codec, uint32_t a, uint32_t b);

} // namespace kv

#endif
