// ControlFlow.cpp: branches, exits, and where divergent lanes meet again: the immediate post-dominator of the branch, by the
// iteration of Cooper, Harvey and Kennedy ("A Simple, Fast Dominance Algorithm", 2001) on the reversed graph of instructions.
#include "KernelParser.h"
#include "Warp.h"

#include <algorithm>

namespace kv::ptx {
namespace {

/// Successors of an instruction; `exit` is the node after all. Lanes that leave under a predicate do not keep the others from
/// meeting.
std::vector<int> successors(const Instruction &in, int index, int exit) {
  const bool guarded = in.guard.kind != Operand::nothing;
  if (in.flow == Instruction::jump)
    return guarded && in.target != index + 1 ? std::vector<int>{in.target, index + 1} : std::vector<int>{in.target};
  if (in.flow == Instruction::leave && !guarded)
    return {exit};
  return {index + 1};
}

/// Nodes that reach `exit`, in postorder of the reversed graph.
std::vector<int> postorder(const std::vector<std::vector<int>> &predecessors, int exit) {
  std::vector<int> order;
  std::vector<char> seen(predecessors.size());
  std::vector<std::pair<int, size_t>> stack = {{exit, 0}};
  seen[exit] = 1;
  while (!stack.empty()) {
    auto &[node, next] = stack.back();
    if (next == predecessors[node].size()) {
      order.push_back(node);
      stack.pop_back();
    } else if (const int before = predecessors[node][next++]; !seen[before]) {
      seen[before] = 1;
      stack.push_back({before, 0});
    }
  }
  return order;
}

// PTX ISA 9.7.12.2, bra: a guarded branch may diverge; .uni promises that it does not.
void bra(Warp &warp, const Instruction &in, uint32_t mask) {
  if (in.code && mask != warp.active())
    warp.fail(FaultKind::divergence, "a .uni branch that some lanes take", unsigned(__builtin_ctz(mask)));
  warp.branch(in, mask);
}

// PTX ISA 9.7.12.5 and 9.7.12.6: ret at the level of the kernel ends the thread as exit does.
void leave(Warp &warp, const Instruction &, uint32_t mask) { warp.exit(mask); }

void trap(Warp &warp, const Instruction &, uint32_t mask) {
  warp.fail(FaultKind::trap, "the kernel stopped itself", unsigned(__builtin_ctz(mask)));
}

void nothing(Warp &, const Instruction &, uint32_t) {}

Handler buildBranch(Decoder &decoder) {
  decoder.count(1);
  decoder.in.flow = Instruction::jump;
  decoder.in.code = decoder.has("uni");
  return bra;
}

Handler buildLeave(Decoder &decoder) {
  decoder.count(0);
  decoder.in.flow = Instruction::leave;
  return leave;
}

Handler buildTrap(Decoder &decoder) {
  decoder.count(0);
  decoder.in.flow = Instruction::leave;
  return trap;
}

Handler buildNothing(Decoder &) { return nothing; }

constexpr Row rows[] = {
    {"bra{.uni|}", buildBranch},
    {"ret{.uni|}", buildLeave},
    {"exit", buildLeave},
    {"trap", buildTrap},
    {"brkpt", buildTrap},
    {"nanosleep.u32", buildNothing},                           // 9.7.19.x: a hint of how long to suspend
    {"griddepcontrol.{launch_dependents|wait}", buildNothing}, // 9.7.13.13: one grid at a time here
    {"setmaxnreg.{inc|dec}.sync.aligned.u32", buildNothing},
    {"pmevent", buildNothing},
};

} // namespace

void findReconvergence(Kernel &kernel) {
  const int exit = int(kernel.code.size());
  std::vector<std::vector<int>> after(exit + 1), before(exit + 1);
  for (int i = 0; i < exit; ++i) {
    after[i] = successors(kernel.code[i], i, exit);
    for (const int next : after[i])
      before[next].push_back(i);
  }
  const std::vector<int> order = postorder(before, exit);
  std::vector<int> rank(exit + 1, -1), dominator(exit + 1, -1);
  for (size_t i = 0; i < order.size(); ++i)
    rank[order[i]] = int(i);
  dominator[exit] = exit;
  for (bool changed = true; changed;) {
    changed = false;
    for (auto node = order.rbegin() + 1; node != order.rend(); ++node) {
      int meet = -1;
      for (int next : after[*node]) {
        if (rank[next] < 0 || dominator[next] < 0)
          continue;
        if (meet < 0) {
          meet = next;
          continue;
        }
        for (int other = next; meet != other;) {
          while (rank[meet] < rank[other])
            meet = dominator[meet];
          while (rank[other] < rank[meet])
            other = dominator[other];
        }
      }
      changed |= dominator[*node] != meet;
      dominator[*node] = meet;
    }
  }
  for (int i = 0; i < exit; ++i)
    if (kernel.code[i].flow == Instruction::jump)
      kernel.code[i].reconverge = dominator[i] < 0 ? exit : dominator[i];
}

std::span<const Row> controlRows() { return rows; }

} // namespace kv::ptx
