// From a read file to objects in memory: for each target the phases of its pipeline, then the descriptor tables.
#ifndef KV_DRIVER_DRIVER_H
#define KV_DRIVER_DRIVER_H

#include "compiler/driver/Compile.h"
#include "compiler/driver/Compiled.h"
#include "compiler/driver/Source.h"
#include "compiler/driver/Timing.h"

#include <functional>

namespace kv {

struct CompileOptions {
  std::vector<const Target *> targets;
  std::string until; ///< stop after this one of phaseNames() and print the IR to `dump`
  llvm::raw_ostream *dump = nullptr;
  std::string name;      ///< of the objects, before the target's; empty: the source's
  std::string machine;   ///< the architecture of programs that launch, where no target is of one; empty: this machine's
  bool assembly = false; ///< objects hold assembly text; there are no descriptor tables
  Timing *timing = nullptr;
  std::function<bool(const std::string &kernel, const Target &target)> wants; ///< rows that tables get; none: all
};

enum class CompileStatus {
  ok,
  userError,    ///< said on stderr, with the place in the file
  internalError ///< a bug of ours; what LLVM or MLIR had to say is on stderr
};

/// Compiles `source` for every target. `compiled` is complete only when the result is ok and `until` is empty.
CompileStatus compile(Source &source, const CompileOptions &options, Compiled &compiled);

/// Replaces targets by those on the route: `mlir`, the shared path alone, `halide`, with what Halide makes, or `both`, which adds
/// the latter. False where one has no such route, which has been said on stderr.
bool takeRoute(llvm::StringRef route, std::vector<const Target *> &targets);

/// Architectures of processors, each once.
std::vector<std::string> architectures();

/// Finds targets by name; `native` is the best for this machine, which has `features`. False after a name that there is not, which
/// has been said on stderr.
bool findTargets(llvm::ArrayRef<std::string> names, uint64_t features, std::vector<const Target *> &found);

} // namespace kv

#endif
