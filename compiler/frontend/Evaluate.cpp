// Integer expressions (sizes) and constants of checked expressions (scales, parts of scores).
#include "compiler/frontend/Evaluate.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <cmath>

using namespace llvm;

namespace kv {

const CheckedParameter *findParameter(ArrayRef<CheckedParameter> parameters, StringRef name) {
  for (const CheckedParameter &parameter : parameters)
    if (parameter.name.text == name) {
      parameter.used = true;
      return &parameter;
    }
  return nullptr;
}

//===- integers --------------------------------------------------------------------------------------------------------------===//

namespace {
class IntegerEvaluator {
public:
  IntegerEvaluator(ArrayRef<CheckedParameter> parameters, Diagnostics &diagnostics)
      : parameters(parameters), diagnostics(diagnostics) {}

  std::optional<int64_t> visit(const Expr &expr) {
    switch (expr.kind) {
    case ExprKind::integer:
      return expr.integer;
    case ExprKind::name:
      return visitName(expr);
    case ExprKind::unary:
      if (expr.isOperator("-"))
        return visitArithmetic(expr, 0, visit(*expr.operands[0]));
      return notInteger(expr, "a condition");
    case ExprKind::binary:
      return visitBinary(expr);
    case ExprKind::call:
      return visitCall(expr);
    case ExprKind::number:
      return notInteger(expr, "the number " + quoted(expr.word.text));
    case ExprKind::boolean:
      return notInteger(expr, "a condition");
    case ExprKind::index:
      return notInteger(expr, "an element of an array");
    }
    return std::nullopt;
  }

private:
  std::optional<int64_t> notInteger(const Expr &expr, std::string what) {
    diagnostics.error(DiagKind::not_an_integer, expr.range, {what});
    return std::nullopt;
  }

  std::optional<int64_t> overflow(const Expr &expr) {
    diagnostics.error(DiagKind::constant_overflow, expr.range);
    return std::nullopt;
  }

  std::optional<int64_t> visitName(const Expr &expr) {
    if (const CheckedParameter *parameter = findParameter(parameters, expr.word.text))
      return parameter->value;
    SmallVector<StringRef> known;
    for (const CheckedParameter &parameter : parameters)
      known.push_back(parameter.name.text);
    diagnostics.error(DiagKind::unknown_name, expr.range, {expr.word.text.take_front(40).str()})
        .hint(didYouMean(expr.word.text, known));
    return std::nullopt;
  }

  std::optional<int64_t> visitCall(const Expr &expr) {
    StringRef name = expr.word.text;
    if (!is_contained({"min", "max", "abs"}, name))
      return notInteger(expr, "a call of " + quoted(name));
    size_t count = name == "abs" ? 1 : 2;
    if (expr.operands.size() != count) {
      diagnostics.error(DiagKind::wrong_argument_count, expr.range,
                        {name.str(), std::to_string(count), std::to_string(expr.operands.size()), count == 1 ? "" : "s"});
      return std::nullopt;
    }
    std::optional<int64_t> a = visit(*expr.operands[0]), b = count == 2 ? visit(*expr.operands[1]) : 0;
    if (!a || !b)
      return std::nullopt;
    if (name == "abs")
      return *a >= 0 ? a : visitArithmetic(expr, 0, a);
    return name == "min" ? std::min(*a, *b) : std::max(*a, *b);
  }

  std::optional<int64_t> visitBinary(const Expr &expr) {
    if (!is_contained({"+", "-", "*", "/", "**"}, expr.word.text))
      return notInteger(expr, "a condition");
    std::optional<int64_t> a = visit(*expr.operands[0]);
    return visitArithmetic(expr, a, visit(*expr.operands[1]));
  }

