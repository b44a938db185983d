// Warp.cpp: registers, divergence and the loop over instructions (see Warp.h).
// Divergence follows the immediate post-dominator: both sides of a branch wait for each other where all paths from it meet again,
// as the hardware's compiler arranges. Which side runs first is the seed's choice.
#include "Warp.h"

#include "Async.h"
#include "Grid.h"

#include <fmt/format.h>

namespace kv::ptx {

Warp::Warp(Cta &cta, unsigned index, const Kernel &kernel)
    : cta(cta), grid(cta.grid), index(index), kernel(kernel), registers(kernel.registers), written(kernel.registers),
      predicates(kernel.predicates), predicatesWritten(kernel.predicates), local(kernel.localBytes ? warpSize : 0) {
  const unsigned threads = cta.threads - index * warpSize;
  existing = threads >= warpSize ? allLanes : (1u << threads) - 1;
  frames.push_back({0, -1, existing});
  auto known = std::make_shared<Clock>();
  known->cta = cta.index;
  known->own.assign(cta.threads + copyEngines, 0);
  for (ThreadClock &clock : clocks)
    clock.known = known;
  for (auto &block : local)
    block = std::make_unique<Block>(localStart, kernel.localBytes);
  fillSpecials();
}

void Warp::fillSpecials() {
  const Dim3 &block = grid.block;
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    const unsigned thread = threadOf(lane);
    special[tidX][lane] = thread % block.x;
    special[tidY][lane] = thread / block.x % block.y;
    special[tidZ][lane] = thread / block.x / block.y;
    special[laneId][lane] = lane;
    special[maskEq][lane] = 1u << lane;
    special[maskLt][lane] = (1u << lane) - 1;
    special[maskLe][lane] = special[maskLt][lane] | special[maskEq][lane];
    special[maskGt][lane] = lowBits(~special[maskLe][lane], 32);
    special[maskGe][lane] = lowBits(~special[maskLt][lane], 32);
  }
  const std::pair<int, uint64_t> uniform[] = {{ntidX, block.x},
                                              {ntidY, block.y},
                                              {ntidZ, block.z},
                                              {ctaidX, cta.position[0]},
                                              {ctaidY, cta.position[1]},
                                              {ctaidZ, cta.position[2]},
                                              {nctaidX, grid.grid.x},
                                              {nctaidY, grid.grid.y},
                                              {nctaidZ, grid.grid.z},
                                              {warpId, index},
                                              {nwarpId, (cta.threads + 31) / 32},
                                              {smId, cta.index % 132},
                                              {nsmId, 132},
                                              {gridId, grid.launch},
                                              {dynamicSmem, uint64_t(grid.dynamicShared)},
                                              {totalSmem, uint64_t(grid.dynamicShared + kernel.staticShared())}};
  for (const auto &[row, value] : uniform)
    special[row].fill(value);
}

void Warp::run(uint64_t count) {
  yielded = false;
  while (count-- && status == Status::ready && !yielded) {
    while (frames.back().pc == frames.back().reconverge)
      frames.pop_back();
    Frame &frame = frames.back();
    const Instruction &in = kernel.code[frame.pc++];
    current = &in;
    ++steps;
    const uint32_t mask = frame.mask & readPredicate(in.guard, frame.mask);
    if (mask)
      in.execute(*this, in, mask);
  }
}

void Warp::branch(const Instruction &in, uint32_t taken) {
  Frame &frame = frames.back();
  const int32_t next = frame.pc;
  const uint32_t others = frame.mask & ~taken;
  if (!others || in.target == next) {
    frame.pc = in.target;
    return;
  }
  ++grid.stats.divergentBranches;
  if (in.reconverge == frame.reconverge) // the frame below waits there already
    frames.pop_back();
  else
    frame.pc = in.reconverge;
  Frame sides[] = {{next, in.reconverge, others}, {in.target, in.reconverge, taken}};
  if (grid.seed && grid.choose(2))
    std::swap(sides[0], sides[1]);
  for (const Frame &side : sides)
    if (side.pc != in.reconverge)
      frames.push_back(side);
}

void Warp::exit(uint32_t lanes) {
  for (Frame &frame : frames)
    frame.mask &= ~lanes;
  std::erase_if(frames, [](const Frame &frame) { return !frame.mask; });
  exited |= lanes;
  forLanes(lanes, [&](unsigned lane) { finishCopies(*this, lane, UINT32_MAX); });
  if (frames.empty()) {
    status = Status::done;
    --cta.live;
  }
  for (Barrier &barrier : cta.barriers) // those who wait for all threads no longer wait for these
    completeBarrier(cta, barrier);
}

void Warp::needConverged(uint32_t mask, bool whole) {
  const uint32_t wanted = whole ? allLanes : alive();
  if (mask != wanted)
    fail(FaultKind::divergence, fmt::format("needs lanes {:#010x} of the warp together, got {:#010x}", wanted, mask),
         unsigned(__builtin_ctz(mask)));
}

uint32_t Warp::needMembers(const Operand &operand, uint32_t mask) {
  const Lanes &row = read(operand, mask);
  const unsigned first = unsigned(__builtin_ctz(mask));
  const uint32_t members = uint32_t(row[first]);
  forLanes(mask, [&](unsigned lane) {
    if (uint32_t(row[lane]) != members)
      fail(FaultKind::divergence, fmt::format("membermask {:#010x} here, {:#010x} in lane {}", uint32_t(row[lane]), members, first),
           lane);
    if (!(members >> lane & 1))
      fail(FaultKind::divergence, fmt::format("membermask {:#010x} without the executing lane", members), lane);
  });
  if (members & ~mask)
    fail(FaultKind::divergence, fmt::format("membermask {:#010x} names lanes that are not here; here are {:#010x}", members, mask),
         first);
  return members;
}

const Lanes &Warp::readCopied(const Operand &operand, uint32_t &mask) {
  if (operand.kind == Operand::reg && grid.machine.options.copyUndefined)
    mask &= written[operand.index];
  return read(operand, mask);
}

void Warp::forget(const Operand &operand, uint32_t lanes) {
  if (operand.kind == Operand::reg)
    written[operand.index] &= ~lanes;
}

Lanes Warp::addresses(const Operand &operand, uint32_t mask) {
  Lanes result = read(operand, mask);
  if (operand.offset)
    for (uint64_t &address : result)
      address = lowBits(address + uint64_t(operand.offset), operand.bits);
  return result;
}

void Warp::uninitialised(const Operand &operand, uint32_t missing) const {
  const char *what = operand.kind == Operand::predicate ? "predicate" : "register";
  fail(FaultKind::uninitialised,
       fmt::format("{} number {} of {} bits was never written", what, operand.index, unsigned(operand.bits)),
       unsigned(__builtin_ctz(missing)));
}

void Warp::fail(FaultKind kind, std::string message, unsigned lane, bool hasAddress, uint64_t address) const {
  Fault fault;
  fault.kind = kind;
  fault.message = std::move(message);
  if (current) {
    fault.line = current->line;
    fault.instruction = current->text;
  }
  fault.kernel = kernel.name;
  fault.cta = cta.position;
  for (int axis = 0; axis < 3; ++axis)
    fault.thread[axis] = unsigned(special[tidX + axis][lane]);
  fault.hasAddress = hasAddress;
  fault.address = address;
  throw fault;
}

} // namespace kv::ptx
