// AsyncOps.cpp: cp.async and its groups, PTX ISA 9.7.9.25. A copy takes place at the wait that covers it and is then like a write
// of the thread that started it; until then its destination may not be touched and its source not be written.
#include "Async.h"
#include "Decoder.h"

#include <fmt/format.h>

namespace kv::ptx {
namespace {

void start(Warp &warp, const Instruction &in, uint32_t mask) {
  const unsigned bytes = unsigned(in.immediate);
  const Lanes to = warp.addresses(in.operands[0], mask), from = warp.addresses(in.operands[1], mask);
  const Lanes *sizes = in.vector == 2 ? &warp.read(in.operands[2], mask) : nullptr;
  const uint32_t ignored = in.code ? warp.readPredicate(in.operands[2], mask) : 0;
  forLanes(mask, [&](unsigned lane) {
    AsyncCopy copy;
    copy.bytes = bytes;
    copy.read = ignored >> lane & 1 ? 0 : sizes ? int64_t((*sizes)[lane]) : bytes;
    if (copy.read > copy.bytes)
      warp.fail(FaultKind::outOfBounds, fmt::format("a source of {} bytes for a copy of {}", copy.read, bytes), lane);
    copy.group = warp.commits[lane];
    copy.to = warp.resolve(Space::shared, to[lane], bytes, bytes, lane);
    if (copy.read) // a copy of nothing does not look at its source, whose address has to be aligned all the same
      copy.from = warp.resolve(Space::global, from[lane], unsigned(copy.read), bytes, lane);
    else if (from[lane] % bytes)
      warp.failAt(FaultKind::misaligned, fmt::format("a source that is no multiple of {}", bytes), lane, from[lane]);
    if (!warp.cta.mbarriers.empty())
      warp.cta.checkNotMBarrier(copy.to, bytes, lane, warp);
    if (warp.grid.races) {
      const Accessor by = warp.accessor(lane);
      if (copy.read)
        warp.raise(copy.from.block->shadow.beginRead(copy.from.offset, copy.read, by, warp.grid.launch), copy.from, lane, "a copy");
      warp.raise(copy.to.block->shadow.beginWrite(copy.to.offset, copy.bytes, by, warp.grid.launch), copy.to, lane, "a copy over");
    }
    warp.grid.stats.globalLoadBytes += uint64_t(copy.read);
    warp.copies[lane].push_back(copy);
  });
}

void commit(Warp &warp, const Instruction &, uint32_t mask) {
  forLanes(mask, [&](unsigned lane) { ++warp.commits[lane]; });
}

// wait_group N: all but the N newest groups are complete. wait_all: everything, committed or not.
void wait(Warp &warp, const Instruction &in, uint32_t mask) {
  forLanes(mask, [&](unsigned lane) {
    const uint32_t commits = warp.commits[lane], open = uint32_t(in.immediate);
    finishCopies(warp, lane, in.code ? UINT32_MAX : commits > open ? commits - open : 0);
  });
}

Handler buildStart(Decoder &decoder) {
  Instruction &in = decoder.in;
  const bool hint = decoder.has("L2::cache_hint");
  decoder.count(3, hint ? 5 : 4);
  decoder.address(0, Space::shared);
  decoder.address(1, Space::global);
  in.immediate = decoder.constant(2);
  const bool cg = decoder.has("cg");
  if (in.immediate != 16 && (cg || (in.immediate != 4 && in.immediate != 8)))
    decoder.fail(cg ? "expected 16 bytes" : "expected 4, 8 or 16 bytes");
  if (decoder.syntax.size() < size_t(hint ? 5 : 4))
    return start;
  if (decoder.isPredicate(3)) { // ignore-src
    in.code = 1;
    decoder.read(3, Type::pred);
  } else {
    in.vector = 2;
    decoder.read(3, Type::b32);
  }
  return start;
}

Handler buildCommit(Decoder &decoder) {
  decoder.count(0);
  return commit;
}

Handler buildWait(Decoder &decoder) {
  decoder.in.code = decoder.has("wait_all");
  decoder.count(decoder.in.code ? 0 : 1);
  if (!decoder.in.code)
    decoder.in.immediate = decoder.constant(0);
  return wait;
}

constexpr Row rows[] = {
    {"cp.async.{ca|cg}.shared{::cta|}.global<hint><prefetch>", buildStart},
    {"cp.async.commit_group", buildCommit},
    {"cp.async.wait_group", buildWait},
    {"cp.async.wait_all", buildWait},
};

} // namespace

std::span<const Row> asyncRows() { return rows; }

} // namespace kv::ptx