  /// `a op b`; unary minus is `0 - b`.
  std::optional<int64_t> visitArithmetic(const Expr &expr, std::optional<int64_t> a, std::optional<int64_t> b) {
    if (!a || !b)
      return std::nullopt;
    int64_t result;
    StringRef op = expr.word.text;
    if (op == "+")
      return __builtin_add_overflow(*a, *b, &result) ? overflow(expr) : result;
    if (op == "*")
      return __builtin_mul_overflow(*a, *b, &result) ? overflow(expr) : result;
    if (op == "**")
      return visitPower(expr, *a, *b);
    if (op != "/") // `-` and `abs` of a negative
      return __builtin_sub_overflow(*a, *b, &result) ? overflow(expr) : result;
    if (*b == 0) {
      diagnostics.error(DiagKind::division_by_zero, expr.operands[1]->range);
      return std::nullopt;
    }
    if (*b == -1)
      return __builtin_sub_overflow(int64_t(0), *a, &result) ? overflow(expr) : result;
    if (*a % *b != 0) {
      diagnostics.error(DiagKind::inexact_division, expr.range, {std::to_string(*a), std::to_string(*b)});
      return std::nullopt;
    }
    return *a / *b;
  }

  std::optional<int64_t> visitPower(const Expr &expr, int64_t base, int64_t exponent) {
    if (exponent < 0) {
      diagnostics.error(DiagKind::negative_exponent, expr.operands[1]->range, {std::to_string(exponent)});
      return std::nullopt;
    }
    if (base == 0 || base == 1)
      return exponent == 0 ? 1 : base;
    if (base == -1)
      return exponent % 2 ? -1 : 1;
    int64_t result = 1;
    for (; exponent > 0; --exponent) // at most 63 rounds: |base| is 2 or more
      if (__builtin_mul_overflow(result, base, &result))
        return overflow(expr);
    return result;
  }

  ArrayRef<CheckedParameter> parameters;
  Diagnostics &diagnostics;
};
} // namespace

std::optional<int64_t> evaluateInteger(const Expr &expr, ArrayRef<CheckedParameter> parameters, Diagnostics &diagnostics) {
  return IntegerEvaluator(parameters, diagnostics).visit(expr);
}

//===- constants -------------------------------------------------------------------------------------------------------------===//

bool isConstant(const Expr &expr, ArrayRef<CheckedParameter> parameters) {
  if (expr.kind == ExprKind::name)
    return findParameter(parameters, expr.word.text) != nullptr;
  return expr.kind != ExprKind::index &&
         all_of(expr.operands, [&](const ExprPtr &operand) { return isConstant(*operand, parameters); });
}

double evaluateConstant(const Expr &expr, ArrayRef<CheckedParameter> parameters) {
  SmallVector<double, 3> v;
  for (const ExprPtr &operand : expr.operands)
    v.push_back(evaluateConstant(*operand, parameters));
  StringRef word = expr.word.text;
  switch (expr.kind) {
  case ExprKind::integer:
  case ExprKind::number:
    return expr.number;
  case ExprKind::boolean:
    return expr.boolean;
  case ExprKind::name:
    return double(findParameter(parameters, word)->value);
  case ExprKind::unary:
    return word == "-" ? -v[0] : v[0] == 0;
  case ExprKind::binary:
    return StringSwitch<double>(word)
        .Case("+", v[0] + v[1])
        .Case("-", v[0] - v[1])
        .Case("*", v[0] * v[1])
        .Case("/", v[1] == 0 ? std::nan("") : v[0] / v[1])
        .Case("**", std::pow(v[0], v[1]))
        .Case("<", v[0] < v[1])
        .Case("<=", v[0] <= v[1])
        .Case(">", v[0] > v[1])
        .Case(">=", v[0] >= v[1])
        .Case("==", v[0] == v[1])
        .Case("!=", v[0] != v[1])
        .Case("&&", v[0] != 0 && v[1] != 0)
        .Default(v[0] != 0 || v[1] != 0);
  case ExprKind::call:
    if (word == "select")
      return v[0] != 0 ? v[1] : v[2];
    if (word == "min" || word == "max") // NaN if either is, as in kernels
      return std::isnan(v[0]) || (word == "min" ? v[0] < v[1] : v[0] > v[1]) ? v[0] : v[1];
    return StringSwitch<double>(word)
        .Case("abs", std::fabs(v[0]))
        .Case("exp", std::exp(v[0]))
        .Case("log", std::log(v[0]))
        .Case("tanh", std::tanh(v[0]))
        .Default(1 / (1 + std::exp(-v[0])));
  case ExprKind::index:
    break;
  }
  return std::nan("");
}

} // namespace kv
