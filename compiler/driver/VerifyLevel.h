// At which level of the dialect a module is.
#ifndef KV_VERIFY_LEVEL_H
#define KV_VERIFY_LEVEL_H

#include "mlir/IR/BuiltinOps.h"

namespace kv {

/// Levels of ops, from what a file says down: an op of a higher level becomes ops of lower ones.
enum class Level {
  source,  ///< what a file says: kv.append, kv.attend
  online,  ///< attention over blocks with a state
  tiles,   ///< products, softmax and scratch; what a kernel is told
  machine, ///< neutral instructions
  none     ///< nothing of the dialect
};

/// The level of an op by itself; `none` for ops of other dialects.
Level levelOf(mlir::OperationName name);

/// An error at the first op of a level above `level`.
mlir::LogicalResult verifyLevel(mlir::ModuleOp module, Level level);

} // namespace kv

#endif
