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

Expr powOf(const Expr &base, const Expr &exponent) { return select(exponent == 0.0f, 1.0f, expOf(exponent * logOf(base))); }

} // namespace kv::halide
