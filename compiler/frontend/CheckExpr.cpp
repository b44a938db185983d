// Types of scores, masks and scales: integers (i, j, h, whole numbers, parameters), numbers and conditions never mix by accident.
//
// `/` and `**` always give a number (1 / 2 is 0.5). Integers are 32 bits wide once a kernel computes with them.
#include "compiler/frontend/Evaluate.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <limits>

using namespace llvm;

namespace kv {

namespace {
class ExprChecker {
public:
  ExprChecker(const ExprScope &scope, Diagnostics &diagnostics) : scope(scope), diagnostics(diagnostics) {}

  ExprType visit(Expr &expr) {
    bool good = true;
    if (expr.kind != ExprKind::index)
      for (ExprPtr &operand : expr.operands)
        good &= visit(*operand) != ExprType::unknown;
    if (good || expr.kind == ExprKind::call)
      expr.type = compute(expr, good);
    return expr.type;
  }

  /// Constants become f32, or i32 where integers are computed with.
  bool checkRanges(const Expr &expr, bool asInteger) {
    if (isConstant(expr, scope.parameters)) {
      double value = evaluateConstant(expr, scope.parameters);
      if (asInteger && expr.type == ExprType::integer) {
        if (std::fabs(value) <= std::numeric_limits<int32_t>::max())
          return true;
        // A double prints every integer that it holds.
        diagnostics.error(DiagKind::integer_too_wide, expr.range, {std::to_string(int64_t(std::clamp(value, -0x1p62, 0x1p62)))});
        return false;
      }
      if (std::isfinite(float(value)))
        return true;
      std::string shown = std::isnan(value) ? "NaN" : value > 0 ? "infinity" : "-infinity";
      diagnostics.error(DiagKind::not_finite, expr.range, {shown});
      return false;
    }
    bool integers = all_of(expr.operands, [](const ExprPtr &e) { return e->type != ExprType::number; });
    bool isFloatOperator = expr.isOperator("/") || expr.isOperator("**") || expr.type == ExprType::number;
    if (expr.kind == ExprKind::index)
      return true;
    bool good = true;
    for (const ExprPtr &operand : expr.operands)
      good &= checkRanges(*operand, integers && !isFloatOperator);
    return good;
  }

private:
  ExprType compute(Expr &expr, bool operandsGood) {
    switch (expr.kind) {
    case ExprKind::integer:
      return ExprType::integer;
    case ExprKind::number:
      return ExprType::number;
    case ExprKind::boolean:
      return ExprType::boolean;
    case ExprKind::name:
      return visitName(expr);
    case ExprKind::index:
      return visitIndex(expr);
    case ExprKind::unary: {
      bool isNot = expr.isOperator("!");
      if (!wants(expr, *expr.operands[0], isNot))
        return ExprType::unknown;
      return expr.operands[0]->type;
    }
    case ExprKind::binary:
      return visitBinary(expr);
    case ExprKind::call:
      return visitCall(expr, operandsGood);
    }
    return ExprType::unknown;
  }

  /// Checks that an operand is a condition, or a number of either kind.
  bool wants(const Expr &expr, const Expr &operand, bool condition) {
    if ((operand.type == ExprType::boolean) == condition)
      return true;
    diagnostics.error(DiagKind::wrong_type, operand.range,
                      {quoted(expr.word.text), condition ? "a bool" : "a number", condition ? "a number" : "a bool"});
    return false;
  }

  static ExprType join(const Expr &a, const Expr &b) {
    return a.type == ExprType::integer && b.type == ExprType::integer ? ExprType::integer : ExprType::number;
  }

  ExprType visitBinary(Expr &expr) {
    Expr &a = *expr.operands[0], &b = *expr.operands[1];
    bool logical = expr.isOperator("&&") || expr.isOperator("||");
    if (!wants(expr, a, logical) || !wants(expr, b, logical))
      return ExprType::unknown;
    if (logical || is_contained({"<", "<=", ">", ">=", "==", "!="}, expr.word.text))
      return ExprType::boolean;
    return expr.isOperator("/") || expr.isOperator("**") ? ExprType::number : join(a, b);
  }

