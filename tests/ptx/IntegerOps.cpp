// IntegerOps.cpp: integer arithmetic, PTX ISA 9.7.1. Everything wraps unless .sat says otherwise.
#include "Elementwise.h"

#include <algorithm>
#include <limits>

namespace kv::ptx {
namespace {

template <class T> using Wide = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;

// 9.7.1.1 to 9.7.1.3: add, sub, mul; the low half is the same for both signednesses.
template <class T> struct Add {
  static T apply(const Instruction &, T a, T b) { return T(uint64_t(a) + uint64_t(b)); }
};
template <class T> struct Sub {
  static T apply(const Instruction &, T a, T b) { return T(uint64_t(a) - uint64_t(b)); }
};
template <class T> struct MulLow {
  static T apply(const Instruction &, T a, T b) { return T(uint64_t(a) * uint64_t(b)); }
};
template <class T> struct MulHigh {
  static T apply(const Instruction &, T a, T b) { return T((Wide<T>(a) * Wide<T>(b)) >> (sizeof(T) * 8)); }
};
template <class T> struct MadLow {
  static T apply(const Instruction &, T a, T b, T c) { return T(uint64_t(a) * uint64_t(b) + uint64_t(c)); }
};
template <class T> struct MadHigh {
  static T apply(const Instruction &in, T a, T b, T c) { return T(uint64_t(MulHigh<T>::apply(in, a, b)) + uint64_t(c)); }
};
// 9.7.1.8, 9.7.1.9: division by zero and the overflow of the smallest value have unspecified results; here all ones and the value
// itself.
template <class T> struct Div {
  static T apply(const Instruction &, T a, T b) {
    if (b == 0)
      return T(-1);
    if (std::is_signed_v<T> && b == T(-1))
      return T(0 - uint64_t(a));
    return T(a / b);
  }
};
template <class T> struct Rem {
  static T apply(const Instruction &, T a, T b) {
    if (b == 0)
      return a;
    if (std::is_signed_v<T> && b == T(-1))
      return 0;
    return T(a % b);
  }
};
template <class T> struct Min {
  static T apply(const Instruction &, T a, T b) { return std::min(a, b); }
};
template <class T> struct Max {
  static T apply(const Instruction &, T a, T b) { return std::max(a, b); }
};
template <class T> struct Abs {
  static T apply(const Instruction &, T a) { return a < 0 ? T(0 - uint64_t(a)) : a; }
};
template <class T> struct Neg {
  static T apply(const Instruction &, T a) { return T(0 - uint64_t(a)); }
};
// 9.7.1.7 sad: c + |a - b|.
template <class T> struct Sad {
  static T apply(const Instruction &, T a, T b, T c) {
    return T(uint64_t(c) + (a < b ? uint64_t(b) - uint64_t(a) : uint64_t(a) - uint64_t(b)));
  }
};

int32_t saturate(int64_t value) { return int32_t(std::clamp<int64_t>(value, INT32_MIN, INT32_MAX)); }
int32_t addSat(const Instruction &, int32_t a, int32_t b) { return saturate(int64_t(a) + b); }
int32_t subSat(const Instruction &, int32_t a, int32_t b) { return saturate(int64_t(a) - b); }
int32_t madHighSat(const Instruction &, int32_t a, int32_t b, int32_t c) { return saturate(((int64_t(a) * b) >> 32) + c); }

// 9.7.1.5, 9.7.1.6: the product of the low 24 bits.
int32_t mul24(const Instruction &in, int32_t a, int32_t b) {
  const int64_t product = in.from == Type::s32 ? signExtend(uint64_t(a), 24) * signExtend(uint64_t(b), 24)
                                               : int64_t(lowBits(uint64_t(a), 24) * lowBits(uint64_t(b), 24));
  return int32_t(in.code ? product >> 16 : product);
}
int32_t mad24(const Instruction &in, int32_t a, int32_t b, int32_t c) { return int32_t(uint32_t(mul24(in, a, b)) + uint32_t(c)); }

// The halves of .u16x2 and .s16x2.
template <template <class> class F, class T> uint32_t halves(const Instruction &in, uint32_t a, uint32_t b) {
  const uint32_t low = uint16_t(F<T>::apply(in, T(a), T(b))), high = uint16_t(F<T>::apply(in, T(a >> 16), T(b >> 16)));
  return low | high << 16;
}
template <template <class> class F> Handler buildHalves(Decoder &decoder) {
  sameType(decoder, 2, decoder.type());
  return decoder.type() == Type::s16x2 ? handler<halves<F, int16_t>>() : handler<halves<F, uint16_t>>();
}

// .wide: a result of twice the bits.
template <class R, class T> R mulWide(const Instruction &, T a, T b) { return R(R(a) * R(b)); }
template <class R, class T> R madWide(const Instruction &, T a, T b, R c) { return R(uint64_t(R(a) * R(b)) + uint64_t(c)); }

Handler buildWide(Decoder &decoder) {
  const bool mad = decoder.words[0] == "mad";
  const Type type = decoder.type();
  const Type wide = bitsOf(type) == 16 ? Type::b32 : Type::b64;
  decoder.count(mad ? 4 : 3);
  decoder.write(0, wide);
  decoder.read(1, type);
  decoder.read(2, type);
  if (mad)
    decoder.read(3, wide);
  switch (type) {
  case Type::u16:
    return mad ? handler<madWide<uint32_t, uint16_t>>() : handler<mulWide<uint32_t, uint16_t>>();
  case Type::s16:
    return mad ? handler<madWide<int32_t, int16_t>>() : handler<mulWide<int32_t, int16_t>>();
  case Type::u32:
    return mad ? handler<madWide<uint64_t, uint32_t>>() : handler<mulWide<uint64_t, uint32_t>>();
  default:
    return mad ? handler<madWide<int64_t, int32_t>>() : handler<mulWide<int64_t, int32_t>>();
  }
}

template <auto F, size_t Sources> Handler buildPlain(Decoder &decoder) {
  sameType(decoder, Sources, decoder.type());
  decoder.in.from = decoder.type();
  decoder.in.code = decoder.has("hi");
  return handler<F>();
}

// 9.7.1.23, 9.7.1.24: dot products of four bytes with four bytes, of two halves with two bytes. Bits of `code`: signedness of a, b,
// .hi.
template <int Elements> uint32_t dot(const Instruction &in, uint32_t a, uint32_t b, uint32_t c) {
  const unsigned bits = 32 / Elements;
  for (int i = 0; i < Elements; ++i) {
    const uint64_t x = a >> (bits * i), y = b >> (8 * (i + (in.code & 4 ? 2 : 0)));
    c += uint32_t((in.code & 1 ? signExtend(x, bits) : int64_t(lowBits(x, bits))) *
                  (in.code & 2 ? signExtend(y, 8) : int64_t(lowBits(y, 8))));
  }
  return c;
}
template <int Elements> Handler buildDot(Decoder &decoder) {
  sameType(decoder, 3, Type::b32);
  decoder.in.code = uint8_t((decoder.type(-2) == Type::s32) | (decoder.type(-1) == Type::s32) << 1 | decoder.has("hi") << 2);
  return handler<dot<Elements>>();
}

constexpr Row rows[] = {
    {"add.<int>", buildInteger<Add, 2>},
    {"sub.<int>", buildInteger<Sub, 2>},
    {"add.{u16x2|s16x2}", buildHalves<Add>},
    {"sub.{u16x2|s16x2}", buildHalves<Sub>},
    {"add.sat.s32", buildPlain<addSat, 2>},
    {"sub.sat.s32", buildPlain<subSat, 2>},
    {"mul.lo.<int>", buildInteger<MulLow, 2>},
    {"mul.hi.<int>", buildInteger<MulHigh, 2>},
    {"mul.wide.{u16|s16|u32|s32}", buildWide},
    {"mad.lo.<int>", buildInteger<MadLow, 3>},
    {"mad.hi.<int>", buildInteger<MadHigh, 3>},
    {"mad.hi.sat.s32", buildPlain<madHighSat, 3>},
    {"mad.wide.{u16|s16|u32|s32}", buildWide},
    {"mul24.{lo|hi}.{u32|s32}", buildPlain<mul24, 2>},
    {"mad24.{lo|hi}.{u32|s32}", buildPlain<mad24, 3>},
    {"sad.<int>", buildInteger<Sad, 3>},
    {"div.<int>", buildInteger<Div, 2>},
    {"rem.<int>", buildInteger<Rem, 2>},
    {"min.<int>", buildInteger<Min, 2>},
    {"max.<int>", buildInteger<Max, 2>},
    {"min.{u16x2|s16x2}", buildHalves<Min>},
    {"max.{u16x2|s16x2}", buildHalves<Max>},
    {"abs.{s16|s32|s64}", buildInteger<Abs, 1>},
    {"neg.{s16|s32|s64}", buildInteger<Neg, 1>},
    {"dp4a.{u32|s32}.{u32|s32}", buildDot<4>},
    {"dp2a.{lo|hi}.{u32|s32}.{u32|s32}", buildDot<2>},
};

} // namespace

std::span<const Row> integerRows() { return rows; }

} // namespace kv::ptx
