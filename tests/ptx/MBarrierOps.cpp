// MBarrierOps.cpp: mbarrier objects and what completes on them: bulk copies and arrivals that follow cp.async. PTX ISA 9.7.13.15,
// 9.7.9.25.4 (cp.async.bulk). An asynchronous event takes place at a poll of its mbarrier that would fail without it, or later.
#include "Async.h"
#include "Decoder.h"

#include <cstring>
#include <fmt/format.h>

namespace kv::ptx {
namespace {

constexpr unsigned objectBytes = 8;
/// Polls of an mbarrier to which nothing happens, by each warp of the CTA, that a launch survives.
constexpr uint32_t idlePollLimit = 2000;

/// The bytes of an mbarrier, ordered after its initialisation.
MBarrier &find(Warp &warp, uint64_t address, Space space, unsigned lane) {
  const Place place = warp.resolve(space, address, objectBytes, objectBytes, lane);
  const uint64_t at = warp.addressOf(place);
  MBarrier *barrier = place.space == Space::shared ? warp.cta.findMBarrier(at) : nullptr;
  if (!barrier)
    warp.failAt(FaultKind::barrier, "no mbarrier was initialised there", lane, address);
  if (warp.grid.races) {
    Accessor by = warp.accessor(lane);
    by.strong = by.ctaScope = true;
    warp.raise(place.block->shadow.read(place.offset, objectBytes, by, warp.grid.launch), place, lane, "use of an mbarrier");
  }
  return *barrier;
}

uint64_t keyOf(Warp &warp, uint64_t address, Space space, unsigned lane) {
  return warp.addressOf(warp.resolve(space, address, objectBytes, objectBytes, lane));
}

void init(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes addresses = warp.addresses(in.operands[0], mask);
  const Lanes &counts = warp.read(in.operands[1], mask);
  forLanes(mask, [&](unsigned lane) {
    const Place place = warp.resolve(in.space, addresses[lane], objectBytes, objectBytes, lane);
    if (place.space != Space::shared)
      warp.failAt(FaultKind::barrier, "an mbarrier outside shared memory", lane, addresses[lane]);
    const uint64_t zero = 0;
    warp.store(place, &zero, objectBytes, lane);
    const uint32_t count = uint32_t(counts[lane]);
    if (!count || count >= 1u << 20)
      warp.fail(FaultKind::barrier, fmt::format("an mbarrier for {} arrivals", count), lane);
    const uint32_t engine = uint32_t(warp.cta.mbarriers.size()) % copyEngines;
    MBarrier &barrier = warp.cta.mbarriers[warp.addressOf(place)];
    barrier.engine = engine;
    barrier.expected = barrier.pending = count;
  });
}

void invalidate(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes addresses = warp.addresses(in.operands[0], mask);
  forLanes(mask, [&](unsigned lane) {
    find(warp, addresses[lane], in.space, lane);
    const uint64_t key = keyOf(warp, addresses[lane], in.space, lane);
    for (const AsyncEvent &event : warp.cta.events)
      if (event.barrier == key)
        warp.failAt(FaultKind::asyncHazard, "an mbarrier that a copy still completes on", lane, addresses[lane]);
    warp.cta.mbarriers.erase(key);
    const uint64_t zero = 0;
    warp.store(warp.resolve(in.space, addresses[lane], objectBytes, objectBytes, lane), &zero, objectBytes, lane);
  });
}

/// What the lane did so far, for those who wait; what it does next is not part of it.
ClockRef release(Warp &warp, unsigned lane) {
  if (!warp.grid.races)
    return nullptr;
  const ClockRef clock = warp.clocks[lane].full(warp.threadOf(lane));
  ++warp.clocks[lane].count;
  return clock;
}

// vector: 1 where a state is written. code: 1 expect_tx, 2 no arrival. combine: a count is given.
void arrive(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes addresses = warp.addresses(in.operands[in.vector], mask);
  const Lanes *counts = in.combine ? &warp.read(in.operands[in.vector + 1], mask) : nullptr;
  Lanes *states = in.vector ? &warp.write(in.operands[0], mask) : nullptr;
  forLanes(mask, [&](unsigned lane) {
    MBarrier &barrier = find(warp, addresses[lane], in.space, lane);
    if (states)
      (*states)[lane] = uint64_t(barrier.phase) << 32 | barrier.pending;
    if (in.code)
      barrier.transactions += int64_t((*counts)[lane]);
    if (in.code != 2)
      warp.cta.arrive(barrier, in.code || !counts ? 1 : uint32_t((*counts)[lane]), release(warp, lane), warp, lane);
  });
}

// code: 1 by parity. 9.7.13.15.16: true once the phase of the state, or of that parity, is complete.
void poll(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes addresses = warp.addresses(in.operands[1], mask);
  const Lanes &states = warp.read(in.operands[2], mask);
  const unsigned first = unsigned(__builtin_ctz(mask));
  uint32_t done = 0;
  forLanes(mask, [&](unsigned lane) {
    const uint32_t wanted = in.code ? uint32_t(states[lane]) & 1 : uint32_t(states[lane] >> 32);
    const uint64_t key = keyOf(warp, addresses[lane], in.space, lane);
    auto complete = [&](const MBarrier &barrier) { return in.code ? (barrier.phase & 1) != wanted : barrier.phase != wanted; };
    MBarrier &barrier = find(warp, addresses[lane], in.space, lane);
    if (!complete(barrier) && lane == first && warp.cta.passedOver(key) && (!warp.grid.seed || warp.grid.choose(3) == 0))
      warp.cta.completeOne(key);
    if (!complete(barrier))
      return;
    done |= 1u << lane;
    if (in.order != Order::relaxed)
      warp.clocks[lane].known = join(warp.clocks[lane].known, barrier.completed);
  });
  warp.writePredicate(in.operands[0], mask, done);
  warp.yielded |= done != mask;
  uint32_t &idle = find(warp, addresses[first], in.space, first).idlePolls;
  idle = done ? 0 : idle + 1;
  if (idle > idlePollLimit * warp.cta.warps.size())
    warp.failAt(FaultKind::deadlock, "every thread that could arrive at the mbarrier waits or has ended", first, addresses[first]);
}

void pendingCount(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes &states = warp.read(in.operands[1], mask);
  Lanes &to = warp.write(in.operands[0], mask);
  forLanes(mask, [&](unsigned lane) { to[lane] = uint32_t(states[lane]); });
}

// cp.async.mbarrier.arrive: an arrival once the lane's copies so far are complete. Without .noinc it first adds itself to the
// count.
void arriveAfterCopies(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes addresses = warp.addresses(in.operands[0], mask);
  forLanes(mask, [&](unsigned lane) {
    MBarrier &barrier = find(warp, addresses[lane], in.space, lane);
    if (!in.code)
      ++barrier.pending;
    AsyncEvent event;
    event.kind = AsyncEvent::arrival;
    event.barrier = keyOf(warp, addresses[lane], in.space, lane);
    event.warp = &warp;
    event.lane = lane;
    event.copies = warp.finished[lane] + warp.copies[lane].size();
    event.issuer = warp.accessor(lane).epoch;
    event.clock = release(warp, lane);
    warp.cta.events.push_back(event);
  });
}

/// A write of this launch to the source needs a proxy fence, by its writer after it or by the issuer once ordered after it.
bool fenced(Warp &warp, unsigned lane, Epoch write) {
  const auto knows = [&](const ClockRef &proxy) { return proxy && proxy->knows(ctaOf(write), threadOf(write), clockOf(write)); };
  if (knows(warp.clocks[lane].proxy))
    return true;
  if (ctaOf(write) != warp.cta.index || threadOf(write) >= warp.cta.threads)
    return false;
  return knows(warp.cta.warps[threadOf(write) / warpSize]->clocks[threadOf(write) % warpSize].proxy);
}

void bulk(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes to = warp.addresses(in.operands[0], mask), from = warp.addresses(in.operands[1], mask);
  const Lanes &sizes = warp.read(in.operands[2], mask);
  const Lanes barriers = warp.addresses(in.operands[3], mask);
  forLanes(mask, [&](unsigned lane) {
    AsyncEvent event;
    event.bytes = int64_t(sizes[lane]);
    if (event.bytes % 16)
      warp.fail(FaultKind::misaligned, fmt::format("a bulk copy of {} bytes; expected a multiple of 16", event.bytes), lane);
    find(warp, barriers[lane], Space::shared, lane);
    event.to = warp.resolve(Space::shared, to[lane], unsigned(event.bytes), 16, lane);
    event.from = warp.resolve(Space::global, from[lane], unsigned(event.bytes), 16, lane);
    event.barrier = keyOf(warp, barriers[lane], Space::shared, lane);
    event.warp = &warp;
    event.lane = lane;
    warp.cta.checkNotMBarrier(event.to, unsigned(event.bytes), lane, warp);
    const Accessor by = warp.accessor(lane);
    event.issuer = by.epoch;
    if (warp.grid.races && event.bytes) {
      const Epoch stale = event.from.block->shadow.writeNotIn(event.from.offset, event.bytes, warp.grid.launch,
                                                              [&](Epoch write) { return fenced(warp, lane, write); });
      if (stale)
        warp.failAt(FaultKind::race, "a bulk copy of what this launch wrote, without fence.proxy.async", lane, from[lane]);
      warp.raise(event.from.block->shadow.beginRead(event.from.offset, event.bytes, by, warp.grid.launch), event.from, lane,
                 "a copy");
      warp.raise(event.to.block->shadow.beginWrite(event.to.offset, event.bytes, by, warp.grid.launch), event.to, lane,
                 "a copy over");
    }
    event.clock = release(warp, lane);
    warp.grid.stats.globalLoadBytes += uint64_t(event.bytes);
    warp.cta.events.push_back(event);
  });
}

Space spaceNamed(const Decoder &decoder) {
  return decoder.has("shared") || decoder.has("shared::cta") ? Space::shared : Space::generic;
}

Handler buildInit(Decoder &decoder) {
  const bool initialises = decoder.has("init");
  decoder.count(initialises ? 2 : 1);
  decoder.in.space = spaceNamed(decoder);
  decoder.address(0, decoder.in.space);
  if (initialises)
    decoder.read(1, Type::b32);
  return initialises ? init : invalidate;
}

Handler buildArrive(Decoder &decoder) {
  Instruction &in = decoder.in;
  const bool transactions = decoder.has("expect_tx");
  in.space = spaceNamed(decoder);
  in.vector = decoder.words[1] == "arrive";
  in.code = uint8_t(transactions ? (in.vector ? 1 : 2) : 0);
  size_t at = 0;
  decoder.count(in.vector + 1 + transactions, in.vector + 2);
  if (in.vector)
    decoder.write(at++, Type::b64);
  decoder.address(at++, in.space);
  in.combine = at < decoder.syntax.size();
  if (in.combine)
    decoder.read(at, Type::b32);
  return arrive;
}

Handler buildPoll(Decoder &decoder) {
  Instruction &in = decoder.in;
  decoder.count(3, 4);
  in.space = spaceNamed(decoder);
  in.code = decoder.has("parity");
  in.order = decoder.has("relaxed") ? Order::relaxed : Order::acquire;
  decoder.write(0, Type::pred);
  decoder.address(1, in.space);
  decoder.read(2, in.code ? Type::b32 : Type::b64);
  if (decoder.syntax.size() == 4)
    decoder.read(3, Type::b32); // a hint of how long to suspend
  return poll;
}

Handler buildPendingCount(Decoder &decoder) {
  decoder.count(2);
  decoder.write(0, Type::b32);
  decoder.read(1, Type::b64);
  return pendingCount;
}

Handler buildArriveAfterCopies(Decoder &decoder) {
  decoder.count(1);
  decoder.in.space = spaceNamed(decoder);
  decoder.in.code = decoder.has("noinc");
  decoder.address(0, decoder.in.space);
  return arriveAfterCopies;
}

Handler buildBulk(Decoder &decoder) {
  decoder.count(4, decoder.has("L2::cache_hint") ? 5 : 4);
  decoder.address(0, Space::shared);
  decoder.address(1, Space::global);
  decoder.read(2, Type::b32);
  decoder.address(3, Space::shared);
  return bulk;
}

constexpr Row rows[] = {
    {"mbarrier.{init|inval}{.shared|.shared::cta|}.b64", buildInit},
    {"mbarrier.arrive{.release.cta|.release.cluster|}{.shared|.shared::cta|}.b64", buildArrive},
    {"mbarrier.arrive.expect_tx{.release.cta|.release.cluster|.relaxed.cta|.relaxed.cluster|}{.shared|.shared::cta|}.b64",
     buildArrive},
    {"mbarrier.expect_tx{.relaxed.cta|.relaxed.cluster|}{.shared|.shared::cta|}.b64", buildArrive},
    {"mbarrier.{test_wait|try_wait}{.parity|}{.acquire.cta|.acquire.cluster|.relaxed.cta|.relaxed.cluster|}{.shared|.shared::cta|}."
     "b64",
     buildPoll},
    {"mbarrier.pending_count.b64", buildPendingCount},
    {"cp.async.mbarrier.arrive{.noinc|}{.shared|.shared::cta|}.b64", buildArriveAfterCopies},
    {"cp.async.bulk.{shared::cluster|shared::cta}.global.mbarrier::complete_tx::bytes<hint>", buildBulk},
};

} // namespace

void Cta::checkNotMBarrier(const Place &place, unsigned bytes, unsigned lane, const Warp &warp) const {
  const uint64_t start = warp.addressOf(place);
  const auto after = mbarriers.lower_bound(start < objectBytes ? 0 : start - objectBytes + 1);
  if (after != mbarriers.end() && after->first < start + bytes)
    warp.failAt(FaultKind::barrier, "an access to the bytes of an mbarrier", lane, start);
}

void Cta::finishPhase(MBarrier &barrier) {
  if (barrier.pending || barrier.transactions)
    return;
  ++barrier.phase;
  barrier.pending = barrier.expected;
  barrier.completed = join(barrier.completed, barrier.arriving);
}

void Cta::arrive(MBarrier &barrier, uint32_t count, const ClockRef &clock, const Warp &warp, unsigned lane) {
  if (count > barrier.pending)
    warp.fail(FaultKind::barrier,
              fmt::format("{} arrivals at an mbarrier that expects {} more in this phase", count, barrier.pending), lane);
  barrier.idlePolls = 0;
  barrier.pending -= count;
  barrier.arriving = join(barrier.arriving, clock);
  finishPhase(barrier);
}

bool Cta::passedOver(uint64_t at) {
  bool before = false;
  for (AsyncEvent &event : events)
    if (event.barrier == at) {
      before |= event.passedOver;
      event.passedOver = true;
    }
  return before;
}

bool Cta::completeOne(uint64_t at) {
  std::vector<size_t> found;
  for (size_t i = 0; i < events.size(); ++i)
    if (events[i].barrier == at)
      found.push_back(i);
  if (found.empty())
    return false;
  const size_t chosen = found[grid.seed ? grid.choose(unsigned(found.size())) : 0];
  const AsyncEvent event = events[chosen];
  events.erase(events.begin() + std::ptrdiff_t(chosen));
  MBarrier &barrier = mbarriers.at(at);
  Accessor by{0, nullptr};
  ClockRef clock;
  if (grid.races) {
    const uint32_t engine = threads + barrier.engine, count = ++engineCounts[barrier.engine];
    auto known = std::make_shared<Clock>(*event.clock);
    known->own[engine] = count;
    clock = known;
    by = {makeEpoch(index, engine, count), clock.get()};
  }
  if (event.kind == AsyncEvent::arrival) {
    finishFirst(*event.warp, event.lane, event.copies, by);
    arrive(barrier, 1, clock, *event.warp, event.lane);
    return true;
  }
  std::memcpy(event.to.block->data() + event.to.offset, event.from.block->data() + event.from.offset, size_t(event.bytes));
  std::memcpy(event.to.block->marks() + event.to.offset, event.from.block->marks() + event.from.offset, size_t(event.bytes));
  if (grid.races) {
    event.to.block->shadow.endWrite(event.to.offset, event.bytes, by, grid.launch);
    event.from.block->shadow.endRead(event.from.offset, event.bytes, event.issuer, by, grid.launch);
  }
  barrier.transactions -= event.bytes;
  barrier.arriving = join(barrier.arriving, clock);
  finishPhase(barrier);
  return true;
}

std::span<const Row> mbarrierRows() { return rows; }

} // namespace kv::ptx
