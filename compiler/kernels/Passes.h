// Level 0 -> level 1, of what is no attention; and what every kernel is told.
#ifndef KV_KERNELS_PASSES_H
#define KV_KERNELS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace kv {

/// kv.append -> a kernel of one item as a loop over tokens, on tiles.
std::unique_ptr<mlir::Pass> createTileAppendPass();

/// kv.encode_token -> codes, scales and zeros in their places.
std::unique_ptr<mlir::Pass> createEncodeTokensPass();

/// kv.finish -> o and lse of every row, or its part of the item's partial result.
std::unique_ptr<mlir::Pass> createLowerFinishPass();

/// Fields of the step and its item, by name -> loads at their offsets in kv_abi.h.
std::unique_ptr<mlir::Pass> createLowerEntryPass();

} // namespace kv

#endif
