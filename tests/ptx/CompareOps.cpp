// CompareOps.cpp: set, setp, selp, slct, testp: PTX ISA 9.7.6, 9.7.7, 9.7.3.1.
#include "Elementwise.h"
#include "FloatFormats.h"

#include <array>
#include <cmath>

namespace kv::ptx {
namespace {

enum Comparison : uint8_t { eq, ne, lt, le, gt, ge, equ, neu, ltu, leu, gtu, geu, num, nan, comparisons };
constexpr std::string_view comparisonNames[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "equ",
                                                "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};

template <class T> bool compare(uint8_t code, T a, T b) {
  switch (code) {
  case eq:
    return a == b;
  case ne:
    return a < b || a > b; // false where one is NaN
  case lt:
    return a < b;
  case le:
    return a <= b;
  case gt:
    return a > b;
  case ge:
    return a >= b;
  case num:
    return a == a && b == b;
  case nan:
    return a != a || b != b;
  default: // the unordered ones
    return a != a || b != b || compare<T>(uint8_t(code == equ ? eq : code == neu ? ne : code - ltu + lt), a, b);
  }
}

template <class T> T flushed(const Instruction &in, T x) {
  if constexpr (std::is_same_v<T, float>)
    return in.flush && std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x;
  return x;
}

template <class T> uint32_t compareLanes(Warp &warp, const Instruction &in, size_t first, uint32_t mask) {
  const Lanes &a = warp.read(in.operands[first], mask), &b = warp.read(in.operands[first + 1], mask);
  uint32_t result = 0;
  forLanes(mask, [&](unsigned lane) {
    result |= uint32_t(compare<T>(in.code, flushed(in, fromBits<T>(a[lane])), flushed(in, fromBits<T>(b[lane])))) << lane;
  });
  return result;
}

uint32_t compareHalves(Warp &warp, const Instruction &in, size_t first, uint32_t mask, unsigned shift) {
  const Lanes &a = warp.read(in.operands[first], mask), &b = warp.read(in.operands[first + 1], mask);
  uint32_t result = 0;
  forLanes(mask, [&](unsigned lane) {
    const double x = halfToDouble(in.type, a[lane] >> shift & 0xffff), y = halfToDouble(in.type, b[lane] >> shift & 0xffff);
    result |= uint32_t(compare(in.code, x, y)) << lane;
  });
  return result;
}

/// combine: 0 none, 1 and, 2 or, 3 xor with the predicate `operand`.
uint32_t combined(Warp &warp, const Instruction &in, uint32_t bits, const Operand *operand, uint32_t mask) {
  if (!in.combine)
    return bits;
  const uint32_t c = warp.readPredicate(*operand, mask);
  return in.combine == 1 ? bits & c : in.combine == 2 ? bits | c : bits ^ c;
}

// p takes (a ? b) op c, q takes !(a ? b) op c. For pairs of halves p takes the lower comparison and q the upper one.
template <class T> void setp(Warp &warp, const Instruction &in, uint32_t mask) {
  const uint32_t bits = compareLanes<T>(warp, in, 2, mask);
  const Operand *c = in.combine ? &in.operands[4] : nullptr;
  const uint32_t p = combined(warp, in, bits, c, mask), q = combined(warp, in, ~bits, c, mask);
  warp.writePredicate(in.operands[0], mask, p);
  warp.writePredicate(in.operands[1], mask, q);
}

void setpHalf(Warp &warp, const Instruction &in, uint32_t mask) {
  const uint32_t low = compareHalves(warp, in, 2, mask, 0),
                 high = bitsOf(in.type) == 32 ? compareHalves(warp, in, 2, mask, 16) : ~low;
  const Operand *c = in.combine ? &in.operands[4] : nullptr;
  const uint32_t p = combined(warp, in, low, c, mask), q = combined(warp, in, high, c, mask);
  warp.writePredicate(in.operands[0], mask, p);
  warp.writePredicate(in.operands[1], mask, q);
}

template <class T> void set(Warp &warp, const Instruction &in, uint32_t mask) {
  const uint32_t bits = combined(warp, in, compareLanes<T>(warp, in, 1, mask), in.combine ? &in.operands[3] : nullptr, mask);
  const uint64_t yes = in.from == Type::f32 ? 0x3f800000 : 0xffffffff;
  Lanes &to = warp.write(in.operands[0], mask);
  forLanes(mask, [&](unsigned lane) { to[lane] = bits >> lane & 1 ? yes : 0; });
}

void comparison(Decoder &decoder) {
  constexpr std::pair<std::string_view, Comparison> aliases[] = {{"lo", lt}, {"ls", le}, {"hi", gt}, {"hs", ge}};
  for (uint8_t i = 0; i < comparisons; ++i)
    if (decoder.words[1] == comparisonNames[i])
      decoder.in.code = i;
  for (const auto &[name, code] : aliases)
    if (decoder.words[1] == name)
      decoder.in.code = code;
  decoder.in.combine = decoder.has("and") ? 1 : decoder.has("or") ? 2 : decoder.has("xor") ? 3 : 0;
  decoder.in.flush = decoder.has("ftz");
  decoder.in.type = decoder.type();
}

/// setp or set, by type of the sources.
template <template <class> class F> Handler byType(Type type) {
  switch (type) {
  case Type::f32:
    return F<float>::execute;
  case Type::f64:
    return F<double>::execute;
  default:
    break;
  }
  switch (bitsOf(type)) {
  case 16:
    return isSigned(type) ? F<int16_t>::execute : F<uint16_t>::execute;
  case 32:
    return isSigned(type) ? F<int32_t>::execute : F<uint32_t>::execute;
  default:
    return isSigned(type) ? F<int64_t>::execute : F<uint64_t>::execute;
  }
}
template <class T> struct Setp {
  static constexpr Handler execute = setp<T>;
};
template <class T> struct Set {
  static constexpr Handler execute = set<T>;
};

Handler buildSetp(Decoder &decoder) {
  comparison(decoder);
  const Type type = decoder.in.type;
  decoder.count(decoder.in.combine ? 4 : 3);
  decoder.write(0, Type::pred);
  decoder.writeSecond(0, Type::pred);
  decoder.read(1, type);
  decoder.read(2, type);
  if (decoder.in.combine)
    decoder.read(3, Type::pred);
  if (type == Type::f16 || type == Type::bf16 || type == Type::f16x2 || type == Type::bf16x2)
    return setpHalf;
  return byType<Setp>(type);
}

Handler buildSet(Decoder &decoder) {
  comparison(decoder);
  decoder.count(decoder.in.combine ? 4 : 3);
  decoder.in.from = decoder.type(-2);
  decoder.write(0, decoder.in.from);
  decoder.read(1, decoder.in.type);
  decoder.read(2, decoder.in.type);
  if (decoder.in.combine)
    decoder.read(3, Type::pred);
  return byType<Set>(decoder.in.type);
}

// 9.7.6.3 selp: reads both sources.
void selp(Warp &warp, const Instruction &in, uint32_t mask) {
  const uint32_t chosen = warp.readPredicate(in.operands[3], mask);
  uint32_t inA = mask, inB = mask;
  const Lanes &a = warp.readCopied(in.operands[1], inA), &b = warp.readCopied(in.operands[2], inB);
  const uint32_t defined = (inA & chosen) | (inB & ~chosen);
  Lanes &to = warp.write(in.operands[0], defined);
  warp.forget(in.operands[0], mask & ~defined);
  forLanes(mask, [&](unsigned lane) { to[lane] = chosen >> lane & 1 ? a[lane] : b[lane]; });
}

Handler buildSelp(Decoder &decoder) {
  decoder.count(4);
  decoder.write(0, decoder.type());
  decoder.read(1, decoder.type());
  decoder.read(2, decoder.type());
  decoder.read(3, Type::pred);
  return selp;
}

// 9.7.6.4 slct: a where c is not negative (-0 counts as 0, NaN chooses b).
uint64_t slctInteger(const Instruction &, uint64_t a, uint64_t b, int32_t c) { return c >= 0 ? a : b; }
uint64_t slctFloat(const Instruction &, uint64_t a, uint64_t b, float c) { return c >= 0 ? a : b; }

Handler buildSlct(Decoder &decoder) {
  decoder.count(4);
  decoder.write(0, decoder.type(0));
  decoder.read(1, decoder.type(0));
  decoder.read(2, decoder.type(0));
  decoder.read(3, decoder.type(1));
  return decoder.type(1) == Type::f32 ? handler<slctFloat>() : handler<slctInteger>();
}

constexpr std::string_view properties[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};

template <class T> void testp(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes &a = warp.read(in.operands[1], mask);
  uint32_t bits = 0;
  forLanes(mask, [&](unsigned lane) {
    const T x = fromBits<T>(a[lane]);
    const bool answers[] = {std::isfinite(x), std::isinf(x),    !std::isnan(x),
                            std::isnan(x),    std::isnormal(x), std::fpclassify(x) == FP_SUBNORMAL};
    bits |= uint32_t(answers[in.code]) << lane;
  });
  warp.writePredicate(in.operands[0], mask, bits);
}

Handler buildTestp(Decoder &decoder) {
  decoder.count(2);
  for (uint8_t i = 0; i < std::size(properties); ++i)
    if (decoder.words[1] == properties[i])
      decoder.in.code = i;
  decoder.write(0, Type::pred);
  decoder.read(1, decoder.type());
  return decoder.type() == Type::f32 ? testp<float> : testp<double>;
}

constexpr Row rows[] = {
    {"setp.{eq|ne}{.and|.or|.xor|}.{b16|b32|b64}", buildSetp},
    {"setp.{eq|ne|lt|le|gt|ge}{.and|.or|.xor|}.<int>", buildSetp},
    {"setp.{lo|ls|hi|hs}{.and|.or|.xor|}.{u16|u32|u64}", buildSetp},
    {"setp.{eq|ne|lt|le|gt|ge|equ|neu|ltu|leu|gtu|geu|num|nan}{.and|.or|.xor|}{.ftz|}.{f32|f16|f16x2}", buildSetp},
    {"setp.{eq|ne|lt|le|gt|ge|equ|neu|ltu|leu|gtu|geu|num|nan}{.and|.or|.xor|}.{f64|bf16|bf16x2}", buildSetp},
    {"set.{eq|ne|lt|le|gt|ge}{.and|.or|.xor|}.{u32|s32|f32}.<int>", buildSet},
    {"set.{eq|ne|lt|le|gt|ge|equ|neu|ltu|leu|gtu|geu|num|nan}{.and|.or|.xor|}{.ftz|}.{u32|s32|f32}.{f32|f64}", buildSet},
    {"selp.<cmp>", buildSelp},
    {"selp.{f16|bf16|f16x2}", buildSelp},
    {"slct.{b32|u32|s32|f32|b64|u64|s64|f64}.{s32|f32}", buildSlct},
    {"testp.{finite|infinite|number|notanumber|normal|subnormal}.{f32|f64}", buildTestp},
};

} // namespace

std::span<const Row> compareRows() { return rows; }

} // namespace kv::ptx
