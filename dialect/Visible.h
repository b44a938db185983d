// Which tokens a query sees, computed from #kv.visible: as plain numbers, as IR, and as the code of `ranges` beside a kernel's
// descriptor. Each brings its own `Numbers`: constant, add, mul and floorDiv by a constant, min, max.
#ifndef KV_VISIBLE_H
#define KV_VISIBLE_H

#include "dialect/KvAttrs.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"

#include <algorithm>
#include <optional>

namespace kv {

template <typename Numbers> class VisibleRuns {
public:
  using Number = typename Numbers::Number;
  VisibleRuns(Numbers numbers, VisibleAttr visible) : n(numbers), visible(visible) {}

  /// The first token of run `run` that the query at position `i` may see: the greatest of the bounds and 0. None: 0.
  std::optional<Number> low(int64_t run, Number i) {
    std::optional<Number> greatest;
    for (mlir::AffineExpr bound : visible.getLow()[run].getResults()) {
      Number own = expand(bound, i);
      greatest = n.max(greatest ? *greatest : n.constant(0), own);
    }
    return greatest;
  }

  /// Where run `run` of the query at position `i` ends, unless the sequence does before. None: with the sequence.
  std::optional<Number> high(int64_t run, Number i) {
    std::optional<Number> least;
    for (mlir::AffineExpr bound : visible.getHigh()[run].getResults()) {
      Number own = expand(bound, i);
      least = least ? n.min(*least, own) : own;
    }
    return least;
  }

  /// The first token of run `run` that is in no run before it. None: 0.
  std::optional<Number> ownLow(int64_t run, Number i) {
    std::optional<Number> first = low(run, i);
    for (int64_t before = 0; before < run; ++before) {
      Number end = *high(before, i); // a run with others after it has an end
      first = first ? n.max(*first, end) : end;
    }
    return first;
  }

  /// Which tokens of run `run` queries at positions `first` to `last` of a sequence of `length` tokens see; begin = end: none.
  std::pair<Number, Number> range(int64_t run, Number first, Number last, Number length) {
    std::optional<Number> begin = low(run, first), end = high(run, last);
    Number until = end ? n.min(length, *end) : length;
    if (!begin)
      return {n.constant(0), visible.getHigh()[run].isEmpty() ? until : n.max(n.constant(0), until)};
    return {*begin, n.max(*begin, until)};
  }

private:
  Number expand(mlir::AffineExpr expr, Number i) {
    if (auto constant = llvm::dyn_cast<mlir::AffineConstantExpr>(expr))
      return n.constant(constant.getValue());
    auto binary = llvm::dyn_cast<mlir::AffineBinaryOpExpr>(expr);
    if (!binary)
      return i;
    Number left = expand(binary.getLHS(), i);
    auto constant = llvm::dyn_cast<mlir::AffineConstantExpr>(binary.getRHS());
    if (expr.getKind() == mlir::AffineExprKind::Add && !constant) {
      Number right = expand(binary.getRHS(), i);
      return n.add(left, right);
    }
    switch (expr.getKind()) {
    case mlir::AffineExprKind::Add:
      return n.add(left, constant.getValue());
    case mlir::AffineExprKind::Mul:
      return n.mul(left, constant.getValue());
    default: // rule C2 of the attribute leaves no other
      return n.floorDiv(left, constant.getValue());
    }
  }

  Numbers n;
  VisibleAttr visible;
};

/// 64-bit integers.
struct PlainNumbers {
  using Number = int64_t;
  Number constant(int64_t value) { return value; }
  Number add(Number a, Number b) { return a + b; }
  Number mul(Number a, int64_t by) { return a * by; }
  Number floorDiv(Number a, int64_t by) { return a / by - (a % by < 0); }
  Number min(Number a, Number b) { return std::min(a, b); }
  Number max(Number a, Number b) { return std::max(a, b); }
};

/// Whether the query at position `i` of a sequence sees token `j` of it.
inline bool sees(VisibleAttr visible, int64_t i, int64_t j) {
  VisibleRuns<PlainNumbers> runs({}, visible);
  for (int64_t run = 0; run < visible.getRuns(); ++run)
    if (j >= runs.low(run, i).value_or(0) && (!runs.high(run, i) || j < *runs.high(run, i)))
      return true;
  return false;
}

/// How many (query, token) pairs there are of the last `queries` of `length` tokens, each query with the tokens that it sees.
inline int64_t countSeen(VisibleAttr visible, int64_t queries, int64_t length) {
  VisibleRuns<PlainNumbers> runs({}, visible);
  int64_t count = 0;
  for (int64_t i = length - queries; i < length; ++i)
    for (int64_t run = 0; run < visible.getRuns(); ++run)
      count += std::max<int64_t>(0, std::min(length, runs.high(run, i).value_or(length)) - runs.ownLow(run, i).value_or(0));
  return count;
}

/// How many tokens the last `queries` of `length` tokens see between them.
inline int64_t countTokens(VisibleAttr visible, int64_t queries, int64_t length) {
  VisibleRuns<PlainNumbers> runs({}, visible);
  int64_t count = 0, end = 0;
  for (int64_t run = 0; run < visible.getRuns(); ++run) {
    auto [low, high] = runs.range(run, length - queries, length - 1, length);
    count += std::max<int64_t>(0, high - std::max(low, end));
    end = std::max(end, high);
  }
  return count;
}

/// The most tokens in the ranges of so many queries of a sequence of any length; 0: without bound.
int64_t mostVisible(VisibleAttr visible, int64_t queries);

} // namespace kv

#endif
