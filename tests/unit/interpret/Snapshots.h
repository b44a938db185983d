// Kernels after each pass of the phases of level 1, made ready to run.
#ifndef KV_TESTS_INTERPRET_SNAPSHOTS_H
#define KV_TESTS_INTERPRET_SNAPSHOTS_H

#include "compiler/targets/Target.h"
#include "dialect/KvAttrs.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>
#include <vector>

namespace kv {

/// A module right after a pass has changed it, and what still has to be lowered for the interpreter.
struct Snapshot {
  std::string pass; ///< "kv-hoist-decode"
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Whether two modules have the same function of that name.
bool haveSame(mlir::ModuleOp a, mlir::ModuleOp b, const std::string &function);

/// What kernels may be like that no policy chooses.
struct Unusual {
  Masks masks = Masks::always;
  /// Two loops over blocks in place of each, chained by the state as those of a cache's segments.
  bool chained = false;
};

/// Takes a copy of `level0` through the pipeline of the target, up to the end of level 1. The first snapshot is what the phase
/// `tile` starts from; then comes one for each pass that has changed what is run. Empty where a phase fails: MLIR's diagnostics say
/// why.
std::vector<Snapshot> takeSnapshots(mlir::ModuleOp level0, const Target &target, Unusual unusual);

} // namespace kv

#endif
