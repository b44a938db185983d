// Level 0 -> online -> level 1, of attention.
#ifndef KV_ONLINE_PASSES_H
#define KV_ONLINE_PASSES_H

#include "mlir/Pass/Pass.h"

namespace kv {

/// kv.attend and kv.append_attend -> kernels of one item as loops over blocks of tokens, on tiles.
std::unique_ptr<mlir::Pass> createTileAttendPass();

/// kv.attend_block on the Halide route -> calls of functions that Halide makes.
std::unique_ptr<mlir::Pass> createOutlineForHalidePass();

/// kv.attend_block -> products, softmax and accumulation on tiles.
std::unique_ptr<mlir::Pass> createDecomposeAttendBlockPass();

} // namespace kv

#endif
