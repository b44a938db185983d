// What every codec does to a group of values, bit for bit: the definition that all kernels are tested against.
//
// All arithmetic is IEEE float32, every operation rounded to nearest even, nothing fused. A group is `size` consecutive channels of
// one token and head, x its values as float32.
//   sym    M = 2^(bits-1) - 1;  s = T(max|x| / M);  code = clamp(rne(x * inv), -M, M);  value = code * s
//   asym   L = 2^bits - 1;  z = T(min x);  s = T((max x - min x) / L);  code = clamp(rne((x - z) * inv), 0, L);  value = z + code * s
// T rounds to the scale's type; a finite input never gives an infinity there: what would overflow becomes the largest finite value of
// its sign. A zero is never -0: it is stored as +0. inv = 1 / s, or 0 when that is not finite (s is 0 or below 2^-128), and then all
// codes are 0. A NaN or an infinity anywhere in the group makes s (and z) the quiet NaN and all codes 0, so that it decodes to NaN.
// Scalar codecs round to their type as IEEE says: f16 and bf16 overflow to infinity, a NaN stays a NaN.
#ifndef KV_REFERENCE_CODEC_H
#define KV_REFERENCE_CODEC_H

#include "dialect/KvAttrs.h"
#include "llvm/ADT/ArrayRef.h"

#include <cstdint>

namespace kv {

/// Bits of a float16 or bfloat16 nearest to `value`; halves to even, overflow to infinity, NaN to a quiet NaN.
uint16_t f16FromFloat(float value);
uint16_t bf16FromFloat(float value);
float floatFromF16(uint16_t bits);
float floatFromBf16(uint16_t bits);

/// The value a float type keeps of `value`, as a float: f32, f16 or bf16.
float roundTo(Element type, float value);

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
  int64_t scaleBits() const { return scale == Element::f32 ? 32 : 16; }
};

/// What a group stores beside its codes: bits of the scale's type.
struct GroupParameters {
  uint32_t scale = 0;
  uint32_t zero = 0; ///< asym only
};

/// Encodes one group of an integer codec. `stored` gets the bits as they stand in memory, in the low codec.bits of each.
GroupParameters encodeGroup(const Codec &codec, llvm::ArrayRef<float> values, llvm::MutableArrayRef<uint32_t> stored);

/// The values of a group.
void decodeGroup(const Codec &codec, llvm::ArrayRef<uint32_t> stored, GroupParameters parameters,
                 llvm::MutableArrayRef<float> values);

/// One value of a scalar codec, there and back.
uint32_t encodeScalar(Element element, float value);
float decodeScalar(Element element, uint32_t stored);

} // namespace kv

#endif
