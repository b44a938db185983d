// Grid.h: a launch under way: CTAs, their shared memory and barriers, and what threads of different CTAs share.
#ifndef KV_TESTS_PTX_GRID_H
#define KV_TESTS_PTX_GRID_H

#include "Machine.h"
#include "Warp.h"

#include <random>
#include <unordered_map>

namespace kv::ptx {

/// What strong writes to one address released, for those who acquire it.
struct SyncVariable {
  ClockRef released;    // at gpu scope
  ClockRef releasedCta; // at cta scope, by threads of `cta`
  uint32_t cta = 0;
};

/// One of a CTA's sixteen barriers (PTX ISA 9.7.13.1).
struct Barrier {
  unsigned arrived = 0, expected = 0; // threads
  std::vector<Warp *> waiting;
  std::shared_ptr<Clock> clock;
  unsigned count = 0, total = 0;               // bar.red: predicates that were true, and all
  std::vector<const Instruction *> reductions; // of `waiting`; null for plain ones
};

/// The object behind an mbarrier (PTX ISA 9.7.13.15); its eight bytes are opaque.
struct MBarrier {
  uint32_t expected = 0, pending = 0;
  int64_t transactions = 0;
  uint32_t phase = 0;
  uint32_t engine = 0;    // of the CTA's
  uint32_t idlePolls = 0; // since something last happened to it
  ClockRef arriving;      // of the current phase
  ClockRef completed;     // of all phases before
};

/// A bulk copy, or the arrival that follows a thread's cp.async copies.
struct AsyncEvent {
  enum Kind : uint8_t { bulk, arrival } kind = bulk;
  Place to, from;
  int64_t bytes = 0;
  uint64_t barrier = 0;
  Warp *warp = nullptr;
  unsigned lane = 0;
  uint64_t copies = 0; // arrival: how many of the lane's copies it follows
  bool passedOver = false;
  Epoch issuer = 0; // of the lane when it started this
  ClockRef clock;   // what the lane had done then
};

class Cta {
public:
  Cta(Grid &grid, uint32_t index);

  /// Marks the mbarrier's events as passed over by a poll; whether one was so before. The first poll finds nothing complete.
  bool passedOver(uint64_t barrier);
  /// Completes one asynchronous event of the mbarrier, a seeded choice; false where there is none.
  bool completeOne(uint64_t barrier);
  MBarrier *findMBarrier(uint64_t address) {
    const auto found = mbarriers.find(address);
    return found == mbarriers.end() ? nullptr : &found->second;
  }
  /// A Fault where the bytes belong to an mbarrier.
  void checkNotMBarrier(const Place &place, unsigned bytes, unsigned lane, const Warp &warp) const;
  void arrive(MBarrier &barrier, uint32_t count, const ClockRef &clock, const Warp &warp, unsigned lane);
  void finishPhase(MBarrier &barrier);

  Grid &grid;
  const uint32_t index;
  std::array<unsigned, 3> position;
  unsigned threads;
  Block shared;
  std::vector<std::unique_ptr<Warp>> warps;
  std::array<Barrier, 16> barriers;
  std::map<uint64_t, MBarrier> mbarriers;
  std::vector<AsyncEvent> events;
  std::array<uint32_t, copyEngines> engineCounts = {};
  unsigned live; // warps not done
};

struct Grid {
  Machine &machine;
  DeviceMemory &memory;
  const Module &module;
  const Kernel &kernel;
  Dim3 grid, block;
  int64_t dynamicShared;
  Block parameters;
  Statistics &stats;
  uint32_t launch; // counts from 1 in a machine
  uint64_t seed;
  std::mt19937_64 random;
  std::unordered_map<uint64_t, SyncVariable> syncVariables; // by address; shared memory's keyed with the CTA
  bool races;

  /// Every CTA to its end, in a seeded order.
  void run();
  unsigned choose(unsigned below) { return below < 2 ? 0 : unsigned(random() % below); }

private:
  void runSome(std::vector<std::unique_ptr<Cta>> &resident);
};

} // namespace kv::ptx
#endif
