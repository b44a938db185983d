// The Halide route's part in the passes. They touch kernels of its schedules alone.
#ifndef KV_HALIDE_PASSES_H
#define KV_HALIDE_PASSES_H

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/Pass.h"

namespace kv {

/// kv.attend_block and kv.encode_token -> calls of functions that Halide makes.
std::unique_ptr<mlir::Pass> createOutlineForHalidePass();

/// kv.pack -> the same in the order in which those functions read row operands.
std::unique_ptr<mlir::Pass> createNumberOperandsPass();

/// How those calls are distributed (DistributeHalide.cpp).
void registerHalideModels(mlir::DialectRegistry &registry);

} // namespace kv

#endif
