// Executes a kernel of level 1 on real memory: what its tiles, products and loops mean, one op after another.
//
// A pass is tested by results: the kernel runs before and after it, on the same step. The interpreter checks as it runs. These are
// errors, which name the op: an op that is not level 1, an access outside a home, a tile, a page or the memory that the caller
// allows, a read of what nothing has written, a sum that leaves i32, a row operand that its record does not hold.
//
// Numbers are f32, each op rounded; sums of products and of kv.reduce are made in float64 and rounded once. What may be anything,
// such as tokens of a block past the last one, is NaN, or the greatest code.
#ifndef KV_INTERPRET_RUN_KERNEL_H
#define KV_INTERPRET_RUN_KERNEL_H

#include "compiler/interpret/Memory.h"
#include "kv/kv_abi.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace kv {

/// Runs `NAME.attend`, `NAME.append` or `NAME.merge` of a module at level 1, before or after tiles have their places. `memory` is
/// what the kernel may read and write; the step and the item themselves need not be in it.
llvm::Error runKernel(mlir::func::FuncOp kernel, const kv_step &step, const kv_item &item, const KernelMemory &memory);

} // namespace kv

#endif
