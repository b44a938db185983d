// What is no step of the way, but looks at where a module is on it.
#ifndef KV_DRIVER_PASSES_H
#define KV_DRIVER_PASSES_H

#include "compiler/driver/VerifyLevel.h"
#include "mlir/Pass/Pass.h"

namespace kv {

/// An error where an op of a level above `level` is left.
std::unique_ptr<mlir::Pass> createVerifyLevelPass(Level level);

} // namespace kv

#endif
