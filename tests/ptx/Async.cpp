// Async.cpp: see Async.h.
#include "Async.h"

#include <cstring>

namespace kv::ptx {

void finishFirst(Warp &warp, unsigned lane, uint64_t count, const Accessor &by) {
  auto &copies = warp.copies[lane];
  size_t done = 0;
  for (; done < copies.size() && warp.finished[lane] < count; ++done, ++warp.finished[lane]) {
    const AsyncCopy &copy = copies[done];
    uint8_t *data = copy.to.block->data() + copy.to.offset, *marks = copy.to.block->marks() + copy.to.offset;
    std::memset(data, 0, size_t(copy.bytes));
    std::memset(marks, 1, size_t(copy.bytes));
    if (copy.read) {
      std::memcpy(data, copy.from.block->data() + copy.from.offset, size_t(copy.read));
      std::memcpy(marks, copy.from.block->marks() + copy.from.offset, size_t(copy.read));
    }
    if (!warp.grid.races)
      continue;
    copy.to.block->shadow.endWrite(copy.to.offset, copy.bytes, by, warp.grid.launch);
    if (copy.read)
      copy.from.block->shadow.endRead(copy.from.offset, copy.read, warp.accessor(lane).epoch, by, warp.grid.launch);
  }
  copies.erase(copies.begin(), copies.begin() + std::ptrdiff_t(done));
}

void finishCopies(Warp &warp, unsigned lane, uint32_t groups) {
  const auto &copies = warp.copies[lane];
  size_t covered = 0;
  while (covered < copies.size() && copies[covered].group < groups)
    ++covered;
  if (covered)
    finishFirst(warp, lane, warp.finished[lane] + covered, warp.accessor(lane));
}

void contribute(std::shared_ptr<Clock> &clock, Warp &warp, uint32_t mask) {
  const Clock *last = nullptr;
  forLanes(mask, [&](unsigned lane) {
    const ThreadClock &mine = warp.clocks[lane];
    if (!clock)
      clock = std::make_shared<Clock>(*mine.known);
    else if (mine.known.get() != last)
      clock->join(*mine.known);
    last = mine.known.get();
    uint32_t &known = clock->own[warp.threadOf(lane)];
    known = std::max(known, mine.count);
  });
}

void synchronise(Warp &warp, uint32_t mask) {
  if (!warp.grid.races)
    return;
  std::shared_ptr<Clock> joined;
  contribute(joined, warp, mask);
  forLanes(mask, [&](unsigned lane) {
    warp.clocks[lane].known = joined;
    ++warp.clocks[lane].count;
  });
}

void completeBarrier(Cta &cta, Barrier &barrier) {
  if (!barrier.arrived)
    return;
  unsigned wanted = barrier.expected;
  if (!wanted)
    for (const auto &warp : cta.warps)
      wanted += unsigned(__builtin_popcount(warp->alive()));
  if (barrier.arrived < wanted)
    return;
  for (size_t i = 0; i < barrier.waiting.size(); ++i) {
    Warp &warp = *barrier.waiting[i];
    warp.status = Warp::Status::ready;
    forLanes(warp.active(), [&](unsigned lane) {
      if (barrier.clock)
        warp.clocks[lane].known = barrier.clock;
    });
    const Instruction *reduction = barrier.reductions[i];
    if (!reduction)
      continue;
    const uint32_t mask = warp.active(); // bar.red.{popc,and,or}: PTX ISA 9.7.13.1
    if (reduction->code == 0)
      forLanes(mask, [&](unsigned lane) { warp.write(reduction->operands[0], mask)[lane] = barrier.count; });
    else
      warp.writePredicate(reduction->operands[0], mask,
                          (reduction->code == 1 ? barrier.count == barrier.total : barrier.count > 0) ? mask : 0);
  }
  barrier = {};
}

} // namespace kv::ptx
