// Values and types of expressions.
#ifndef KV_FRONTEND_EVALUATE_H
#define KV_FRONTEND_EVALUATE_H

#include "compiler/frontend/Diagnostics.h"
#include "compiler/frontend/Spec.h"

namespace kv {

/// Value of an integer expression over `parameters`: sizes and defaults. Division is exact; nothing wraps. Reports what is wrong.
std::optional<int64_t> evaluateInteger(const Expr &expr, llvm::ArrayRef<CheckedParameter> parameters, Diagnostics &diagnostics);

/// Where a score or a scale stands: what its names mean.
struct ExprScope {
  llvm::ArrayRef<CheckedParameter> parameters;
  llvm::ArrayRef<ArraySyntax> arrays;
  bool positions = false; ///< `s i j h` have a meaning: a score; without them the expression is a constant
  llvm::MutableArrayRef<bool> arrayUsed;
};

/// Sets the types of `expr` and of all below it. `unknown` when something was wrong; it has been reported.
ExprType checkExpr(Expr &expr, const ExprScope &scope, Diagnostics &diagnostics);

/// True when a checked expression holds numbers and parameters only.
bool isConstant(const Expr &expr, llvm::ArrayRef<CheckedParameter> parameters);

/// Value of a checked constant, in float64; a condition is 0 or 1.
double evaluateConstant(const Expr &expr, llvm::ArrayRef<CheckedParameter> parameters);

/// The parameter of that name, or null; marks it used.
const CheckedParameter *findParameter(llvm::ArrayRef<CheckedParameter> parameters, llvm::StringRef name);

} // namespace kv

#endif
