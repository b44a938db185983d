// The shared path from level 0 to vectors, one pass a file, in the order in which they run.
#ifndef KV_TRANSFORMS_PASSES_H
#define KV_TRANSFORMS_PASSES_H

#include "compiler/transforms/Capabilities.h"
#include "mlir/Pass/Pass.h"

namespace kv {

/// kv.append followed by kv.attend on the same cache -> kv.append_attend.
std::unique_ptr<mlir::Pass> createFuseAppendAttendPass();

/// Writes a #kv.schedule on every level-0 op and resolves `auto` orders: the one pass that looks at the target.
std::unique_ptr<mlir::Pass> createSelectSchedulePass(const Capabilities &capabilities);

/// Level 0 -> level 1: kernels of one item as loops over blocks of tokens, on tiles.
std::unique_ptr<mlir::Pass> createTileAppendPass();
std::unique_ptr<mlir::Pass> createTileAttendPass();

/// Gives every tile its encoding: which dimension lies along lanes.
std::unique_ptr<mlir::Pass> createPlaceTilesPass();

/// Tiles -> vectors and scalars; the only 1:N conversion.
std::unique_ptr<mlir::Pass> createDistributeTilesPass();

/// Addresses that innermost loops compute anew with every iteration -> pointers that they carry.
std::unique_ptr<mlir::Pass> createWalkPointersPass(int64_t mostPointers);

} // namespace kv

#endif
