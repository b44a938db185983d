// The phases from level 0 to an object, the same for every target.
#ifndef KV_PIPELINE_H
#define KV_PIPELINE_H

#include "compiler/driver/VerifyLevel.h"
#include "compiler/targets/Target.h"
#include "mlir/Pass/PassManager.h"

namespace kv {

/// Passes with a name, after which only ops of a level and of those below it are left.
struct Phase {
  llvm::StringRef name;
  std::function<void(mlir::PassManager &)> add;
  Level leaves;
};

/// From level 0 to instructions of the target.
std::vector<Phase> loweringPhases(const Target &target);
/// To the LLVM dialect, once kernels have their symbols.
Phase llvmPhase();

/// The names of all phases in order, `source` before the first and `object` after the last; `--until` takes one of them.
llvm::ArrayRef<llvm::StringRef> phaseNames();

/// The registries and extensions that the context of a compilation needs.
void registerDialects(mlir::DialectRegistry &registry);

} // namespace kv

#endif
