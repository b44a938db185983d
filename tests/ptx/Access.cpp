// Access.cpp: a lane's access to memory: bounds, alignment, marks, order (see Warp.h).
#include "Grid.h"

#include <cstring>
#include <fmt/format.h>

namespace kv::ptx {
namespace {

const char *nameOf(Space space) {
  switch (space) {
  case Space::shared:
    return "shared memory";
  case Space::local:
    return "local memory";
  case Space::param:
    return "the parameters";
  default:
    return "global memory";
  }
}

bool inShared(const Grid &grid, uint64_t address, unsigned bytes) {
  const Kernel &kernel = grid.kernel;
  if (address >= kernel.dynamicShared)
    return address + bytes <= kernel.dynamicShared + uint64_t(grid.dynamicShared);
  for (const auto &[start, size] : kernel.shared)
    if (address >= start && address + bytes <= start + uint64_t(size))
      return true;
  return false;
}

Space spaceOf(uint64_t &address) {
  const std::pair<uint64_t, Space> windows[] = {
      {sharedWindow, Space::shared}, {localWindow, Space::local}, {parameterWindow, Space::param}};
  for (const auto &[start, space] : windows)
    if (address - start < windowSize) {
      address -= start;
      return space;
    }
  return Space::global;
}

} // namespace

Place Warp::resolve(Space space, uint64_t address, unsigned bytes, unsigned alignment, unsigned lane) {
  const uint64_t given = address;
  if (space == Space::generic)
    space = spaceOf(address);
  if (address % alignment)
    failAt(FaultKind::misaligned, fmt::format("an access that needs an address that is a multiple of {}", alignment), lane, given);
  Block *block = nullptr;
  switch (space) {
  case Space::shared:
    if (inShared(grid, address, bytes) && cta.shared.holds(address, bytes))
      block = &cta.shared;
    break;
  case Space::local:
    if (!local.empty() && local[lane]->holds(address, bytes))
      block = local[lane].get();
    break;
  case Space::param:
    if (grid.parameters.holds(address, bytes))
      block = &grid.parameters;
    break;
  default:
    if (!lastBlock || !lastBlock->holds(address, bytes))
      lastBlock = grid.memory.find(address, bytes);
    block = lastBlock;
    if (!block)
      failAt(FaultKind::outOfBounds, grid.memory.describe(address, bytes), lane, given);
    if (space == Space::constant && !block->constant)
      failAt(FaultKind::outOfBounds, "no constant variable is there", lane, given);
  }
  if (!block)
    failAt(FaultKind::outOfBounds, fmt::format("{} bytes outside every variable of {}", bytes, nameOf(space)), lane, given);
  return {block, int64_t(address - block->base), space};
}

Accessor Warp::accessor(unsigned lane) const {
  const ThreadClock &clock = clocks[lane];
  return {makeEpoch(cta.index, threadOf(lane), clock.count), clock.known.get()};
}

void Warp::raise(const Conflict &conflict, const Place &place, unsigned lane, const char *access) {
  if (conflict.kind == Conflict::none)
    return;
  const uint32_t thread = threadOf(conflict.earlier);
  const std::string earlier = thread < cta.threads ? fmt::format("cta {} thread {}", ctaOf(conflict.earlier), thread)
                                                   : fmt::format("an asynchronous copy of cta {}", ctaOf(conflict.earlier));
  const uint64_t address = addressOf(place);
  switch (conflict.kind) {
  case Conflict::none:
    return;
  case Conflict::race:
    failAt(FaultKind::race,
           fmt::format("{} of {} without order after a {} by {}", access, nameOf(place.space),
                       conflict.earlierWrote ? "write" : "read", earlier),
           lane, address);
  case Conflict::pendingWrite:
    failAt(FaultKind::asyncHazard, fmt::format("{} of what an asynchronous copy of {} is still writing", access, earlier), lane,
           address);
  case Conflict::pendingRead:
    failAt(FaultKind::asyncHazard, fmt::format("{} of what an asynchronous copy of {} is still reading", access, earlier), lane,
           address);
  case Conflict::stale:
    failAt(FaultKind::race, fmt::format("a .nc read of what {} wrote in this launch", earlier), lane, address);
  }
}

void Warp::checkMarks(const Place &place, unsigned bytes, unsigned lane) {
  if (!place.block->initialised(place.offset, bytes))
    failAt(FaultKind::uninitialised, fmt::format("a read of {} that nobody wrote", nameOf(place.space)), lane, addressOf(place));
}

void Warp::load(const Place &place, void *to, unsigned bytes, unsigned lane, const AccessMode &mode) {
  if (grid.races && (place.space == Space::global || place.space == Space::shared)) {
    Accessor by = accessor(lane);
    by.strong = mode.strong;
    by.ctaScope = mode.scope == Scope::cta;
    by.nonCoherent = mode.nonCoherent;
    if (const Conflict conflict = place.block->shadow.read(place.offset, bytes, by, grid.launch); conflict.kind != Conflict::none)
      raise(conflict, place, lane, "a read");
  }
  if (place.space == Space::shared && !cta.mbarriers.empty())
    cta.checkNotMBarrier(place, bytes, lane, *this);
  checkMarks(place, bytes, lane);
  copyBytes(to, place.block->data() + place.offset, bytes);
}

void Warp::store(const Place &place, const void *from, unsigned bytes, unsigned lane, const AccessMode &mode) {
  if (place.space == Space::param || place.block->constant)
    failAt(FaultKind::outOfBounds, "a write to what is read-only", lane, addressOf(place));
  if (grid.races && (place.space == Space::global || place.space == Space::shared)) {
    Accessor by = accessor(lane);
    by.strong = mode.strong;
    by.ctaScope = mode.scope == Scope::cta;
    if (const Conflict conflict = place.block->shadow.write(place.offset, bytes, by, grid.launch); conflict.kind != Conflict::none)
      raise(conflict, place, lane, "a write");
  }
  if (place.space == Space::shared && !cta.mbarriers.empty())
    cta.checkNotMBarrier(place, bytes, lane, *this);
  static constexpr uint64_t written[4] = {0x0101010101010101, 0x0101010101010101, 0x0101010101010101, 0x0101010101010101};
  copyBytes(place.block->data() + place.offset, from, bytes);
  copyBytes(place.block->marks() + place.offset, written, bytes);
}

void Warp::checkUpdate(const Place &place, unsigned bytes, unsigned lane, const AccessMode &mode) {
  if (place.space == Space::param || place.block->constant)
    failAt(FaultKind::outOfBounds, "a write to what is read-only", lane, addressOf(place));
  if (grid.races && place.space != Space::local) {
    Accessor by = accessor(lane);
    by.strong = true;
    by.ctaScope = mode.scope == Scope::cta;
    if (const Conflict conflict = place.block->shadow.write(place.offset, bytes, by, grid.launch); conflict.kind != Conflict::none)
      raise(conflict, place, lane, "an atomic access");
  }
  if (place.space == Space::shared && !cta.mbarriers.empty())
    cta.checkNotMBarrier(place, bytes, lane, *this);
  checkMarks(place, bytes, lane);
}

} // namespace kv::ptx
