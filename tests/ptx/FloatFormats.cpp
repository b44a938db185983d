// FloatFormats.cpp: see FloatFormats.h.
#include "FloatFormats.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace kv::ptx {
namespace {

/// Moves an inexact result to the neighbour with an odd last bit, towards what was lost.
double toOdd(double rounded, double lost) {
  const uint64_t bits = std::bit_cast<uint64_t>(rounded);
  if (lost == 0 || (bits & 1) || !std::isfinite(rounded))
    return rounded;
  const double up = std::numeric_limits<double>::infinity();
  return std::nextafter(rounded, lost > 0 ? up : -up);
}

/// Whether `rest` of `whole` units (whole: 1 << 63, half of it: a tie) beside an odd or even number rounds away from zero.
bool roundsUp(bool odd, uint64_t rest, bool negative, Rounding rounding) {
  constexpr uint64_t half = uint64_t(1) << 62;
  switch (rounding) {
  case Rounding::nearest:
    return rest > half || (rest == half && odd);
  case Rounding::nearestAway:
    return rest >= half;
  case Rounding::up:
    return rest && !negative;
  case Rounding::down:
    return rest && negative;
  default:
    return false;
  }
}

/// Shifts right; what falls out, in units of 1 / 2^63 of the last bit that stays, the last of them sticky.
uint64_t shiftOut(uint64_t &value, int by) {
  if (by <= 0) {
    value <<= -by;
    return 0;
  }
  if (by > 63) {
    const bool any = value != 0;
    value = 0;
    return any;
  }
  const uint64_t lost = lowBits(value, unsigned(by));
  value >>= by;
  return lost << (63 - by);
}

} // namespace

uint32_t Format::largest() const {
  const uint32_t top = ((1u << exponentBits) - 1) << fractionBits;
  return infinities ? top - 1 : (top | ((1u << fractionBits) - 1)) - 1;
}

uint32_t encode(const Format &format, double value, Rounding rounding, bool finite) {
  if (std::isnan(value))
    return format.nan;
  const bool negative = std::signbit(value);
  const uint32_t sign = negative ? 1u << (format.bits() - 1) : 0;
  const double magnitude = std::fabs(value);
  const uint32_t infinity = format.infinities ? format.largest() + 1 : format.nan;
  if (magnitude == 0)
    return sign;
  if (std::isinf(value))
    return sign | (finite ? format.largest() : infinity);
  const int smallest = 1 - format.bias(); // exponent of the smallest normal number
  const uint64_t pattern = std::bit_cast<uint64_t>(magnitude);
  const int given = int(pattern >> 52) ? int(pattern >> 52) - 1023 : -1022;
  uint64_t kept = lowBits(pattern, 52) | (pattern >> 52 ? uint64_t(1) << 52 : 0);
  const int exponent = std::max(given, smallest);
  const uint64_t rest = shiftOut(kept, 52 - format.fractionBits + (exponent - given));
  kept += roundsUp(kept & 1, rest, negative, rounding);
  // The hidden bit of a normal number adds one to the exponent, and so does a carry.
  const uint64_t bits = (uint64_t(exponent - smallest) << format.fractionBits) + kept;
  if (bits <= format.largest())
    return sign | uint32_t(bits);
  const bool towardsZero =
      rounding == Rounding::zero || (rounding == Rounding::up && negative) || (rounding == Rounding::down && !negative);
  return sign | (finite || towardsZero ? format.largest() : infinity);
}

double decode(const Format &format, uint32_t bits) {
  const double sign = bits >> (format.bits() - 1) & 1 ? -1 : 1;
  const int exponent = int(bits >> format.fractionBits & ((1u << format.exponentBits) - 1));
  const uint32_t fraction = bits & ((1u << format.fractionBits) - 1);
  const bool top = exponent == (1 << format.exponentBits) - 1;
  if (top && format.infinities)
    return fraction ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  if (top && fraction == (1u << format.fractionBits) - 1)
    return std::numeric_limits<double>::quiet_NaN();
  const double significand = fraction + (exponent ? double(1u << format.fractionBits) : 0);
  return sign * std::ldexp(significand, (exponent ? exponent : 1) - format.bias() - format.fractionBits);
}

double oddSum(double a, double b) {
  const double sum = a + b;
  if (!std::isfinite(sum))
    return sum;
  const double part = sum - a; // TwoSum (Knuth)
  return toOdd(sum, (a - (sum - part)) + (b - part));
}

double oddQuotient(double a, double b) {
  const double quotient = a / b;
  if (!std::isfinite(quotient) || b == 0 || quotient == 0 || !std::isfinite(b))
    return quotient;
  const double rest = std::fma(-quotient, b, a);
  return toOdd(quotient, b > 0 ? rest : -rest);
}

double oddRoot(double a) {
  const double root = std::sqrt(a);
  return a > 0 && std::isfinite(a) ? toOdd(root, std::fma(-root, root, a)) : root;
}

const Format &halfFormat(Type type) { return type == Type::bf16 || type == Type::bf16x2 ? formatBF16 : formatF16; }

uint16_t halfFromDouble(Type type, double value, Rounding rounding) { return uint16_t(encode(halfFormat(type), value, rounding)); }

} // namespace kv::ptx
