// AtomicOps.cpp: atom and red, PTX ISA 9.7.13.5 and 9.7.13.6. Without an order they are relaxed, without a scope .gpu.
#include "Elementwise.h"
#include "FloatFormats.h"
#include "Ordering.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kv::ptx {
namespace {

enum Operation : uint8_t {
  add,
  min,
  max,
  exchange,
  compareAndSwap,
  increment,
  decrement,
  conjunction,
  disjunction,
  exclusive,
  operations
};
constexpr std::string_view operationNames[] = {"add", "min", "max", "exch", "cas", "inc", "dec", "and", "or", "xor"};

uint64_t half(Type type, uint64_t a, uint64_t b, unsigned shift) {
  return uint64_t(halfFromDouble(type, oddSum(halfToDouble(type, a >> shift & 0xffff), halfToDouble(type, b >> shift & 0xffff))))
         << shift;
}

uint64_t addValues(Type type, uint64_t a, uint64_t b) {
  switch (type) {
  case Type::f32:
    return toBits(fromBits<float>(a) + fromBits<float>(b));
  case Type::f64:
    return toBits(fromBits<double>(a) + fromBits<double>(b));
  case Type::f16:
  case Type::bf16:
    return half(type, a, b, 0);
  case Type::f16x2:
  case Type::bf16x2:
    return half(type, a, b, 0) | half(type, a, b, 16);
  default:
    return a + b;
  }
}

uint64_t apply(const Instruction &in, uint64_t old, uint64_t b, uint64_t c) {
  const unsigned bits = bitsOf(in.type);
  switch (in.code) {
  case add:
    return addValues(in.type, old, b);
  case min:
  case max: {
    const bool less = isSigned(in.type) ? signExtend(old, bits) < signExtend(b, bits) : old < b;
    return less == (in.code == min) ? old : b;
  }
  case exchange:
    return b;
  case compareAndSwap:
    return old == b ? c : old;
  case increment:
    return old >= b ? 0 : old + 1;
  case decrement:
    return old == 0 || old > b ? b : old - 1;
  case conjunction:
    return old & b;
  case disjunction:
    return old | b;
  default:
    return old ^ b;
  }
}

// Lanes go one after another, in an order that the seed chooses.
void atomic(Warp &warp, const Instruction &in, uint32_t mask) {
  const bool result = in.vector;
  const unsigned bytes = bitsOf(in.type) / 8, first = result;
  const Lanes addresses = warp.addresses(in.operands[first], mask);
  const Lanes b = warp.read(in.operands[first + 1], mask);
  const Lanes c = in.code == compareAndSwap ? warp.read(in.operands[first + 2], mask) : Lanes{};
  Lanes *to = result ? &warp.write(in.operands[0], mask) : nullptr;
  std::array<unsigned, warpSize> order;
  unsigned count = 0;
  forLanes(mask, [&](unsigned lane) { order[count++] = lane; });
  if (warp.grid.seed)
    std::shuffle(order.begin(), order.begin() + count, warp.grid.random);
  for (unsigned i = 0; i < count; ++i) {
    const unsigned lane = order[i];
    const Place place = warp.resolve(in.space, addresses[lane], bytes, bytes, lane);
    warp.checkUpdate(place, bytes, lane, {true, false, in.scope});
    uint64_t old = 0;
    std::memcpy(&old, place.block->data() + place.offset, bytes);
    observe(warp, place, lane, in.order, in.scope); // before it publishes: a chain of updates passes on what it saw
    publish(warp, place, lane, in.order, in.scope, true);
    const uint64_t value = apply(in, old, b[lane], c[lane]);
    std::memcpy(place.block->data() + place.offset, &value, bytes);
    if (to)
      (*to)[lane] = old;
  }
  warp.yielded = true;
}

Handler buildAtomic(Decoder &decoder) {
  Instruction &in = decoder.in;
  in.vector = decoder.words[0] == "atom";
  in.type = decoder.type();
  for (uint8_t i = 0; i < operations; ++i)
    if (decoder.has(operationNames[i]))
      in.code = i;
  in.space = decoder.has("global")                                 ? Space::global
             : decoder.has("shared") || decoder.has("shared::cta") ? Space::shared
                                                                   : Space::generic;
  readOrdering(decoder);
  in.strong = true;
  size_t at = 0;
  decoder.count(2 + in.vector + (in.code == compareAndSwap));
  if (in.vector)
    decoder.write(at++, in.type);
  decoder.address(at++, in.space);
  decoder.read(at++, in.type);
  if (in.code == compareAndSwap)
    decoder.read(at, in.type);
  return atomic;
}

#define PLACE "{.relaxed|.acquire|.release|.acq_rel|}{.cta|.cluster|.gpu|.sys|}{.global|.shared|.shared::cta|}"

constexpr Row rows[] = {
    {"atom" PLACE ".add.{u32|s32|u64|f32|f64}", buildAtomic},
    {"atom" PLACE ".add.noftz.{f16|f16x2|bf16|bf16x2}", buildAtomic},
    {"atom" PLACE ".{min|max}.{u32|s32|u64|s64}", buildAtomic},
    {"atom" PLACE ".exch.{b32|b64}", buildAtomic},
    {"atom" PLACE ".cas.{b16|b32|b64}", buildAtomic},
    {"atom" PLACE ".{inc|dec}.u32", buildAtomic},
    {"atom" PLACE ".{and|or|xor}.{b32|b64}", buildAtomic},
    {"red{.relaxed|.release|}{.cta|.cluster|.gpu|.sys|}{.global|.shared|.shared::cta|}.add.{u32|s32|u64|f32|f64}", buildAtomic},
    {"red{.relaxed|.release|}{.cta|.cluster|.gpu|.sys|}{.global|.shared|.shared::cta|}.add.noftz.{f16|f16x2|bf16|bf16x2}",
     buildAtomic},
    {"red{.relaxed|.release|}{.cta|.cluster|.gpu|.sys|}{.global|.shared|.shared::cta|}.{min|max}.{u32|s32|u64|s64}", buildAtomic},
    {"red{.relaxed|.release|}{.cta|.cluster|.gpu|.sys|}{.global|.shared|.shared::cta|}.{and|or|xor}.{b32|b64}", buildAtomic},
    {"red{.relaxed|.release|}{.cta|.cluster|.gpu|.sys|}{.global|.shared|.shared::cta|}.{inc|dec}.u32", buildAtomic},
};

} // namespace

std::span<const Row> atomicRows() { return rows; }

} // namespace kv::ptx
