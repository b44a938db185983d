// What the innermost loops of an object cost on a processor, by LLVM's model of it (the one of llvm-mca): the part of speed that
// can be read off the code without running it. Caches and mispredicted branches are not in it.
#ifndef KV_TARGETS_LOOPMODEL_H
#define KV_TARGETS_LOOPMODEL_H

#include "compiler/targets/Target.h"
#include "llvm/Support/Error.h"

namespace kv {

struct LoopCost {
  std::string function;    ///< its symbol
  uint64_t offset = 0;     ///< of the loop's first instruction, bytes from the function's
  size_t instructions = 0; ///< an iteration, every branch of it followed
  size_t products = 0;     ///< of these: vector multiply-accumulates and dot products
  size_t spills = 0;       ///< of these: loads and stores of vectors in the stack frame
  size_t scalarSpills = 0; ///< of these: loads and stores of anything smaller in the stack frame
  size_t stores = 0;       ///< of these: stores of vectors elsewhere
  double blockBound = 0;   ///< cycles an iteration that dispatch or the busiest port needs, as llvm-mca's Block RThroughput says
  double bound = 0;        ///< the same, where work that several ports share is counted: no order of the instructions does better
  double cycles = 0;       ///< cycles an iteration in the steady state, with all latencies
  std::string unmodelled;  ///< why there are no cycles; empty where there are

  /// Whether it adds up products, as softmax, which stores what it computes, does not.
  bool isProduct() const { return products && !stores; }
  double ratio() const { return cycles / bound; }
};

/// The innermost loops of all functions of an object that was made for `target`: those of products first, then by instructions.
/// `target` has a modelledCpu().
llvm::Expected<std::vector<LoopCost>> modelLoops(llvm::StringRef object, const Target &target);

} // namespace kv

#endif
