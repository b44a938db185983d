// Warp.h: 32 threads that execute an instruction at a time: registers, divergence, and access to memory with every check.
#ifndef KV_TESTS_PTX_WARP_H
#define KV_TESTS_PTX_WARP_H

#include "Fault.h"
#include "Memory.h"
#include "Module.h"

namespace kv::ptx {

class Cta;
struct Grid;

/// Where a lane's access goes: bytes of a block.
struct Place {
  Block *block = nullptr;
  int64_t offset = 0;
  Space space = Space::global; // never generic
};

/// How an access synchronises.
struct AccessMode {
  bool strong = false, nonCoherent = false;
  Scope scope = Scope::gpu;
};

/// A group of lanes at one place in the code; `reconverge` is where it waits for the groups below it on the stack.
struct Frame {
  int32_t pc, reconverge;
  uint32_t mask;
};

/// An asynchronous copy of a thread that has not been waited for.
struct AsyncCopy {
  Place to, from;
  int64_t bytes = 0, read = 0; // the rest of `bytes` is zero
  uint32_t group = 0;          // how many commits came before it
};

class Warp {
public:
  enum class Status : uint8_t { ready, waiting, done };
  enum : int {
    tidX,
    tidY,
    tidZ,
    ntidX,
    ntidY,
    ntidZ,
    ctaidX,
    ctaidY,
    ctaidZ,
    nctaidX,
    nctaidY,
    nctaidZ,
    laneId,
    warpId,
    nwarpId,
    smId,
    nsmId,
    gridId,
    maskEq,
    maskLe,
    maskLt,
    maskGe,
    maskGt,
    dynamicSmem,
    totalSmem,
    specialRows
  };

  Warp(Cta &cta, unsigned index, const Kernel &kernel);

  /// Executes up to `steps` instructions, fewer if it has to wait or yields.
  void run(uint64_t steps);

  const Lanes &read(const Operand &operand, uint32_t mask);
  Lanes &write(const Operand &operand, uint32_t mask);
  /// Reads like `read`; with Options::copyUndefined lanes that nobody wrote are removed from `mask` instead.
  const Lanes &readCopied(const Operand &operand, uint32_t &mask);
  /// Makes lanes of a register unwritten again.
  void forget(const Operand &operand, uint32_t lanes);
  uint32_t readPredicate(const Operand &operand, uint32_t mask);
  void writePredicate(const Operand &operand, uint32_t mask, uint32_t bits);
  /// Addresses of an operand in brackets.
  Lanes addresses(const Operand &operand, uint32_t mask);

  /// The block and offset of an access; a Fault where it leaves its allocation or is not aligned.
  Place resolve(Space space, uint64_t address, unsigned bytes, unsigned alignment, unsigned lane);
  /// Copies bytes; checks marks and order. `what` names the access in a Fault.
  void load(const Place &place, void *to, unsigned bytes, unsigned lane, const AccessMode &mode = {});
  void store(const Place &place, const void *from, unsigned bytes, unsigned lane, const AccessMode &mode = {});
  /// The checks of an atomic read-modify-write without the bytes.
  void checkUpdate(const Place &place, unsigned bytes, unsigned lane, const AccessMode &mode);
  void checkMarks(const Place &place, unsigned bytes, unsigned lane);
  void raise(const Conflict &conflict, const Place &place, unsigned lane, const char *access);
  Accessor accessor(unsigned lane) const;
  uint64_t addressOf(const Place &place) const { return place.block->base + uint64_t(place.offset); }

  /// A Fault where not every thread of the warp takes part. `whole`: 32 of them; otherwise those that have not exited.
  void needConverged(uint32_t mask, bool whole);
  /// A Fault where `members` (a membermask) names lanes outside `mask` or differs between lanes of `mask`.
  uint32_t needMembers(const Operand &operand, uint32_t mask);

  void branch(const Instruction &in, uint32_t taken);
  void exit(uint32_t lanes);
  uint32_t alive() const { return existing & ~exited; }
  uint32_t active() const { return frames.back().mask; }
  unsigned threadOf(unsigned lane) const { return index * warpSize + lane; }
  [[noreturn]] void fail(FaultKind kind, std::string message, unsigned lane) const {
    fail(kind, std::move(message), lane, false, 0);
  }
  [[noreturn]] void failAt(FaultKind kind, std::string message, unsigned lane, uint64_t address) const {
    fail(kind, std::move(message), lane, true, address);
  }

  Cta &cta;
  Grid &grid;
  const unsigned index;
  const Kernel &kernel;
  Status status = Status::ready;
  bool yielded = false; // polls: let others run first
  uint32_t existing = 0, exited = 0;
  std::array<ThreadClock, warpSize> clocks;
  std::array<std::vector<AsyncCopy>, warpSize> copies; // oldest first
  std::array<uint64_t, warpSize> finished = {};        // how many copies are no longer in `copies`
  std::array<uint32_t, warpSize> commits = {};
  std::vector<Frame> frames;
  const Instruction *current = nullptr;
  uint64_t steps = 0;
  Lanes scratch = {};

private:
  [[noreturn]] void fail(FaultKind kind, std::string message, unsigned lane, bool hasAddress, uint64_t address) const;
  void uninitialised(const Operand &operand, uint32_t missing) const;
  void fillSpecials();

  std::vector<Lanes> registers;
  std::vector<uint32_t> written, predicates, predicatesWritten;
  std::array<Lanes, specialRows> special;
  std::vector<std::unique_ptr<Block>> local; // by lane
  Block *lastBlock = nullptr;
};

/// Calls f(lane) for each lane of `mask`, ascending.
template <class F> inline void forLanes(uint32_t mask, F f) {
  if (mask == allLanes) {
    for (unsigned lane = 0; lane < warpSize; ++lane)
      f(lane);
    return;
  }
  for (; mask; mask &= mask - 1)
    f(unsigned(__builtin_ctz(mask)));
}

inline const Lanes &Warp::read(const Operand &operand, uint32_t mask) {
  if (operand.kind == Operand::reg) {
    if (const uint32_t missing = mask & ~written[operand.index])
      uninitialised(operand, missing);
    return registers[operand.index];
  }
  if (operand.kind == Operand::special)
    return special[operand.index];
  if (operand.kind == Operand::clock)
    scratch.fill(lowBits(1000 + steps * 4, operand.bits));
  return operand.kind == Operand::clock ? scratch : *operand.row;
}

inline Lanes &Warp::write(const Operand &operand, uint32_t mask) {
  if (operand.kind != Operand::reg)
    return scratch;
  written[operand.index] |= mask;
  return registers[operand.index];
}

inline uint32_t Warp::readPredicate(const Operand &operand, uint32_t mask) {
  if (operand.kind == Operand::nothing)
    return allLanes;
  if (operand.kind == Operand::constant)
    return (*operand.row)[0] ? allLanes : 0;
  if (const uint32_t missing = mask & ~predicatesWritten[operand.index])
    uninitialised(operand, missing);
  return operand.negated ? ~predicates[operand.index] : predicates[operand.index];
}

inline void Warp::writePredicate(const Operand &operand, uint32_t mask, uint32_t bits) {
  if (operand.kind != Operand::predicate)
    return;
  predicatesWritten[operand.index] |= mask;
  predicates[operand.index] = (predicates[operand.index] & ~mask) | (bits & mask);
}

} // namespace kv::ptx
#endif
