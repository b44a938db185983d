// MoveOps.cpp: mov with packing and unpacking, logic on predicates, addresses: PTX ISA 9.7.9.1 to 9.7.9.3, 9.7.9.20, 9.7.8.
#include "Elementwise.h"

#include "Grid.h"

#include <fmt/format.h>

namespace kv::ptx {
namespace {

void move(Warp &warp, const Instruction &in, uint32_t mask) {
  uint32_t defined = mask;
  const Lanes &from = warp.readCopied(in.operands[1], defined);
  Lanes &to = warp.write(in.operands[0], defined);
  forLanes(defined, [&](unsigned lane) { to[lane] = from[lane]; });
  warp.forget(in.operands[0], mask & ~defined);
}

void movePredicate(Warp &warp, const Instruction &in, uint32_t mask) {
  warp.writePredicate(in.operands[0], mask, warp.readPredicate(in.operands[1], mask));
}

// The first element is the lowest bits.
void pack(Warp &warp, const Instruction &in, uint32_t mask) {
  Lanes result = {};
  const unsigned bits = bitsOf(in.from);
  for (unsigned i = 0; i < in.vector; ++i) {
    const Lanes &from = warp.read(in.operands[i + 1], mask);
    forLanes(mask, [&](unsigned lane) { result[lane] |= from[lane] << (bits * i); });
  }
  Lanes &to = warp.write(in.operands[0], mask);
  forLanes(mask, [&](unsigned lane) { to[lane] = result[lane]; });
}

void unpack(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes from = warp.read(in.operands[in.vector], mask);
  const unsigned bits = bitsOf(in.from);
  for (unsigned i = 0; i < in.vector; ++i) {
    Lanes &to = warp.write(in.operands[i], mask);
    forLanes(mask, [&](unsigned lane) { to[lane] = lowBits(from[lane] >> (bits * i), bits); });
  }
}

Handler buildMove(Decoder &decoder) {
  const Type type = decoder.type();
  decoder.count(2);
  const bool packs = decoder.syntax[1].kind == Syntax::vector, unpacks = decoder.syntax[0].kind == Syntax::vector;
  if (!packs && !unpacks) {
    decoder.write(0, type);
    decoder.read(1, type);
    return type == Type::pred ? movePredicate : move;
  }
  const size_t n = decoder.elements(packs ? 1 : 0);
  if ((packs && unpacks) || (n != 2 && n != 4) || bitsOf(type) / n < 16)
    decoder.fail("a vector that is not two or four parts of the other side");
  decoder.in.vector = uint8_t(n);
  decoder.in.from = bitsOf(type) / n == 16 ? Type::b16 : Type::b32;
  packs ? decoder.write(0, type) : decoder.writeVector(0, decoder.in.from, n);
  packs ? decoder.readVector(1, decoder.in.from, n) : decoder.read(1, type);
  return packs ? pack : unpack;
}

// code: 0 and, 1 or, 2 xor, 3 not.
void logic(Warp &warp, const Instruction &in, uint32_t mask) {
  const uint32_t a = warp.readPredicate(in.operands[1], mask), b = in.code == 3 ? 0 : warp.readPredicate(in.operands[2], mask);
  warp.writePredicate(in.operands[0], mask, in.code == 0 ? a & b : in.code == 1 ? a | b : in.code == 2 ? a ^ b : ~a);
}

Handler buildLogic(Decoder &decoder) {
  const std::string_view root = decoder.words[0];
  decoder.in.code = root == "and" ? 0 : root == "or" ? 1 : root == "xor" ? 2 : 3;
  sameType(decoder, decoder.in.code == 3 ? 1 : 2, Type::pred);
  return logic;
}

uint64_t window(Space space) {
  return space == Space::shared ? sharedWindow : space == Space::local ? localWindow : space == Space::param ? parameterWindow : 0;
}

Space spaceNamed(const Decoder &decoder) {
  if (decoder.has("shared") || decoder.has("shared::cta"))
    return Space::shared;
  return decoder.has("local")   ? Space::local
         : decoder.has("param") ? Space::param
         : decoder.has("const") ? Space::constant
                                : Space::global;
}

uint64_t toGeneric(const Instruction &in, uint64_t address) { return address + window(in.space); }

// cvta.to of an address outside the space gives an address that no access accepts.
uint64_t fromGeneric(const Instruction &in, uint64_t address) { return address - window(in.space); }

Handler buildAddress(Decoder &decoder) {
  sameType(decoder, 1, Type::b64);
  decoder.in.space = spaceNamed(decoder);
  return decoder.has("to") ? handler<fromGeneric>() : handler<toGeneric>();
}

// 9.7.9.19 isspacep.
void isSpace(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes &address = warp.read(in.operands[1], mask);
  uint32_t bits = 0;
  forLanes(mask, [&](unsigned lane) {
    Space space = Space::global;
    for (const Space other : {Space::shared, Space::local, Space::param})
      if (address[lane] - window(other) < windowSize)
        space = other;
    bits |= uint32_t(space == in.space) << lane;
  });
  warp.writePredicate(in.operands[0], mask, bits);
}

Handler buildIsSpace(Decoder &decoder) {
  decoder.count(2);
  decoder.write(0, Type::pred);
  decoder.read(1, Type::b64);
  decoder.in.space = spaceNamed(decoder);
  return isSpace;
}

constexpr Row rows[] = {
    {"mov.{pred|b16|u16|s16|b32|u32|s32|f32|b64|u64|s64|f64}", buildMove},
    {"{and|or|xor|not}.pred", buildLogic},
    {"cvta{.to|}.{global|shared|shared::cta|local|const|param}.u64", buildAddress},
    {"isspacep.{global|shared|shared::cta|local|const|param}", buildIsSpace},
};

} // namespace

std::span<const Row> moveRows() { return rows; }

} // namespace kv::ptx
