// HalfOps.cpp: f16, bf16 and their pairs, PTX ISA 9.7.4: each operation in float64, rounded once.
#include "Elementwise.h"
#include "FloatFormats.h"

#include <cmath>

namespace kv::ptx {
namespace {

double input(const Instruction &in, uint64_t bits) {
  const double x = halfToDouble(in.type, bits & 0xffff);
  return in.flush && (bits & 0x7c00) == 0 && halfFormat(in.type).fractionBits == 10 ? std::copysign(0.0, x) : x;
}

uint64_t output(const Instruction &in, double x) {
  if (in.saturate)
    x = std::isnan(x) || x < 0 ? 0 : std::min(x, 1.0);
  if (in.relu && x < 0) // 9.7.4.4: NaN becomes canonical, negatives 0
    x = 0;
  const uint16_t bits = halfFromDouble(in.type, x);
  return in.flush && (bits & 0x7c00) == 0 && halfFormat(in.type).fractionBits == 10 ? bits & 0x8000 : bits;
}

// Sums and fma round to odd first: float64 need not hold them exactly. Products of two halves it does.
double add(const Instruction &, double a, double b) { return oddSum(a, b); }
double sub(const Instruction &, double a, double b) { return oddSum(a, -b); }
double mul(const Instruction &, double a, double b) { return a * b; }
double fma(const Instruction &, double a, double b, double c) { return oddFma(a, b, c); }
double choose(const Instruction &in, double a, double b, bool larger) { // 9.7.4.9, 9.7.4.10
  if (std::isnan(a) || std::isnan(b))
    return in.code || std::isnan(a) == std::isnan(b) ? NAN : std::isnan(a) ? b : a;
  if (a == b)
    return std::signbit(a) == larger ? b : a;
  return (a < b) == larger ? b : a;
}
double min(const Instruction &in, double a, double b) { return choose(in, a, b, false); }
double max(const Instruction &in, double a, double b) { return choose(in, a, b, true); }
double exponential(const Instruction &, double a) { return std::exp2(a); }
double hyperbolic(const Instruction &, double a) { return std::tanh(a); }

template <auto F, class... A> uint64_t once(const Instruction &in, unsigned shift, A... sources) {
  return output(in, F(in, input(in, sources >> shift)...)) << shift;
}
template <auto F, class... A> uint64_t each(const Instruction &in, A... sources) {
  const uint64_t low = once<F>(in, 0, sources...);
  return bitsOf(in.type) == 32 ? low | once<F>(in, 16, sources...) : low;
}
template <auto F> uint64_t unary(const Instruction &in, uint64_t a) { return each<F>(in, a); }
template <auto F> uint64_t binary(const Instruction &in, uint64_t a, uint64_t b) { return each<F>(in, a, b); }
template <auto F> uint64_t ternary(const Instruction &in, uint64_t a, uint64_t b, uint64_t c) { return each<F>(in, a, b, c); }

uint64_t signs(const Instruction &in) { return bitsOf(in.type) == 32 ? 0x80008000 : 0x8000; }
uint64_t negate(const Instruction &in, uint64_t a) { return a ^ signs(in); }
uint64_t absolute(const Instruction &in, uint64_t a) { return a & ~signs(in); }

template <auto F, size_t Sources> Handler build(Decoder &decoder) {
  sameType(decoder, Sources, decoder.type());
  decoder.in.flush = decoder.has("ftz");
  decoder.in.saturate = decoder.has("sat");
  decoder.in.relu = decoder.has("relu");
  decoder.in.code = decoder.has("NaN");
  return handler<F>();
}

constexpr Row rows[] = {
    {"add{.rn|}{.ftz|}{.sat|}.{f16|f16x2}", build<binary<add>, 2>},
    {"sub{.rn|}{.ftz|}{.sat|}.{f16|f16x2}", build<binary<sub>, 2>},
    {"mul{.rn|}{.ftz|}{.sat|}.{f16|f16x2}", build<binary<mul>, 2>},
    {"add{.rn|}.{bf16|bf16x2}", build<binary<add>, 2>},
    {"sub{.rn|}.{bf16|bf16x2}", build<binary<sub>, 2>},
    {"mul{.rn|}.{bf16|bf16x2}", build<binary<mul>, 2>},
    {"fma.rn{.ftz|}{.sat|.relu|}.{f16|f16x2}", build<ternary<fma>, 3>},
    {"fma.rn{.relu|}.{bf16|bf16x2}", build<ternary<fma>, 3>},
    {"min{.ftz|}{.NaN|}.{f16|f16x2|bf16|bf16x2}", build<binary<min>, 2>},
    {"max{.ftz|}{.NaN|}.{f16|f16x2|bf16|bf16x2}", build<binary<max>, 2>},
    {"neg{.ftz|}.{f16|f16x2|bf16|bf16x2}", build<negate, 1>},
    {"abs{.ftz|}.{f16|f16x2|bf16|bf16x2}", build<absolute, 1>},
    {"ex2.approx{.ftz|}.{f16|f16x2|bf16|bf16x2}", build<unary<exponential>, 1>},
    {"tanh.approx.{f16|f16x2|bf16|bf16x2}", build<unary<hyperbolic>, 1>},
};

} // namespace

std::span<const Row> halfRows() { return rows; }

} // namespace kv::ptx
