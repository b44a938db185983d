// At which level an op of the dialect is.
#ifndef KV_LEVEL_H
#define KV_LEVEL_H

#include "mlir/IR/OperationSupport.h"

#include <optional>

namespace kv {

/// Levels of ops, from what a file says down: an op of a higher level becomes ops of lower ones.
enum class Level {
  source,  ///< what a file says: kv.append, kv.attend
  online,  ///< attention over blocks with a state
  tiles,   ///< products, softmax and scratch; what a kernel is told
  machine, ///< neutral instructions
  none     ///< nothing of the dialect
};

/// source, online, tiles, machine, none.
llvm::StringRef levelName(Level level);
std::optional<Level> findLevel(llvm::StringRef name);

/// The level of an op by itself; `none` for ops of other dialects.
Level levelOf(mlir::OperationName name);

} // namespace kv

#endif
