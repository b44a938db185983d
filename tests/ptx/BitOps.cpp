// BitOps.cpp: logic, shifts and bit fields, PTX ISA 9.7.8 and the end of 9.7.1.
#include "Elementwise.h"

#include <algorithm>

namespace kv::ptx {
namespace {

template <class T> struct And {
  static T apply(const Instruction &, T a, T b) { return a & b; }
};
template <class T> struct Or {
  static T apply(const Instruction &, T a, T b) { return a | b; }
};
template <class T> struct Xor {
  static T apply(const Instruction &, T a, T b) { return a ^ b; }
};
template <class T> struct Not {
  static T apply(const Instruction &, T a) { return T(~a); }
};
template <class T> struct CNot { // 9.7.8.5
  static T apply(const Instruction &, T a) { return a == 0; }
};
template <class T> struct Reverse {
  static T apply(const Instruction &, T a) {
    T result = 0;
    for (unsigned i = 0; i < sizeof(T) * 8; ++i)
      result = T(result << 1 | (a >> i & 1));
    return result;
  }
};

// 9.7.8.7, 9.7.8.8: the amount is .b32; amounts beyond the width shift everything out.
template <class T> T shiftLeft(const Instruction &, T a, uint32_t by) { return by >= sizeof(T) * 8 ? T(0) : T(uint64_t(a) << by); }
template <class T> T shiftRight(const Instruction &, T a, uint32_t by) {
  return T(a >> std::min<uint32_t>(by, sizeof(T) * 8 - 1)) >> (by >= sizeof(T) * 8);
}

Handler buildShift(Decoder &decoder) {
  const Type type = decoder.type();
  decoder.count(3);
  decoder.write(0, type);
  decoder.read(1, type);
  decoder.read(2, Type::b32);
  const bool left = decoder.words[0] == "shl";
  switch (bitsOf(type)) {
  case 16:
    return left             ? handler<shiftLeft<uint16_t>>()
           : isSigned(type) ? handler<shiftRight<int16_t>>()
                            : handler<shiftRight<uint16_t>>();
  case 32:
    return left             ? handler<shiftLeft<uint32_t>>()
           : isSigned(type) ? handler<shiftRight<int32_t>>()
                            : handler<shiftRight<uint32_t>>();
  default:
    return left             ? handler<shiftLeft<uint64_t>>()
           : isSigned(type) ? handler<shiftRight<int64_t>>()
                            : handler<shiftRight<uint64_t>>();
  }
}

// 9.7.8.6 shf: the 64 bits {b, a} shifted; left takes the upper word. code: 1 right, 2 clamp.
uint32_t funnel(const Instruction &in, uint32_t a, uint32_t b, uint32_t c) {
  const uint32_t by = in.code & 2 ? std::min(c, 32u) : c & 31;
  const uint64_t both = uint64_t(b) << 32 | a;
  return uint32_t(in.code & 1 ? both >> by : both << by >> 32);
}

// 9.7.8.4 lop3: bit i of the result is bit (a_i, b_i, c_i) of the table.
uint32_t lookup(const Instruction &in, uint32_t a, uint32_t b, uint32_t c) {
  uint32_t result = 0;
  for (int entry = 0; entry < 8; ++entry)
    if (in.immediate >> entry & 1)
      result |= (entry & 4 ? a : ~a) & (entry & 2 ? b : ~b) & (entry & 1 ? c : ~c);
  return result;
}

// 9.7.9.7 prmt: selects bytes of {b, a}; bit 3 of a selector replicates the byte's sign.
uint32_t permute(const Instruction &in, uint32_t a, uint32_t b, uint32_t c) {
  const uint64_t bytes = uint64_t(b) << 32 | a;
  uint32_t result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    unsigned selector = c >> (4 * i) & 15;
    const unsigned mode = in.code, base = c & 3;
    if (mode == 1) // f4e
      selector = base + i;
    else if (mode == 2) // b4e
      selector = (base - i) & 7;
    else if (mode == 3) // rc8
      selector = base;
    else if (mode == 4) // ecl
      selector = std::max(i, base);
    else if (mode == 5) // ecr
      selector = std::min(i, base);
    else if (mode == 6) // rc16
      selector = (base & 1) * 2 + (i & 1);
    uint32_t byte = uint32_t(bytes >> (8 * (selector & 7))) & 0xff;
    if (selector & 8)
      byte = byte & 0x80 ? 0xff : 0;
    result |= byte << (8 * i);
  }
  return result;
}

// 9.7.1.20 bfe: `length` bits from `start`; beyond the top, the sign (of the field's last bit that exists) or zeros.
template <class T> T extract(const Instruction &, T a, uint32_t start, uint32_t length) {
  constexpr unsigned bits = sizeof(T) * 8;
  start &= 0xff;
  length &= 0xff;
  if (!length)
    return 0;
  const unsigned top = std::min<unsigned>(start + length - 1, bits - 1);
  const bool sign = std::is_signed_v<T> && (uint64_t(a) >> top & 1);
  const uint64_t raw = lowBits(uint64_t(a), bits);
  uint64_t field = start >= bits ? 0 : lowBits(raw >> start, std::min<unsigned>(length, 64));
  const unsigned have = start >= bits ? 0 : std::min<unsigned>(length, bits - start);
  if (sign && have < 64)
    field |= ~uint64_t(0) << have;
  return T(field);
}

// 9.7.1.21 bfi: the low `length` bits of a over those of b from `start`.
template <class T> void insert(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes &a = warp.read(in.operands[1], mask), &b = warp.read(in.operands[2], mask);
  const Lanes &starts = warp.read(in.operands[3], mask), &lengths = warp.read(in.operands[4], mask);
  Lanes &to = warp.write(in.operands[0], mask);
  forLanes(mask, [&](unsigned lane) {
    const unsigned start = starts[lane] & 0xff, length = lengths[lane] & 0xff;
    const uint64_t field = start >= 64 ? 0 : lowBits(~uint64_t(0), length) << start;
    to[lane] = uint64_t(T((b[lane] & ~field) | (start >= 64 ? 0 : a[lane] << start & field)));
  });
}

uint32_t countLeading(const Instruction &in, uint64_t a) {
  const unsigned bits = in.type == Type::b64 ? 64 : 32;
  return a ? uint32_t(__builtin_clzll(a)) - (64 - bits) : bits;
}
uint32_t countOnes(const Instruction &, uint64_t a) { return uint32_t(__builtin_popcountll(a)); }
// 9.7.1.17 bfind: the position of the leading one (of the leading bit unlike the sign); all ones where there is none.
uint32_t findTop(const Instruction &in, uint64_t a) {
  const unsigned bits = bitsOf(in.type);
  if (isSigned(in.type) && signExtend(a, bits) < 0)
    a = lowBits(~a, bits);
  if (!a)
    return ~0u;
  const uint32_t top = 63 - uint32_t(__builtin_clzll(a));
  return in.code ? bits - 1 - top : top;
}
// 9.7.1.25 bmsk: `b` ones from bit `a`.
uint32_t bitMask(const Instruction &in, uint32_t a, uint32_t b) {
  if (!in.code) // clamp
    return a >= 32 ? 0 : uint32_t(lowBits(~uint64_t(0), std::min(b, 32u)) << a);
  return uint32_t(lowBits(~uint64_t(0), b & 31) << (a & 31));
}
// 9.7.1.22 szext: the low b bits of a, extended.
uint32_t extend(const Instruction &in, uint32_t a, uint32_t b) {
  const uint32_t width = in.code ? b & 31 : std::min(b, 32u);
  if (!width)
    return 0;
  return isSigned(in.type) ? uint32_t(signExtend(a, width)) : uint32_t(lowBits(a, width));
}

template <auto F> Handler buildCount(Decoder &decoder) {
  decoder.count(2);
  decoder.in.type = decoder.type();
  decoder.in.code = decoder.has("shiftamt");
  decoder.write(0, Type::b32);
  decoder.read(1, decoder.type());
  return handler<F>();
}

template <auto F> Handler buildWrapOrClamp(Decoder &decoder) {
  sameType(decoder, 2, decoder.type());
  decoder.in.code = decoder.has("wrap");
  return handler<F>();
}

Handler buildFunnel(Decoder &decoder) {
  sameType(decoder, 3, Type::b32);
  decoder.in.code = uint8_t(decoder.has("r") | decoder.has("clamp") << 1);
  return handler<funnel>();
}

Handler buildLookup(Decoder &decoder) {
  decoder.count(5);
  decoder.write(0, Type::b32);
  for (int i = 1; i < 4; ++i)
    decoder.read(i, Type::b32);
  decoder.in.immediate = decoder.constant(4);
  return handler<lookup>();
}

Handler buildPermute(Decoder &decoder) {
  sameType(decoder, 3, Type::b32);
  constexpr std::string_view modes[] = {"", "f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
  for (uint8_t mode = 1; mode < 7; ++mode)
    if (decoder.words.back() == modes[mode])
      decoder.in.code = mode;
  return handler<permute>();
}

Handler buildExtract(Decoder &decoder) {
  const Type type = decoder.type();
  decoder.count(4);
  decoder.write(0, type);
  decoder.read(1, type);
  decoder.read(2, Type::b32);
  decoder.read(3, Type::b32);
  if (bitsOf(type) == 32)
    return isSigned(type) ? handler<extract<int32_t>>() : handler<extract<uint32_t>>();
  return isSigned(type) ? handler<extract<int64_t>>() : handler<extract<uint64_t>>();
}

Handler buildInsert(Decoder &decoder) {
  const Type type = decoder.type();
  decoder.count(5);
  decoder.write(0, type);
  decoder.read(1, type);
  decoder.read(2, type);
  decoder.read(3, Type::b32);
  decoder.read(4, Type::b32);
  return bitsOf(type) == 32 ? insert<uint32_t> : insert<uint64_t>;
}

constexpr Row rows[] = {
    {"and.<bits>", buildInteger<And, 2>},
    {"or.<bits>", buildInteger<Or, 2>},
    {"xor.<bits>", buildInteger<Xor, 2>},
    {"not.<bits>", buildInteger<Not, 1>},
    {"cnot.<bits>", buildInteger<CNot, 1>},
    {"brev.{b32|b64}", buildInteger<Reverse, 1>},
    {"shl.<bits>", buildShift},
    {"shr.{b16|b32|b64|u16|u32|u64|s16|s32|s64}", buildShift},
    {"shf.{l|r}.{wrap|clamp}.b32", buildFunnel},
    {"lop3.b32", buildLookup},
    {"prmt.b32{.f4e|.b4e|.rc8|.ecl|.ecr|.rc16|}", buildPermute},
    {"bfe.{u32|s32|u64|s64}", buildExtract},
    {"bfi.{b32|b64}", buildInsert},
    {"clz.{b32|b64}", buildCount<countLeading>},
    {"popc.{b32|b64}", buildCount<countOnes>},
    {"bfind{.shiftamt|}.{u32|s32|u64|s64}", buildCount<findTop>},
    {"bmsk.{clamp|wrap}.b32", buildWrapOrClamp<bitMask>},
    {"szext.{clamp|wrap}.{u32|s32}", buildWrapOrClamp<extend>},
};

} // namespace

std::span<const Row> bitRows() { return rows; }

} // namespace kv::ptx
