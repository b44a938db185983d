// At which level a module is.
#ifndef KV_VERIFY_LEVEL_H
#define KV_VERIFY_LEVEL_H

#include "dialect/Level.h"
#include "mlir/IR/BuiltinOps.h"

namespace kv {

/// An error at the first op of a level above `level`.
mlir::LogicalResult verifyLevel(mlir::ModuleOp module, Level level);

} // namespace kv

#endif
