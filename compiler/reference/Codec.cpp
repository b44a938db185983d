// Compiled with -ffp-contract=off: a fused multiply-add would change codes (compiler/reference/CMakeLists.txt).
#include "compiler/reference/Codec.h"

#include "llvm/ADT/bit.h"

#include <algorithm>
#include <cassert>
#include <cfloat>
#include <cmath>

namespace kv {

//===- float16 and bfloat16 --------------------------------------------------------------------------------------------------===//

/// `value >> shift`, to nearest, halves to even; shift in 1 .. 31.
static uint32_t shiftRightToEven(uint32_t value, unsigned shift) {
  uint32_t half = 1u << (shift - 1), rest = value & ((1u << shift) - 1), quotient = value >> shift;
  return quotient + (rest > half || (rest == half && (quotient & 1)));
}

uint16_t f16FromFloat(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) // a NaN keeps the top of its payload
    return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
  if (magnitude >= 0x47800000) // 2^16
    return sign | 0x7c00;
  if (magnitude >= 0x38800000) // 2^-14, the least normal; a carry out of the fraction is the next exponent
    return sign | (shiftRightToEven(magnitude, 13) - ((127 - 15) << 10));
  unsigned exponent = magnitude >> 23;
  if (exponent < 127 - 25) // below half of the least subnormal, 2^-24
    return sign;
  return sign | shiftRightToEven((magnitude & 0x7fffff) | 0x800000, 126 - exponent);
}

uint16_t bf16FromFloat(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return bits >> 16 | 0x40;
  return shiftRightToEven(bits, 16);
}

float floatFromF16(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
  if (exponent == 31)
    return llvm::bit_cast<float>(sign | 0x7f800000 | fraction << 13);
  if (exponent == 0) { // fraction * 2^-24 is exact
    float magnitude = float(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return llvm::bit_cast<float>(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

float floatFromBf16(uint16_t bits) { return llvm::bit_cast<float>(uint32_t(bits) << 16); }

uint32_t encodeScalar(Element element, float value) {
  switch (element) {
  case Element::f16:
    return f16FromFloat(value);
  case Element::bf16:
    return bf16FromFloat(value);
  default:
    assert(element == Element::f32 && "not a scalar codec");
    return llvm::bit_cast<uint32_t>(value);
  }
}

float decodeScalar(Element element, uint32_t stored) {
  switch (element) {
  case Element::f16:
    return floatFromF16(stored);
  case Element::bf16:
    return floatFromBf16(stored);
  default:
    assert(element == Element::f32 && "not a scalar codec");
    return llvm::bit_cast<float>(stored);
  }
}

float roundTo(Element type, float value) { return decodeScalar(type, encodeScalar(type, value)); }

//===- groups of integers ----------------------------------------------------------------------------------------------------===//

Codec::Codec(CodecAttr attr)
    : element(attr.getElement()), bits(attr.bits()), bias(attr.storedBias()), integer(attr.isInteger()), asym(attr.isAsym()),
      group(attr.getGroup()), scale(attr.getScale()) {}

/// A finite number rounded to the scale's type without leaving the finite ones; never -0.
static float roundParameter(Element type, float value) {
  float largest = type == Element::f16 ? 65504.0f : FLT_MAX;
  return roundTo(type, std::clamp(value, -largest, largest)) + 0.0f;
}

static uint32_t quietNaN(Element type) { return type == Element::f16 ? 0x7e00 : 0x7fc00000; }

GroupParameters encodeGroup(const Codec &codec, llvm::ArrayRef<float> values, llvm::MutableArrayRef<uint32_t> stored) {
  assert(codec.integer && !values.empty() && values.size() == stored.size());
  float least = values[0], most = values[0], magnitude = 0;
  bool finite = true;
  for (float value : values) {
    finite &= std::isfinite(value);
    least = std::min(least, value);
    most = std::max(most, value);
    magnitude = std::max(magnitude, std::fabs(value));
  }
  uint32_t mask = codec.bits == 32 ? ~0u : (1u << codec.bits) - 1;
  auto store = [&](size_t i, float code) { stored[i] = uint32_t(int32_t(code) + int32_t(codec.bias)) & mask; };
  if (!finite) {
    for (size_t i = 0; i < values.size(); ++i)
      store(i, 0);
    return {quietNaN(codec.scale), codec.asym ? quietNaN(codec.scale) : 0};
  }

  float lowest, highest, scale, zero = 0;
  if (codec.asym) {
    lowest = 0;
    highest = float((1 << codec.bits) - 1);
    zero = roundParameter(codec.scale, least);
    float range = most - least;
    scale = roundParameter(codec.scale, range / highest);
  } else {
    highest = float((1 << (codec.bits - 1)) - 1);
    lowest = -highest;
    scale = roundParameter(codec.scale, magnitude / highest);
  }
  float inverse = 1.0f / scale;
  if (!std::isfinite(inverse))
    inverse = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    float distance = codec.asym ? values[i] - zero : values[i];
    float code = inverse == 0 ? 0.0f : std::nearbyint(distance * inverse);
    store(i, std::clamp(code, lowest, highest));
  }
  return {encodeScalar(codec.scale, scale), codec.asym ? encodeScalar(codec.scale, zero) : 0};
}

void decodeGroup(const Codec &codec, llvm::ArrayRef<uint32_t> stored, GroupParameters parameters,
                 llvm::MutableArrayRef<float> values) {
  assert(codec.integer && values.size() == stored.size());
  float scale = decodeScalar(codec.scale, parameters.scale), zero = decodeScalar(codec.scale, parameters.zero);
  bool isSigned = codec.element == Element::i8 || codec.element == Element::i4;
  for (size_t i = 0; i < values.size(); ++i) {
    int32_t bits = int32_t(stored[i]);
    if (isSigned && bits >> (codec.bits - 1))
      bits -= 1 << codec.bits;
    float product = float(bits - int32_t(codec.bias)) * scale;
    values[i] = codec.asym ? zero + product : product;
  }
}

} // namespace kv
