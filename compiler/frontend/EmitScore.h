// Scores and masks to arith and math operations on scalars.
#ifndef KV_FRONTEND_EMITSCORE_H
#define KV_FRONTEND_EMITSCORE_H

#include "compiler/frontend/Spec.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/StringMap.h"

namespace kv {

/// What the names of a score or mask stand for, and how its locations are made. A mask has no `s`.
struct ScoreNames {
  mlir::Value s, i, j, h;              ///< f32, i32, i32, index
  llvm::StringMap<mlir::Value> arrays; ///< tensor<Hq x f32>
  llvm::ArrayRef<CheckedParameter> parameters;
  llvm::function_ref<mlir::Location(llvm::SMRange)> locate;
};

/// Emits a checked score at the builder's insertion point; the result is f32.
mlir::Value emitScore(const Expr &expr, const ScoreNames &names, mlir::OpBuilder &builder);
/// The same of a mask; the result is i1.
mlir::Value emitMask(const Expr &expr, const ScoreNames &names, mlir::OpBuilder &builder);

} // namespace kv

#endif
