// ConvertOps.cpp: cvt and cvt.pack, PTX ISA 9.7.9.21 and 9.7.9.22.
#include "Elementwise.h"
#include "FloatFormats.h"

#include <algorithm>
#include <cmath>

namespace kv::ptx {
namespace {

bool isFloat(Type type) {
  return type == Type::f16 || type == Type::bf16 || type == Type::f32 || type == Type::f64 || type == Type::tf32;
}

double toDouble(Type type, uint64_t bits) {
  if (type == Type::f64)
    return std::bit_cast<double>(bits);
  if (type == Type::f32)
    return std::bit_cast<float>(uint32_t(bits));
  return halfToDouble(type, bits);
}

double flushed(const Instruction &in, Type type, double x) {
  return in.flush && type == Type::f32 && std::fabs(x) < 0x1p-126 ? std::copysign(0.0, x) : x;
}

/// Rounds to an integer value: .rni, .rzi, .rmi, .rpi.
double whole(double x, Rounding rounding) {
  switch (rounding) {
  case Rounding::zero:
    return std::trunc(x);
  case Rounding::down:
    return std::floor(x);
  case Rounding::up:
    return std::ceil(x);
  default:
    return std::nearbyint(x);
  }
}

uint64_t fromDouble(const Instruction &in, double x) {
  if (in.saturate)
    x = std::isnan(x) || x < 0 ? 0 : std::min(x, 1.0);
  if (in.relu && x < 0)
    x = 0;
  switch (in.type) {
  case Type::f64:
    return std::bit_cast<uint64_t>(x);
  case Type::f32:
    return std::bit_cast<uint32_t>(std::bit_cast<float>(encode(formatF32, flushed(in, Type::f32, x), in.rounding)));
  case Type::tf32:
    return uint64_t(encode(formatTF32, x, in.rounding, in.finite)) << 13;
  default:
    return encode(halfFormat(in.type), x, in.rounding, in.finite);
  }
}

uint64_t floatToFloat(const Instruction &in, uint64_t bits) {
  double x = flushed(in, in.from, toDouble(in.from, bits));
  if (in.code) // an integer in the format of a float
    x = whole(x, in.rounding);
  return fromDouble(in, x);
}

// Out of range clamps to the type's ends; NaN becomes 0.
uint64_t floatToInteger(const Instruction &in, uint64_t bits) {
  const double x = whole(flushed(in, in.from, toDouble(in.from, bits)), in.rounding);
  const int width = int(bitsOf(in.type));
  if (std::isnan(x))
    return 0;
  const double high = std::ldexp(1.0, isSigned(in.type) ? width - 1 : width), low = isSigned(in.type) ? -high : 0;
  if (x >= high)
    return lowBits(~uint64_t(0), unsigned(isSigned(in.type) ? width - 1 : width));
  if (x < low)
    return isSigned(in.type) ? uint64_t(1) << (width - 1) : 0;
  const uint64_t value = isSigned(in.type) ? uint64_t(int64_t(x)) : uint64_t(x);
  return lowBits(value, unsigned(width));
}

uint64_t integerToFloat(const Instruction &in, uint64_t bits) {
  const unsigned width = bitsOf(in.from);
  const int64_t value = isSigned(in.from) ? signExtend(bits, width) : int64_t(lowBits(bits, width));
  const bool huge = !isSigned(in.from) && width == 64 && value < 0;
  // 64 bits do not fit a float64: the last bit takes what is lost, so that the next rounding sees it.
  uint64_t magnitude = huge || value >= 0 ? uint64_t(value) : 0 - uint64_t(value);
  if (in.type == Type::f64) {
    const double x = double(magnitude);
    return std::bit_cast<uint64_t>(!huge && value < 0 ? -x : x);
  }
  if (magnitude >> 53)
    magnitude = (magnitude >> 11 | ((magnitude & 0x7ff) != 0)) << 11;
  return fromDouble(in, !huge && value < 0 ? -double(magnitude) : double(magnitude));
}

uint64_t integerToInteger(const Instruction &in, uint64_t bits) {
  const unsigned from = bitsOf(in.from), to = bitsOf(in.type);
  __int128 value = isSigned(in.from) ? __int128(signExtend(bits, from)) : __int128(lowBits(bits, from));
  if (in.saturate) {
    const __int128 high = (__int128(1) << (isSigned(in.type) ? to - 1 : to)) - 1, low = isSigned(in.type) ? -high - 1 : 0;
    value = std::clamp(value, low, high);
  }
  return lowBits(uint64_t(value), to);
}

/// The destination may be wider than the type: sign or zero extension.
template <auto F> void convert(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes &from = warp.read(in.operands[1], mask);
  Lanes &to = warp.write(in.operands[0], mask);
  const unsigned bits = bitsOf(in.type), wide = in.operands[0].bits;
  const bool extend = isSigned(in.type) && wide > bits;
  forLanes(mask, [&](unsigned lane) {
    const uint64_t value = F(in, from[lane]);
    to[lane] = extend ? lowBits(uint64_t(signExtend(value, bits)), wide) : value;
  });
}

Rounding roundingOf(const Decoder &decoder) {
  constexpr std::pair<std::string_view, Rounding> modes[] = {
      {"rz", Rounding::zero},  {"rm", Rounding::down},  {"rp", Rounding::up}, {"rna", Rounding::nearestAway},
      {"rzi", Rounding::zero}, {"rmi", Rounding::down}, {"rpi", Rounding::up}};
  for (const auto &[name, mode] : modes)
    if (decoder.has(name))
      return mode;
  return Rounding::nearest;
}

void modifiers(Decoder &decoder) {
  decoder.in.rounding = roundingOf(decoder);
  decoder.in.flush = decoder.has("ftz");
  decoder.in.saturate = decoder.has("sat");
  decoder.in.finite = decoder.has("satfinite");
  decoder.in.relu = decoder.has("relu");
}

Handler buildConvert(Decoder &decoder) {
  const Type to = decoder.type(-2), from = decoder.type(-1);
  decoder.count(2);
  decoder.in.type = to;
  decoder.in.from = from;
  decoder.write(0, to, !isFloat(to));
  decoder.read(1, from, !isFloat(from));
  modifiers(decoder);
  decoder.in.code = decoder.has("rni") || decoder.has("rzi") || decoder.has("rmi") || decoder.has("rpi");
  if (isFloat(to))
    return isFloat(from) ? convert<floatToFloat> : convert<integerToFloat>;
  return isFloat(from) ? convert<floatToInteger> : convert<integerToInteger>;
}

const Format &elementFormat(Type type) {
  if (type == Type::e4m3x2 || type == Type::e5m2x2)
    return type == Type::e4m3x2 ? formatE4M3 : formatE5M2;
  return halfFormat(type);
}

/// Two numbers into one register: the first operand in the upper half.
uint32_t pack(const Instruction &in, double upper, double lower) {
  const Format &format = elementFormat(in.type);
  auto one = [&](double x) { return encode(format, in.relu && x < 0 ? 0 : x, in.rounding, in.finite); };
  return one(upper) << format.bits() | one(lower);
}

uint32_t packFloats(const Instruction &in, float a, float b) {
  return pack(in, flushed(in, Type::f32, a), flushed(in, Type::f32, b));
}
uint32_t packHalves(const Instruction &in, uint32_t a) {
  return pack(in, decode(formatF16, a >> 16), decode(formatF16, a & 0xffff));
}
uint32_t unpackBytes(const Instruction &in, uint32_t a) {
  const Format &format = elementFormat(in.from);
  return pack(in, decode(format, a >> 8 & 0xff), decode(format, a & 0xff));
}

Handler buildPack(Decoder &decoder) {
  const Type to = decoder.type(-2), from = decoder.type(-1);
  decoder.in.type = to;
  decoder.in.from = from;
  decoder.count(from == Type::f32 ? 3 : 2);
  decoder.write(0, to);
  decoder.read(1, from);
  if (from == Type::f32)
    decoder.read(2, from);
  modifiers(decoder);
  return from == Type::f32 ? handler<packFloats>() : from == Type::f16x2 ? handler<packHalves>() : handler<unpackBytes>();
}

// cvt.pack.sat: a above b, both saturated; the bits of c above them.
uint32_t packIntegers(const Instruction &in, int32_t a, int32_t b, uint32_t c) {
  const unsigned bits = bitsOf(in.type);
  const int64_t high = (int64_t(1) << (isSigned(in.type) ? bits - 1 : bits)) - 1, low = isSigned(in.type) ? -high - 1 : 0;
  const uint64_t upper = lowBits(uint64_t(std::clamp<int64_t>(a, low, high)), bits),
                 lower = lowBits(uint64_t(std::clamp<int64_t>(b, low, high)), bits);
  return uint32_t(upper << bits | lower | (bits == 8 ? uint64_t(c) << 16 : 0));
}
uint32_t packTwo(const Instruction &in, int32_t a, int32_t b) { return packIntegers(in, a, b, 0); }

Handler buildPackIntegers(Decoder &decoder) {
  sameType(decoder, decoder.has("b32") ? 3 : 2, Type::b32);
  decoder.in.type = decoder.type(0);
  return decoder.has("b32") ? handler<packIntegers>() : handler<packTwo>();
}

constexpr Row rows[] = {
    {"cvt{.sat|}.{u8|s8|u16|s16|u32|s32|u64|s64}.{u8|s8|u16|s16|u32|s32|u64|s64}", buildConvert},
    {"cvt.{rn|rz|rm|rp}{.ftz|}{.sat|}.{f16|bf16|f32|f64}.{u8|s8|u16|s16|u32|s32|u64|s64}", buildConvert},
    {"cvt.{rni|rzi|rmi|rpi}{.ftz|}{.sat|}.{u8|s8|u16|s16|u32|s32|u64|s64}.{f16|bf16|f32|f64}", buildConvert},
    {"cvt{.rni|.rzi|.rmi|.rpi|}{.ftz|}{.sat|}.{f16.f16|f32.f32|f64.f64}", buildConvert},
    {"cvt.{rn|rz|rm|rp}{.ftz|}{.sat|}.{f16.f32|f16.f64|f32.f64}", buildConvert},
    {"cvt.{rn|rz}{.relu|}{.satfinite|}.{f16|bf16}.f32", buildConvert},
    {"cvt.{rn|rz|rm|rp}.bf16.{f16|f64}", buildConvert},
    {"cvt{.ftz|}{.sat|}.{f32|f64}.{f16|f32}", buildConvert},
    {"cvt{.ftz|}.{f32|f64}.bf16", buildConvert},
    {"cvt.rna{.satfinite|}.tf32.f32", buildConvert},
    {"cvt.{rn|rz}{.relu|}{.satfinite|}.tf32.f32", buildConvert},
    {"cvt.{rn|rz}{.relu|}{.satfinite|}.{f16x2|bf16x2}.f32", buildPack},
    {"cvt.rn.satfinite{.relu|}.{e4m3x2|e5m2x2}.{f32|f16x2}", buildPack},
    {"cvt.rn{.relu|}.f16x2.{e4m3x2|e5m2x2}", buildPack},
    {"cvt.pack.sat.{u16|s16}.s32", buildPackIntegers},
    {"cvt.pack.sat.{u8|s8}.s32.b32", buildPackIntegers},
};

} // namespace

std::span<const Row> convertRows() { return rows; }

} // namespace kv::ptx
