#include "compiler/reference/codecs/Scalar.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"

#include <cassert>

namespace kv {

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

void encodeScalars(Element element, llvm::ArrayRef<float> values, llvm::MutableArrayRef<uint32_t> stored) {
  for (auto [value, bits] : llvm::zip_equal(values, stored))
    bits = encodeScalar(element, value);
}

void decodeScalars(Element element, llvm::ArrayRef<uint32_t> stored, llvm::MutableArrayRef<float> values) {
  for (auto [bits, value] : llvm::zip_equal(stored, values))
    value = decodeScalar(element, bits);
}

} // namespace kv
