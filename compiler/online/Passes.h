// Level 0 -> level 1, of attention.
#ifndef KV_ONLINE_PASSES_H
#define KV_ONLINE_PASSES_H

#include "mlir/Pass/Pass.h"

namespace kv {

/// kv.attend and kv.append_attend -> kernels of one item as loops over blocks of tokens, on tiles.
std::unique_ptr<mlir::Pass> createTileAttendPass();

} // namespace kv

#endif
