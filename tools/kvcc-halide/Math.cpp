#include "tools/kvcc-halide/Math.h"

#include <limits>

using namespace Halide;

namespace kv::halide {

static Expr polynomial(const Expr &x, std::initializer_list<float> coefficients) {
  Expr sum = *coefficients.begin();
  for (const float *next = coefficients.begin() + 1; next != coefficients.end(); ++next)
    sum = sum * x + *next;
  return sum;
}

Expr nearest(const Expr &x) {
  constexpr float magic = 12582912; // 1.5 * 2^23: what is added to it is rounded to an integer
  return reinterpret<int32_t>(x + magic) - reinterpret<int32_t>(Expr(magic));
}

Expr finiteQuotient(const Expr &a, const Expr &b) {
  Expr quotient = a / b;
  return select(quotient <= std::numeric_limits<float>::max(), quotient, 0.0f);
}

Expr greater(const Expr &a, const Expr &b) { return select(a > b, a, b); }

/// 2^n * 2^f, -127 <= n <= 128 a whole number plus 1.5 * 2^23 + 127, |f| <= 1/2.
static Expr powerOfTwo(const Expr &shifted, const Expr &f) {
  Expr power = polynomial(
      f, {0.0013264742542738158f, 0.009671518004093821f, 0.055507337560222386f, 0.24022242003987954f, 0.69314697755914f, 1.0f});
  return power * reinterpret<float>(reinterpret<int32_t>(shifted) << 23);
}

constexpr float magic = 12582912.0f + 127.0f;

Expr exp2Of(const Expr &x) {
  Expr above = select(x < -127.0f, -127.0f, x), inside = select(above > 128.0f, 128.0f, above), shifted = inside + magic;
  return powerOfTwo(shifted, inside - (shifted - magic));
}

/// The remainder of x to a multiple of ln 2, in two steps, so that great x lose nothing.
Expr expOf(const Expr &x) {
  Expr above = select(x < -88.0f, -88.0f, x), inside = select(above > 88.8f, 88.8f, above);
  Expr shifted = inside * 1.44269504f + magic, n = shifted - magic;
  Expr rest = (inside - n * 0.693359375f) - n * -2.12194440e-4f;
  return select(x < -88.0f, 0.0f, powerOfTwo(shifted, rest * 1.44269504f));
}

/// x = 2^n * m, m about 1; log m by the series of the area tangent.
Expr logOf(const Expr &x) {
  Expr bits = reinterpret<int32_t>(x), n = (bits - 0x3f3504f3) >> 23;
  Expr m = reinterpret<float>(reinterpret<int32_t>(reinterpret<uint32_t>(bits) - (reinterpret<uint32_t>(n) << 23)));
  Expr z = (m - 1.0f) / (m + 1.0f), square = z * z;
  Expr series = polynomial(square, {2.0f / 9, 2.0f / 7, 2.0f / 5, 2.0f / 3, 2.0f}) * z;
  float infinity = std::numeric_limits<float>::infinity(), none = std::numeric_limits<float>::quiet_NaN();
  Expr finite = cast<float>(n) * 0.693147181f + series;
  return select(x == 0.0f, -infinity, x < 0.0f, none, x < infinity, finite, x);
}

Expr tanhOf(const Expr &x) {
  Expr square = x * x;
  Expr small = polynomial(square, {62.0f / 2835, -17.0f / 315, 2.0f / 15, -1.0f / 3, 1.0f}) * x;
  Expr inside = select(abs(x) > 10.0f, select(x > 0.0f, 10.0f, -10.0f), x), e = expOf(inside * 2.0f);
  return select(abs(x) < 0.3f, small, (e - 1.0f) / (e + 1.0f));
}

static Expr polynomial64(const Expr &x, std::initializer_list<double> coefficients) {
  Expr sum(*coefficients.begin());
  for (const double *next = coefficients.begin() + 1; next != coefficients.end(); ++next)
    sum = sum * x + Expr(*next);
  return sum;
}

/// log2 of a float64 that is not negative, as compiler/targets/generic/Power.cpp has it.
static Expr log2Of64(const Expr &x) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Expr bits = reinterpret<int64_t>(x), n = (bits - Expr(int64_t(0x3fe6a09e667f3bcd))) >> 52;
  Expr m = reinterpret<double>(reinterpret<uint64_t>(bits) - (reinterpret<uint64_t>(n) << 52));
  Expr t = (m - Expr(1.0)) / (m + Expr(1.0)), scale = Expr(2 / 0.6931471805599453);
  Expr series = polynomial64(t * t, {1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0}) * t * scale;
  Expr none = Expr(-infinity), all = Expr(infinity);
  return select(x == Expr(0.0), none, x == all, all, cast<double>(n) + series);
}

static Expr exp2Of64(const Expr &x) {
  Expr above = select(x < Expr(-300.0), Expr(-300.0), x), inside = select(above > Expr(300.0), Expr(300.0), above);
  Expr magic64 = Expr(6755399441055744.0 + 1023), shifted = inside + magic64, f = inside - (shifted - magic64);
  Expr power = polynomial64(f * Expr(0.6931471805599453), {1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0});
  return cast<float>(power * reinterpret<double>(reinterpret<uint64_t>(shifted) << 52));
}

/// C's pow: see compiler/targets/generic/Power.cpp.
Expr powOf(const Expr &base, const Expr &exponent) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  Expr power = exp2Of64(log2Of64(cast<double>(abs(base))) * cast<double>(exponent));
  Expr small = select(abs(exponent) < 16777216.0f, exponent, 0.0f), whole = cast<int32_t>(small);
  Expr isWhole = cast<float>(whole) == small, sign = reinterpret<uint32_t>(base) & Expr(uint32_t(0x80000000));
  Expr odd = select(isWhole && (whole & 1) == 1, sign, Expr(uint32_t(0)));
  power = reinterpret<float>(reinterpret<uint32_t>(power) | odd);
  Expr undefined = (base < 0.0f && !isWhole && base != -infinity) || base != base || exponent != exponent;
  Expr isOne = base == 1.0f || exponent == 0.0f || (base == -1.0f && abs(exponent) == infinity);
  return select(isOne, 1.0f, undefined, std::numeric_limits<float>::quiet_NaN(), power);
}

} // namespace kv::halide
