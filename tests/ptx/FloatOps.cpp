// FloatOps.cpp: f32 and f64 arithmetic, PTX ISA 9.7.3. Functions that the manual calls approximate are rounded correctly here.
#include "Elementwise.h"
#include "FloatFormats.h"

#include <cmath>
#include <limits>

namespace kv::ptx {
namespace {

template <class T> T flushed(T x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(T(0), x) : x; }
template <class T> T input(const Instruction &in, T x) { return in.flush ? flushed(x) : x; }

float canonical(float x) { return std::isnan(x) ? std::bit_cast<float>(0x7fffffffu) : x; }
double canonical(double x) { return x; }

/// .ftz, then .sat (NaN becomes 0), then the canonical NaN.
template <class T> T output(const Instruction &in, T x) {
  if (in.flush)
    x = flushed(x);
  if (in.saturate)
    x = std::isnan(x) || x < 0 ? T(0) : x > 1 ? T(1) : x;
  return canonical(x);
}

/// A float64 that was rounded to odd (or is exact) to T in the instruction's rounding mode.
float rounded(const Instruction &in, double odd) { return std::bit_cast<float>(encode(formatF32, odd, in.rounding)); }

template <class T> bool direct(const Instruction &in) { return sizeof(T) == 8 || in.rounding == Rounding::nearest; }

template <class T> struct FAdd {
  static T apply(const Instruction &in, T a, T b) {
    a = input(in, a), b = input(in, b);
    return output(in, direct<T>(in) ? T(a + b) : T(rounded(in, oddSum(a, b))));
  }
};
template <class T> struct FSub {
  static T apply(const Instruction &in, T a, T b) { return FAdd<T>::apply(in, a, -b); }
};
template <class T> struct FMul {
  static T apply(const Instruction &in, T a, T b) {
    a = input(in, a), b = input(in, b);
    return output(in, direct<T>(in) ? T(a * b) : T(rounded(in, double(a) * double(b))));
  }
};
template <class T> struct FFma {
  static T apply(const Instruction &in, T a, T b, T c) {
    a = input(in, a), b = input(in, b), c = input(in, c);
    return output(in, direct<T>(in) ? std::fma(a, b, c) : T(rounded(in, oddFma(a, b, c))));
  }
};
template <class T> struct FDiv {
  static T apply(const Instruction &in, T a, T b) {
    a = input(in, a), b = input(in, b);
    return output(in, direct<T>(in) ? T(a / b) : T(rounded(in, oddQuotient(a, b))));
  }
};
template <class T> struct FRcp {
  static T apply(const Instruction &in, T a) { return FDiv<T>::apply(in, T(1), a); }
};
template <class T> struct FSqrt {
  static T apply(const Instruction &in, T a) {
    a = input(in, a);
    return output(in, direct<T>(in) ? std::sqrt(a) : T(rounded(in, oddRoot(a))));
  }
};
// 9.7.3.11, 9.7.3.12: without .NaN the number wins over NaN; -0 is less than +0.
template <class T> T smaller(T a, T b) { return a == b ? (std::signbit(a) ? a : b) : a < b ? a : b; }
template <class T, bool Max> struct FChoose {
  static T apply(const Instruction &in, T a, T b) {
    a = input(in, a), b = input(in, b);
    if (std::isnan(a) || std::isnan(b)) {
      if (in.code || (std::isnan(a) && std::isnan(b)))
        return output(in, std::numeric_limits<T>::quiet_NaN());
      return output(in, std::isnan(a) ? b : a);
    }
    return output(in, Max ? -smaller<T>(-a, -b) : smaller(a, b));
  }
};
template <class T> using FMin = FChoose<T, false>;
template <class T> using FMax = FChoose<T, true>;
template <class T> struct FAbs {
  static T apply(const Instruction &in, T a) { return input(in, std::fabs(a)); }
};
template <class T> struct FNeg {
  static T apply(const Instruction &in, T a) { return input(in, -a); }
};
// 9.7.3.5 copysign: the sign of a, the magnitude of b.
template <class T> struct FCopySign {
  static T apply(const Instruction &, T a, T b) { return std::copysign(b, a); }
};

template <double F(double)> float approximate(const Instruction &in, float a) { return output(in, float(F(double(input(in, a))))); }
double inverseRoot(double x) { return 1 / std::sqrt(x); }
double exponential(double x) { return std::exp2(x); }
double logarithm(double x) { return std::log2(x); }
double sine(double x) { return std::sin(x); }
double cosine(double x) { return std::cos(x); }
double hyperbolic(double x) { return std::tanh(x); }
double inverseRoot64(const Instruction &, double a) { return inverseRoot(a); }

// 9.7.3 .f32x2: the same on both halves.
template <auto F, class... A> uint64_t bothHalves(const Instruction &in, A... sources) {
  const uint64_t low = toBits(F(in, fromBits<float>(sources)...)), high = toBits(F(in, fromBits<float>(sources >> 32)...));
  return high << 32 | low;
}
uint64_t addPair(const Instruction &in, uint64_t a, uint64_t b) { return bothHalves<FAdd<float>::apply>(in, a, b); }
uint64_t subPair(const Instruction &in, uint64_t a, uint64_t b) { return bothHalves<FSub<float>::apply>(in, a, b); }
uint64_t mulPair(const Instruction &in, uint64_t a, uint64_t b) { return bothHalves<FMul<float>::apply>(in, a, b); }
uint64_t fmaPair(const Instruction &in, uint64_t a, uint64_t b, uint64_t c) { return bothHalves<FFma<float>::apply>(in, a, b, c); }

// 9.7.5 mixed precision, sm_100: a (and of fma b) is f16 or bf16, the last operand and the result are f32.
template <const Format &F> float addMixed(const Instruction &in, uint16_t a, float c) {
  return FAdd<float>::apply(in, float(decode(F, a)), c);
}
template <const Format &F> float subMixed(const Instruction &in, uint16_t a, float c) {
  return FSub<float>::apply(in, float(decode(F, a)), c);
}
template <const Format &F> float fmaMixed(const Instruction &in, uint16_t a, uint16_t b, float c) {
  return FFma<float>::apply(in, float(decode(F, a)), float(decode(F, b)), c);
}

void modifiers(Decoder &decoder) {
  constexpr std::pair<std::string_view, Rounding> modes[] = {
      {"rn", Rounding::nearest}, {"rz", Rounding::zero}, {"rm", Rounding::down}, {"rp", Rounding::up}};
  for (const auto &[name, mode] : modes)
    if (decoder.has(name))
      decoder.in.rounding = mode;
  decoder.in.flush = decoder.has("ftz");
  decoder.in.saturate = decoder.has("sat");
  decoder.in.code = decoder.has("NaN");
}

template <template <class> class F, size_t Sources> Handler buildFloat(Decoder &decoder) {
  sameType(decoder, Sources, decoder.type());
  modifiers(decoder);
  return decoder.type() == Type::f32 ? handler<F<float>::apply>() : handler<F<double>::apply>();
}

template <auto F, size_t Sources> Handler buildPair(Decoder &decoder) {
  sameType(decoder, Sources, Type::f32x2);
  modifiers(decoder);
  return handler<F>();
}

template <auto Half, auto Brain, size_t Narrow> Handler buildMixed(Decoder &decoder) {
  const Type narrow = decoder.type();
  decoder.count(Narrow + 2);
  decoder.in.type = Type::f32;
  decoder.write(0, Type::f32);
  for (size_t i = 1; i <= Narrow; ++i)
    decoder.read(i, narrow);
  decoder.read(Narrow + 1, Type::f32);
  modifiers(decoder);
  return narrow == Type::f16 ? handler<Half>() : handler<Brain>();
}

template <double F(double)> Handler buildApproximate(Decoder &decoder) {
  sameType(decoder, 1, Type::f32);
  modifiers(decoder);
  return handler<approximate<F>>();
}

Handler buildInverseRoot64(Decoder &decoder) {
  sameType(decoder, 1, Type::f64);
  return handler<inverseRoot64>();
}

constexpr Row rows[] = {
    {"add<rnd>{.ftz|}.f32x2", buildPair<addPair, 2>},
    {"sub<rnd>{.ftz|}.f32x2", buildPair<subPair, 2>},
    {"mul<rnd>{.ftz|}.f32x2", buildPair<mulPair, 2>},
    {"fma{.rn|.rz|.rm|.rp}{.ftz|}.f32x2", buildPair<fmaPair, 3>},
    {"add<rnd>{.sat|}.f32.{f16|bf16}", buildMixed<addMixed<formatF16>, addMixed<formatBF16>, 1>},
    {"sub<rnd>{.sat|}.f32.{f16|bf16}", buildMixed<subMixed<formatF16>, subMixed<formatBF16>, 1>},
    {"fma{.rn|.rz|.rm|.rp}{.sat|}.f32.{f16|bf16}", buildMixed<fmaMixed<formatF16>, fmaMixed<formatBF16>, 2>},
    {"add<rnd>{.ftz|}{.sat|}.f32", buildFloat<FAdd, 2>},
    {"sub<rnd>{.ftz|}{.sat|}.f32", buildFloat<FSub, 2>},
    {"mul<rnd>{.ftz|}{.sat|}.f32", buildFloat<FMul, 2>},
    {"fma{.rn|.rz|.rm|.rp}{.ftz|}{.sat|}.f32", buildFloat<FFma, 3>},
    {"mad{.rn|.rz|.rm|.rp}{.ftz|}{.sat|}.f32", buildFloat<FFma, 3>},
    {"{add|sub|mul}{.rn|}.f64",
     [](Decoder &d) -> Handler {
       return d.words[0] == "add" ? buildFloat<FAdd, 2>(d) : d.words[0] == "sub" ? buildFloat<FSub, 2>(d) : buildFloat<FMul, 2>(d);
     }},
    {"{fma|mad}.rn.f64", buildFloat<FFma, 3>},
    {"div{.rn|.rz|.rm|.rp|.approx|.full}{.ftz|}.f32", buildFloat<FDiv, 2>},
    {"div.rn.f64", buildFloat<FDiv, 2>},
    {"rcp{.rn|.rz|.rm|.rp|.approx}{.ftz|}.f32", buildFloat<FRcp, 1>},
    {"rcp.{rn|approx.ftz}.f64", buildFloat<FRcp, 1>},
    {"sqrt{.rn|.rz|.rm|.rp|.approx}{.ftz|}.f32", buildFloat<FSqrt, 1>},
    {"sqrt.rn.f64", buildFloat<FSqrt, 1>},
    {"rsqrt.approx{.ftz|}.f32", buildApproximate<inverseRoot>},
    {"rsqrt.approx{.ftz|}.f64", buildInverseRoot64},
    {"ex2.approx{.ftz|}.f32", buildApproximate<exponential>},
    {"lg2.approx{.ftz|}.f32", buildApproximate<logarithm>},
    {"sin.approx{.ftz|}.f32", buildApproximate<sine>},
    {"cos.approx{.ftz|}.f32", buildApproximate<cosine>},
    {"tanh.approx.f32", buildApproximate<hyperbolic>},
    {"min{.ftz|}{.NaN|}.f32", buildFloat<FMin, 2>},
    {"max{.ftz|}{.NaN|}.f32", buildFloat<FMax, 2>},
    {"min.f64", buildFloat<FMin, 2>},
    {"max.f64", buildFloat<FMax, 2>},
    {"abs{.ftz|}.f32", buildFloat<FAbs, 1>},
    {"neg{.ftz|}.f32", buildFloat<FNeg, 1>},
    {"abs.f64", buildFloat<FAbs, 1>},
    {"neg.f64", buildFloat<FNeg, 1>},
    {"copysign.{f32|f64}", buildFloat<FCopySign, 2>},
};

} // namespace

std::span<const Row> floatRows() { return rows; }

} // namespace kv::ptx