  ExprType unknownName(const Expr &expr) {
    SmallVector<StringRef> known;
    if (scope.positions)
      known = {"s", "i", "j", "h"};
    for (const CheckedParameter &parameter : scope.parameters)
      known.push_back(parameter.name.text);
    for (const ArraySyntax &array : scope.arrays)
      known.push_back(array.name.text);
    diagnostics.error(DiagKind::unknown_name, expr.word.range, {expr.word.text.take_front(40).str()})
        .hint(didYouMean(expr.word.text, known));
    return ExprType::unknown;
  }

  const ArraySyntax *findArray(StringRef name) {
    for (auto [i, array] : enumerate(scope.arrays))
      if (array.name.text == name) {
        if (!scope.arrayUsed.empty())
          scope.arrayUsed[i] = true;
        return &array;
      }
    return nullptr;
  }

  static bool isPosition(StringRef name) { return name == "s" || name == "i" || name == "j" || name == "h"; }

  ExprType visitName(const Expr &expr) {
    StringRef name = expr.word.text;
    const ArraySyntax *array = findArray(name);
    if (!scope.positions && (isPosition(name) || array)) {
      diagnostics.error(DiagKind::not_constant, expr.range, {name.str()});
      return ExprType::unknown;
    }
    if (isPosition(name))
      return name == "s" ? ExprType::number : ExprType::integer;
    if (array) {
      diagnostics.error(DiagKind::array_without_index, expr.range, {name.str()}).note(array->name.range, "declared here");
      return ExprType::unknown;
    }
    return findParameter(scope.parameters, name) ? ExprType::integer : unknownName(expr);
  }

  ExprType visitIndex(const Expr &expr) {
    StringRef name = expr.word.text;
    if (const ArraySyntax *array = findArray(name)) {
      if (!scope.positions) {
        diagnostics.error(DiagKind::not_constant, expr.range, {name.str()});
        return ExprType::unknown;
      }
      if (expr.operands.size() == 1 && expr.operands[0]->isName("h"))
        return ExprType::number;
      diagnostics.error(DiagKind::unsupported_array_index, expr.range, {name.str()}).note(array->name.range, "declared here");
      return ExprType::unknown;
    }
    if (!isPosition(name) && !findParameter(scope.parameters, name))
      return unknownName(expr);
    diagnostics.error(DiagKind::index_of_value, expr.range, {name.str()});
    return ExprType::unknown;
  }

  ExprType visitCall(const Expr &expr, bool operandsGood) {
    static const StringRef unary[] = {"abs", "exp", "log", "tanh", "sigmoid"};
    static const StringRef all[] = {"abs", "exp", "log", "tanh", "sigmoid", "min", "max", "select"};
    StringRef name = expr.word.text;
    if (!is_contained(all, name)) {
      diagnostics.error(DiagKind::unknown_function, expr.word.range, {name.take_front(40).str()}).hint(didYouMean(name, all));
      return ExprType::unknown;
    }
    size_t count = is_contained(unary, name) ? 1 : name == "select" ? 3 : 2;
    if (expr.operands.size() != count) {
      diagnostics.error(DiagKind::wrong_argument_count, expr.range,
                        {name.str(), std::to_string(count), std::to_string(expr.operands.size()), count == 1 ? "" : "s"});
      return ExprType::unknown;
    }
    if (!operandsGood)
      return ExprType::unknown;
    for (auto [i, operand] : enumerate(expr.operands))
      if (!wants(expr, *operand, name == "select" && i == 0))
        return ExprType::unknown;
    if (name == "abs")
      return expr.operands[0]->type;
    if (count == 1)
      return ExprType::number;
    return join(*expr.operands[count - 2], *expr.operands[count - 1]);
  }

  const ExprScope &scope;
  Diagnostics &diagnostics;
};
} // namespace

ExprType checkExpr(Expr &expr, const ExprScope &scope, Diagnostics &diagnostics) {
  ExprChecker checker(scope, diagnostics);
  ExprType type = checker.visit(expr);
  if (type != ExprType::unknown && !checker.checkRanges(expr, false))
    return ExprType::unknown;
  return type;
}

} // namespace kv
