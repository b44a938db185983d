// BarrierOps.cpp: barriers of a CTA and of a warp, PTX ISA 9.7.13.1 and 9.7.13.2. A barrier orders all accesses before it before
// all after.
#include "Async.h"
#include "Decoder.h"

#include <fmt/format.h>

namespace kv::ptx {
namespace {

void reduce(Warp &warp, const Instruction &in, uint32_t mask);

uint64_t uniform(Warp &warp, const Operand &operand, uint32_t mask) {
  const Lanes &row = warp.read(operand, mask);
  const unsigned first = unsigned(__builtin_ctz(mask));
  forLanes(mask, [&](unsigned lane) {
    if (row[lane] != row[first])
      warp.fail(FaultKind::barrier, "lanes of one warp name different barriers or counts", lane);
  });
  return row[first];
}

Barrier &arrive(Warp &warp, const Instruction &in, uint32_t mask) {
  warp.needConverged(mask, false);
  const unsigned first = unsigned(__builtin_ctz(mask));
  const uint64_t id = uniform(warp, in.operands[in.immediate], mask);
  const uint64_t threads = in.vector ? uniform(warp, in.operands[in.immediate + 1], mask) : 0;
  if (id >= 16)
    warp.fail(FaultKind::barrier, fmt::format("barrier {} of 16", id), first);
  if (threads % warpSize || threads > (warp.cta.threads + 31) / 32 * 32)
    warp.fail(FaultKind::barrier, fmt::format("a barrier for {} threads in a CTA of {}", threads, warp.cta.threads), first);
  Barrier &barrier = warp.cta.barriers[id];
  if (barrier.arrived && barrier.expected != threads)
    warp.fail(FaultKind::barrier,
              fmt::format("barrier {} for {} threads, others arrived at it for {}", id, threads, barrier.expected), first);
  for (const Warp *other : barrier.waiting)
    if ((other->current->execute == reduce || in.execute == reduce) &&
        (other->current->execute != in.execute || other->current->code != in.code))
      warp.fail(FaultKind::barrier, "different reductions at one barrier", first);
  barrier.expected = unsigned(threads);
  barrier.arrived += threads ? warpSize : unsigned(__builtin_popcount(mask));
  if (warp.grid.races) {
    contribute(barrier.clock, warp, mask);
    forLanes(mask, [&](unsigned lane) { ++warp.clocks[lane].count; });
  }
  return barrier;
}

void wait(Warp &warp, Barrier &barrier, const Instruction *reduction) {
  warp.status = Warp::Status::waiting;
  barrier.waiting.push_back(&warp);
  barrier.reductions.push_back(reduction);
  completeBarrier(warp.cta, barrier);
}

void sync(Warp &warp, const Instruction &in, uint32_t mask) { wait(warp, arrive(warp, in, mask), nullptr); }

void arriveOnly(Warp &warp, const Instruction &in, uint32_t mask) { completeBarrier(warp.cta, arrive(warp, in, mask)); }

void reduce(Warp &warp, const Instruction &in, uint32_t mask) {
  const uint32_t bits = warp.readPredicate(in.operands[1], mask);
  Barrier &barrier = arrive(warp, in, mask);
  barrier.count += unsigned(__builtin_popcount(bits & mask));
  barrier.total += unsigned(__builtin_popcount(mask));
  wait(warp, barrier, &in);
}

// A partial warp may synchronise: its members have to be here together.
void syncWarp(Warp &warp, const Instruction &in, uint32_t mask) { synchronise(warp, warp.needMembers(in.operands[0], mask)); }

Handler buildBarrier(Decoder &decoder) {
  Instruction &in = decoder.in;
  const bool red = decoder.has("red"), arrives = decoder.has("arrive");
  size_t at = 0;
  if (red) {
    in.code = decoder.has("popc") ? 0 : decoder.has("and") ? 1 : 2;
    decoder.count(3, 4);
    decoder.write(at++, in.code ? Type::pred : Type::b32);
    decoder.read(decoder.syntax.size() - 1, Type::pred);
    in.immediate = 2;
  } else {
    decoder.count(arrives ? 2 : 1, 2);
  }
  const size_t numbers = decoder.syntax.size() - at - red;
  for (size_t i = 0; i < numbers; ++i)
    decoder.read(at++, Type::b32);
  in.vector = numbers == 2;
  return red ? reduce : arrives ? arriveOnly : sync;
}

Handler buildWarpBarrier(Decoder &decoder) {
  decoder.count(1);
  decoder.read(0, Type::b32);
  return syncWarp;
}

constexpr Row rows[] = {
    {"bar{.cta|}.sync", buildBarrier},
    {"bar{.cta|}.arrive", buildBarrier},
    {"bar{.cta|}.red.{popc.u32|and.pred|or.pred}", buildBarrier},
    {"barrier{.cta|}.sync{.aligned|}", buildBarrier},
    {"barrier{.cta|}.arrive{.aligned|}", buildBarrier},
    {"barrier{.cta|}.red.{popc|and|or}{.aligned|}.{u32|pred}", buildBarrier},
    {"bar.warp.sync", buildWarpBarrier},
};

} // namespace

std::span<const Row> barrierRows() { return rows; }

} // namespace kv::ptx
