// Level 1 -> vectors and scalars.
#ifndef KV_DISTRIBUTE_PASSES_H
#define KV_DISTRIBUTE_PASSES_H

#include "mlir/Pass/Pass.h"

#include <cstdint>

namespace kv {

/// Loops over blocks that a team of threads reads -> the same with blocks copied into a ring in scratch ahead of their use.
std::unique_ptr<mlir::Pass> createStageBlocksPass();

/// Products and kv.ask -> the same with the bytes of the block ahead that each prefetches.
std::unique_ptr<mlir::Pass> createPlanPrefetchPass();

/// Gives every tile its encoding: which dimension lies along lanes.
std::unique_ptr<mlir::Pass> createPlaceTilesPass();

/// Lets the threads of a team wait between a write of memory that they share and a read, and the other way.
std::unique_ptr<mlir::Pass> createPlaceBarriersPass();

/// Tiles -> vectors and scalars; the only 1:N conversion.
std::unique_ptr<mlir::Pass> createDistributeTilesPass();

/// Addresses that innermost loops compute anew with every iteration -> pointers that they carry.
std::unique_ptr<mlir::Pass> createWalkPointersPass(int64_t mostPointers);

} // namespace kv

#endif
