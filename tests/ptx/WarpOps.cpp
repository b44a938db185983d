// WarpOps.cpp: lanes that exchange values, PTX ISA 9.7.9.6 (shfl.sync), 9.7.13.7 to 9.7.13.11 (vote, match, activemask, redux,
// elect). They do not order memory accesses: only bar.warp.sync does.
#include "Elementwise.h"

#include <algorithm>
#include <fmt/format.h>

namespace kv::ptx {
namespace {

enum Shuffle : uint8_t { up, down, butterfly, indexed };

// The operand c: bits 0 to 4 clamp, bits 8 to 12 the mask of the segment.
void shuffle(Warp &warp, const Instruction &in, uint32_t mask) {
  warp.needMembers(in.operands[5], mask);
  const Lanes value = warp.read(in.operands[2], mask);
  const Lanes &b = warp.read(in.operands[3], mask), &c = warp.read(in.operands[4], mask);
  Lanes &to = warp.write(in.operands[0], mask);
  uint32_t inRange = 0;
  forLanes(mask, [&](unsigned lane) {
    const int by = int(b[lane] & 31), clamp = int(c[lane] & 31), segment = int(c[lane] >> 8 & 31);
    const int most = (int(lane) & segment) | (clamp & ~segment), least = int(lane) & segment;
    int source = 0;
    bool found = false;
    switch (in.code) {
    case up:
      source = int(lane) - by;
      found = source >= most;
      break;
    case down:
      source = int(lane) + by;
      found = source <= most;
      break;
    case butterfly:
      source = int(lane) ^ by;
      found = source <= most;
      break;
    default:
      source = least | (by & ~segment);
      found = source <= most;
    }
    if (!found)
      source = int(lane);
    if (!(mask >> source & 1))
      warp.fail(FaultKind::divergence, fmt::format("reads lane {}, which does not take part", source), lane);
    to[lane] = value[source];
    inRange |= uint32_t(found) << lane;
  });
  warp.writePredicate(in.operands[1], mask, inRange);
}

Handler buildShuffle(Decoder &decoder) {
  decoder.count(5);
  decoder.in.code = decoder.has("up") ? up : decoder.has("down") ? down : decoder.has("bfly") ? butterfly : indexed;
  decoder.write(0, Type::b32);
  decoder.writeSecond(0, Type::pred);
  for (int i = 1; i < 5; ++i)
    decoder.read(i, Type::b32);
  return shuffle;
}

// code: 0 all, 1 any, 2 uni, 3 ballot.
void vote(Warp &warp, const Instruction &in, uint32_t mask) {
  const uint32_t members = warp.needMembers(in.operands[2], mask);
  const uint32_t bits = warp.readPredicate(in.operands[1], mask) & members;
  if (in.code == 3) {
    Lanes &to = warp.write(in.operands[0], mask);
    forLanes(mask, [&](unsigned lane) { to[lane] = bits; });
    return;
  }
  const bool answer = in.code == 0 ? bits == members : in.code == 1 ? bits != 0 : bits == members || bits == 0;
  warp.writePredicate(in.operands[0], mask, answer ? mask : 0);
}

Handler buildVote(Decoder &decoder) {
  decoder.count(3);
  decoder.in.code = decoder.has("all") ? 0 : decoder.has("any") ? 1 : decoder.has("uni") ? 2 : 3;
  decoder.write(0, decoder.in.code == 3 ? Type::b32 : Type::pred);
  decoder.read(1, Type::pred);
  decoder.read(2, Type::b32);
  return vote;
}

// match.any: who has my value. match.all: everybody, or nobody unless all have it.
void match(Warp &warp, const Instruction &in, uint32_t mask) {
  const uint32_t members = warp.needMembers(in.operands[3], mask);
  const Lanes value = warp.read(in.operands[2], mask);
  Lanes &to = warp.write(in.operands[0], mask);
  uint32_t all = 0;
  forLanes(mask, [&](unsigned lane) {
    uint32_t same = 0;
    forLanes(members, [&](unsigned other) { same |= uint32_t(value[other] == value[lane]) << other; });
    to[lane] = in.code && same != members ? 0 : same;
    all |= uint32_t(same == members) << lane;
  });
  warp.writePredicate(in.operands[1], mask, all);
}

Handler buildMatch(Decoder &decoder) {
  decoder.count(3);
  decoder.in.code = decoder.has("all");
  decoder.write(0, Type::b32);
  decoder.writeSecond(0, Type::pred);
  decoder.read(1, decoder.type());
  decoder.read(2, Type::b32);
  return match;
}

void activeMask(Warp &warp, const Instruction &in, uint32_t mask) {
  Lanes &to = warp.write(in.operands[0], mask);
  forLanes(mask, [&](unsigned lane) { to[lane] = mask; });
}

Handler buildActiveMask(Decoder &decoder) {
  decoder.count(1);
  decoder.write(0, Type::b32);
  return activeMask;
}

// code: 0 add, 1 min, 2 max, 3 and, 4 or, 5 xor.
template <class T> void reduce(Warp &warp, const Instruction &in, uint32_t mask) {
  const uint32_t members = warp.needMembers(in.operands[2], mask);
  const Lanes value = warp.read(in.operands[1], mask);
  T result = T(value[unsigned(__builtin_ctz(members))]);
  forLanes(members & (members - 1), [&](unsigned lane) {
    const T x = T(value[lane]);
    switch (in.code) {
    case 0:
      result = T(uint32_t(result) + uint32_t(x));
      break;
    case 1:
      result = std::min(result, x);
      break;
    case 2:
      result = std::max(result, x);
      break;
    case 3:
      result &= x;
      break;
    case 4:
      result |= x;
      break;
    default:
      result ^= x;
    }
  });
  Lanes &to = warp.write(in.operands[0], mask);
  forLanes(mask, [&](unsigned lane) { to[lane] = toBits(result); });
}

Handler buildReduce(Decoder &decoder) {
  decoder.count(3);
  constexpr std::string_view names[] = {"add", "min", "max", "and", "or", "xor"};
  for (uint8_t i = 0; i < 6; ++i)
    if (decoder.has(names[i]))
      decoder.in.code = i;
  for (int i = 0; i < 3; ++i)
    i ? decoder.read(i, Type::b32) : decoder.write(i, Type::b32);
  return isSigned(decoder.type()) ? reduce<int32_t> : reduce<uint32_t>;
}

// The leader is the lowest member, as on the hardware known so far.
void elect(Warp &warp, const Instruction &in, uint32_t mask) {
  const uint32_t members = warp.needMembers(in.operands[2], mask);
  const unsigned leader = unsigned(__builtin_ctz(members));
  Lanes &to = warp.write(in.operands[0], mask);
  forLanes(mask, [&](unsigned lane) { to[lane] = leader; });
  warp.writePredicate(in.operands[1], mask, 1u << leader);
}

Handler buildElect(Decoder &decoder) {
  decoder.count(2);
  decoder.write(0, Type::b32);
  decoder.writeSecond(0, Type::pred);
  decoder.read(1, Type::b32);
  return elect;
}

constexpr Row rows[] = {
    {"shfl.sync.{up|down|bfly|idx}.b32", buildShuffle},
    {"vote.sync.{all|any|uni}.pred", buildVote},
    {"vote.sync.ballot.b32", buildVote},
    {"match.{any|all}.sync.{b32|b64}", buildMatch},
    {"activemask.b32", buildActiveMask},
    {"redux.sync.{add|min|max}.{u32|s32}", buildReduce},
    {"redux.sync.{and|or|xor}.b32", buildReduce},
    {"elect.sync", buildElect},
};

} // namespace

std::span<const Row> warpRows() { return rows; }

} // namespace kv::ptx
