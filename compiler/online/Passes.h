// Level 0 -> online -> level 1, of attention.
#ifndef KV_ONLINE_PASSES_H
#define KV_ONLINE_PASSES_H

#include "mlir/Pass/Pass.h"

namespace kv {

/// kv.attend and kv.append_attend -> kernels of one item: rows started, a loop over blocks with a state, results.
std::unique_ptr<mlir::Pass> createConvertToOnlinePass();

/// Rows of any number -> row tiles of the schedule's sizes.
std::unique_ptr<mlir::Pass> createSplitRowsPass();

/// kv.for_blocks -> scf loops over blocks and kv heads, in which blocks are acquired.
std::unique_ptr<mlir::Pass> createOrderLoopsPass();

/// Blocks of which every row sees all tokens -> attend_blocks of their own, without masks, where the schedule says so.
std::unique_ptr<mlir::Pass> createSkipBlocksPass();

/// kv.start_rows -> row operands as the key record takes them.
std::unique_ptr<mlir::Pass> createQuantizeRowsPass();

/// kv.attend_block -> products of values, softmax and accumulation on tiles.
std::unique_ptr<mlir::Pass> createDecomposeAttendBlockPass();

/// Products of values -> products of numbers, with scales and zeros outside.
std::unique_ptr<mlir::Pass> createFoldScalesPass();

/// Rows of f32 and products of numbers -> what the dot record multiplies.
std::unique_ptr<mlir::Pass> createQuantizeOperandsPass();

/// Products of several row tiles that share a block -> products of codes that are decoded once, where the schedule says so.
std::unique_ptr<mlir::Pass> createHoistDecodePass();

} // namespace kv

#endif
