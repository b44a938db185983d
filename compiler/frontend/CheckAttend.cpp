// Attends: query types, arrays, mask, scale, score, accuracy.
#include "compiler/frontend/ChecksImpl.h"
#include "kv/kv_abi.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <limits>

using namespace llvm;

namespace kv {

static constexpr int64_t maxQueries = 65536;
static constexpr size_t maxArrays = KV_MAX_ARGUMENTS;
/// A function is some twenty instructions for each register of a block's scores, a power counts four times: sixteen compile in
/// seconds.
static constexpr size_t maxFunctions = 16, maxOperators = 256;

static bool checkArrays(const AttendSyntax &syntax, const CheckedCache &cache, Diagnostics &diagnostics) {
  bool good = true;
  if (syntax.arrays.size() > maxArrays) {
    diagnostics.error(DiagKind::too_many_arrays, syntax.arrays[maxArrays].name.range, {std::to_string(maxArrays)});
    return false;
  }
  for (auto [i, array] : enumerate(syntax.arrays)) {
    good &= checkIdentifier(array.name, "an array", diagnostics);
    auto twice = [&](const Word &other) {
      diagnostics.error(DiagKind::duplicate_name, array.name.range, {array.name.text.str(), "name"})
          .note(other.range, "first declared here");
      good = false;
    };
    for (size_t j = 0; j < i; ++j)
      if (syntax.arrays[j].name.text == array.name.text)
        twice(syntax.arrays[j].name);
    for (const CheckedParameter &parameter : cache.parameters)
      if (parameter.name.text == array.name.text)
        twice(parameter.name);
    if (!array.extent)
      continue;
    std::optional<int64_t> extent = evaluateInteger(*array.extent, cache.parameters, diagnostics);
    good &= extent.has_value();
    if (extent && *extent != cache.queryHeads) {
      diagnostics.error(DiagKind::unsupported_array_shape, array.extent->range);
      good = false;
    }
  }
  return good;
}

/// Counts what a score computes. Powers of small whole exponents are products.
static void countOperations(const Expr &expr, size_t &functions, size_t &operators) {
  bool isPower = expr.isOperator("**") && expr.operands[1]->kind != ExprKind::integer;
  bool isCall = expr.kind == ExprKind::call && !is_contained({"min", "max", "abs", "select"}, expr.word.text);
  functions += isPower ? 4 : isCall;
  operators += expr.kind == ExprKind::unary || expr.kind == ExprKind::binary || expr.kind == ExprKind::call;
  for (const ExprPtr &operand : expr.operands)
    countOperations(*operand, functions, operators);
}

static bool checkLength(const Expr &score, Diagnostics &diagnostics) {
  size_t functions = 0, operators = 0;
  countOperations(score, functions, operators);
  auto atMost = [&](size_t count, StringRef what, size_t most) {
    if (count > most)
      diagnostics.error(DiagKind::score_too_long, score.range, {std::to_string(count), what.str(), std::to_string(most)});
    return count <= most;
  };
  return atMost(functions, "functions and powers", maxFunctions) && atMost(operators, "operators and functions", maxOperators);
}

static bool contains(const Expr &expr, function_ref<bool(const Expr &)> test) {
  return test(expr) || any_of(expr.operands, [&](const ExprPtr &operand) { return contains(*operand, test); });
}

/// A sum of `i`, `j` and numbers.
static bool isSum(const Expr &expr, ArrayRef<CheckedParameter> parameters) {
  if (isConstant(expr, parameters) || expr.isName("i") || expr.isName("j"))
    return true;
  return (expr.isOperator("+") || expr.isOperator("-")) &&
         all_of(expr.operands, [&](const ExprPtr &operand) { return isSum(*operand, parameters); });
}

/// The part of a checked mask that is no comparison of such sums, joined to others by `&&`, `||` and `!`; or null.
static const Expr *findOther(const Expr &expr, ArrayRef<CheckedParameter> parameters) {
  if (expr.kind == ExprKind::boolean)
    return nullptr;
  if (expr.isOperator("&&") || expr.isOperator("||") || expr.isOperator("!")) {
    for (const ExprPtr &operand : expr.operands)
      if (const Expr *other = findOther(*operand, parameters))
        return other;
    return nullptr;
  }
  bool compares = expr.kind == ExprKind::binary && all_of(expr.operands, [&](const ExprPtr &operand) {
                    return operand->type == ExprType::integer && isSum(*operand, parameters);
                  });
  return compares ? nullptr : &expr;
}

static bool checkMask(Expr &expr, const ExprScope &scope, Diagnostics &diagnostics) {
  auto fail = [&](DiagKind kind, const Expr &where) {
    diagnostics.error(kind, where.range);
    return false;
  };
  if (expr.kind == ExprKind::boolean)
    return expr.boolean || fail(DiagKind::mask_false, expr);
  if (contains(expr, [](const Expr &e) { return e.kind == ExprKind::index && e.word.text == "tree"; }))
    return fail(DiagKind::unsupported_mask_tree, expr);
  ExprType type = checkExpr(expr, scope, diagnostics);
  if (type == ExprType::unknown)
    return false;
  if (type != ExprType::boolean)
    return fail(DiagKind::mask_not_bool, expr);
  const Expr *other = findOther(expr, scope.parameters);
  return !other || fail(DiagKind::unsupported_mask, *other);
}

static bool checkScale(Expr *expr, CheckedCache &cache, double &scale, Diagnostics &diagnostics, ArrayRef<ArraySyntax> arrays) {
  if (!expr) {
    scale = std::pow(double(cache.keyDim), -0.5);
    return true;
  }
  ExprScope scope{cache.parameters, arrays, false, {}};
  ExprType type = checkExpr(*expr, scope, diagnostics);
  if (type == ExprType::unknown)
    return false;
  if (type == ExprType::boolean) {
    diagnostics.error(DiagKind::wrong_type, expr->range, {"`scale`", "a number", "a bool"});
    return false;
  }
  scale = evaluateConstant(*expr, cache.parameters);
  if (scale >= std::numeric_limits<float>::min() && scale <= std::numeric_limits<float>::max())
    return true;
  char shown[32];
  snprintf(shown, sizeof(shown), "%.6g", scale);
  diagnostics.error(DiagKind::scale_not_positive, expr->range, {shown});
  return false;
}

bool checkAttend(AttendSyntax &syntax, CheckedCache &cache, CheckedAttend &attend, Diagnostics &diagnostics) {
  attend.syntax = &syntax;
  attend.queryType = *symbolizeElement(syntax.queryType.text);
  attend.outputType = *symbolizeElement(syntax.outputType.text);
  bool good = true;
  std::optional<int64_t> least = evaluateSize(*syntax.least, cache.parameters, "a number of queries", 1, maxQueries, diagnostics);
  std::optional<int64_t> most = least;
  if (syntax.most)
    most = evaluateSize(*syntax.most, cache.parameters, "a number of queries", 1, maxQueries, diagnostics);
  if (!least || !most) {
    good = false;
  } else if (*least > *most) {
    diagnostics.error(DiagKind::empty_range, syntax.rangeOfQueries, {std::to_string(*least), std::to_string(*most)});
    good = false;
  } else {
    attend.least = *least;
    attend.most = *most;
  }
  bool arraysGood = checkArrays(syntax, cache, diagnostics);
  SmallVector<bool> used(syntax.arrays.size(), false);
  ExprScope scope{cache.parameters, syntax.arrays, true, used};
  if (syntax.mask)
    good &= checkMask(*syntax.mask, scope, diagnostics);
  attend.mask = syntax.mask.get();
  good &= checkScale(syntax.scale.get(), cache, attend.scale, diagnostics, syntax.arrays);
  bool scoreGood = true;
  if (syntax.score) {
    ExprType type = checkExpr(*syntax.score, scope, diagnostics);
    scoreGood = type == ExprType::integer || type == ExprType::number;
    if (type == ExprType::boolean)
      diagnostics.error(DiagKind::score_not_number, syntax.score->range);
    scoreGood &= checkLength(*syntax.score, diagnostics);
    if (!syntax.score->isName("s"))
      attend.score = syntax.score.get();
  }
  if (syntax.sinks) {
    for (auto [i, array] : enumerate(syntax.arrays))
      if (array.name.text == syntax.sinks.text)
        attend.sinks = i;
    if (attend.sinks)
      used[*attend.sinks] = true;
    else
      diagnostics.error(DiagKind::unknown_array, syntax.sinks.range, {syntax.sinks.text.take_front(40).str()});
    good &= attend.sinks.has_value();
  }
  if (scoreGood && arraysGood && !syntax.partial)
    for (auto [array, isUsed] : zip(syntax.arrays, used))
      if (!isUsed) {
        diagnostics.error(DiagKind::unused_array, array.name.range, {array.name.text.take_front(40).str()});
        good = false;
      }
  bool narrow = cache.key.bits() <= 4 || cache.value.bits() <= 4;
  attend.accuracy = syntax.accuracy ? *symbolizeAccuracy(syntax.accuracy.text) : narrow ? Accuracy::fast : Accuracy::high;
  return good && arraysGood && scoreGood;
}

} // namespace kv
