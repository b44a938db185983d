// Executes a level-0 function on one sequence: kv.append, kv.attend, kv.append_attend and kv.merge, literally, in float64.
#ifndef KV_REFERENCE_INTERPRETER_H
#define KV_REFERENCE_INTERPRETER_H

#include "compiler/reference/Attention.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/Error.h"

namespace kv {

/// A tensor of any float type; every f32, f16 and bf16 is a double.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<double> data;
};

/// See AttendResult.
struct RowSizes {
  std::vector<double> spread, reach, sinkShare;
};

/// Calls `function` with `cache` as its first argument and `arguments` as the others; appends change `cache`. Outputs are not rounded
/// to their types. `sizes` becomes what the last attend's errors are relative to, where the caller wants it. Fails on ops that are not
/// level 0 and on shapes that do not fit.
llvm::Expected<std::vector<Tensor>> interpret(mlir::func::FuncOp function, Reference &cache, llvm::ArrayRef<Tensor> arguments,
                                              RowSizes *sizes = nullptr);

/// What the function's attend makes of scores, given the function's arguments after the cache (those that no score reads may be
/// empty). An empty function: s itself.
llvm::Expected<ScoreFunction> scoreFunction(mlir::func::FuncOp function, llvm::ArrayRef<Tensor> arguments);

} // namespace kv

#endif
