#include "compiler/reference/codecs/Scalar.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

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

uint8_t f8e4m3FromFloat(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value), sign = bits >> 24 & 0x80, magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000)
    return 0x7f;
  if (magnitude >= 0x3c800000) // 2^-6, the least normal; 448 is 0x7e
    return sign | std::min<uint32_t>(shiftRightToEven(magnitude, 20) - ((127 - 7) << 3), 0x7e);
  unsigned exponent = magnitude >> 23;
  if (exponent < 127 - 10) // below half of the least subnormal, 2^-9
    return sign;
  return sign | shiftRightToEven((magnitude & 0x7fffff) | 0x800000, 141 - exponent);
}

float floatFromF8e4m3(uint8_t bits) {
  unsigned exponent = bits >> 3 & 15, fraction = bits & 7;
  if ((bits & 0x7f) == 0x7f)
    return std::numeric_limits<float>::quiet_NaN();
  float magnitude = exponent == 0 ? std::ldexp(float(fraction), -9) : std::ldexp(float(8 + fraction), int(exponent) - 10);
  return bits & 0x80 ? -magnitude : magnitude;
}

uint32_t encodeScalar(Element element, float value) {
  switch (element) {
  case Element::f16:
    return f16FromFloat(value);
  case Element::bf16:
    return bf16FromFloat(value);
  case Element::f8e4m3:
    return f8e4m3FromFloat(value);
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
  case Element::f8e4m3:
    return floatFromF8e4m3(stored);
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

bool isSameScalar(Element element, uint32_t a, uint32_t b) {
  bool isFree = element != Element::f8e4m3; // which stores one
  return a == b || (isFree && std::isnan(decodeScalar(element, a)) && std::isnan(decodeScalar(element, b)));
}

void decodeScalars(Element element, llvm::ArrayRef<uint32_t> stored, llvm::MutableArrayRef<float> values) {
  for (auto [bits, value] : llvm::zip_equal(stored, values))
    value = decodeScalar(element, bits);
}

} // namespace kv
