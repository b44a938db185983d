// FloatFormats.h: exact conversion between float64 and the smaller formats of PTX, in every rounding mode.
#ifndef KV_TESTS_PTX_FLOATFORMATS_H
#define KV_TESTS_PTX_FLOATFORMATS_H

#include "Module.h"

#include <bit>

namespace kv::ptx {

/// Bits of a binary format. Without `infinities` the top exponent holds numbers and NaN is all ones (e4m3, PTX ISA 5.2.3).
struct Format {
  int exponentBits, fractionBits;
  bool infinities = true;
  uint32_t nan; // what NaN becomes (PTX ISA 9.7.3, 9.7.4: canonical NaNs)
  int bias() const { return (1 << (exponentBits - 1)) - 1; }
  int bits() const { return 1 + exponentBits + fractionBits; }
  uint32_t largest() const; // finite
};

constexpr Format formatF32{8, 23, true, 0x7fffffff}, formatF16{5, 10, true, 0x7fff}, formatBF16{8, 7, true, 0x7fff};
constexpr Format formatTF32{8, 10, true, 0x3ffff}; // in the upper 19 bits of a register
constexpr Format formatE4M3{4, 3, false, 0x7f}, formatE5M2{5, 2, true, 0x7f};

/// Rounds once. `finite`: infinities and what is too large become the largest finite number.
uint32_t encode(const Format &format, double value, Rounding rounding = Rounding::nearest, bool finite = false);
double decode(const Format &format, uint32_t bits);

/// a + b rounded to odd, so that rounding once more to a format of at most 51 bits is right.
double oddSum(double a, double b);
double oddQuotient(double a, double b);
double oddRoot(double a);
/// a * b + c of numbers whose product float64 holds exactly, rounded to odd.
inline double oddFma(double a, double b, double c) { return oddSum(a * b, c); }

/// f16 or bf16, by type (the x2 types too).
const Format &halfFormat(Type type);
inline double halfToDouble(Type type, uint64_t bits) {
  if (type == Type::bf16 || type == Type::bf16x2)
    return std::bit_cast<float>(uint32_t(bits) << 16);
  // Normal and subnormal numbers alike: moved into float32's place, then scaled by the difference of the biases.
  const uint32_t sign = uint32_t(bits & 0x8000) << 16;
  const float magnitude = std::bit_cast<float>(uint32_t(bits & 0x7fff) << 13) * 0x1p112f;
  if ((bits & 0x7c00) == 0x7c00)
    return decode(formatF16, uint16_t(bits));
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
}
uint16_t halfFromDouble(Type type, double value, Rounding rounding = Rounding::nearest);

} // namespace kv::ptx
#endif
