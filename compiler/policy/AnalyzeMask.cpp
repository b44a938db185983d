// The mask region of an attend -> `visible`: which tokens a query sees, as runs that ascend with its position.
//
//   mask { j <= i && (j < 4 || i - j < 2044) }   ->   visible = #kv.visible<low  = [(d0) -> (),          (d0) -> (d0 - 2043)],
//                                                                          high = [(d0) -> (4, d0 + 1), (d0) -> (d0 + 1)]>
//
// A comparison of integers is a bound of j by the query's position; `&&` gives a run the bounds of both sides, `||` adds runs. An
// attend without a region sees every token. What is not of this kind is an error at the condition that is not.
#include "compiler/policy/Passes.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace kv {
namespace {

/// Tokens from the greatest of `low` and 0 to the least of `high` and the sequence's length.
struct Run {
  SmallVector<AffineExpr> low, high;
};
using Runs = SmallVector<Run>;
/// Integers of a mask are i32: with constants up to this, sums with positions below 2^30 do not wrap.
constexpr int64_t mostNumber = 1 << 30;
constexpr size_t mostTerms = 64; ///< before those that hold nothing new are dropped

/// What of a sum of positions and numbers does not depend on positions.
int64_t offsetOf(AffineExpr sum) {
  AffineExpr zero = getAffineConstantExpr(0, sum.getContext());
  return cast<AffineConstantExpr>(simplifyAffineExpr(sum.replaceDims({zero}), 1, 0)).getValue();
}

class MaskAnalysis {
public:
  explicit MaskAnalysis(Block &mask) : mask(mask), i(getAffineDimExpr(0, mask.getParent()->getContext())) {}

  FailureOr<VisibleAttr> run() {
    auto yield = cast<YieldOp>(mask.back());
    FailureOr<Runs> runs = runsOf(yield.getValue(), /*negated=*/false);
    if (failed(runs))
      return failure();
    for (Run &run : *runs)
      prune(run);
    if (failed(checkBounds(*runs)))
      return failure();
    dropHidden(*runs);
    if (failed(order(*runs)))
      return failure();
    if (runs->empty())
      return fail() << "a mask that lets nothing pass attends nothing";
    if (runs->size() > VisibleAttr::maxRuns)
      return fail() << "the mask lets " << runs->size() << " runs of tokens pass, at most " << VisibleAttr::maxRuns
                    << " are supported";
    SmallVector<AffineMap> low, high;
    for (const Run &run : *runs) {
      low.push_back(AffineMap::get(1, 0, run.low, i.getContext()));
      high.push_back(AffineMap::get(1, 0, run.high, i.getContext()));
    }
    return VisibleAttr::get(i.getContext(), low, high);
  }

private:
  /// An error about the mask as a whole.
  InFlightDiagnostic fail() { return emitError(mask.getArgument(0).getLoc()); }
  FailureOr<Runs> runsOf(Value condition, bool negated);
  FailureOr<Runs> runsOf(arith::CmpIOp compare, bool negated);

  /// times * j + rest
  struct Linear {
    int64_t times;
    AffineExpr rest;
  };
  FailureOr<Linear> linear(Value value, Operation *user);

  /// Drops bounds that another one implies.
  static void prune(Run &run);
  LogicalResult checkBounds(const Runs &runs);
  /// Drops runs without tokens and those that lie in another one.
  static void dropHidden(Runs &runs);
  /// By their first tokens.
  LogicalResult order(Runs &runs);

  Block &mask;
  AffineExpr i;
};

FailureOr<Runs> MaskAnalysis::runsOf(Value condition, bool negated) {
  if (matchPattern(condition, m_Constant()))
    return matchPattern(condition, m_One()) != negated ? Runs(1) : Runs();
  Operation *op = condition.getDefiningOp();
  if (auto compare = dyn_cast_or_null<arith::CmpIOp>(op))
    return runsOf(compare, negated);
  if (auto flip = dyn_cast_or_null<arith::XOrIOp>(op); flip && matchPattern(flip.getRhs(), m_One()))
    return runsOf(flip.getLhs(), !negated);
  if (!isa_and_nonnull<arith::AndIOp, arith::OrIOp>(op))
    return (op ? op->emitError() : fail()) << "a mask joins comparisons of `i` and `j` by `&&`, `||` and `!`";
  FailureOr<Runs> left = runsOf(op->getOperand(0), negated), right = runsOf(op->getOperand(1), negated);
  if (failed(left) || failed(right))
    return failure();
  Runs joined;
  if (isa<arith::OrIOp>(op) != negated) {
    joined = *left;
    joined.append(*right);
  } else {
    for (const Run &a : *left)
      for (const Run &b : *right) {
        joined.push_back(a);
        joined.back().low.append(b.low);
        joined.back().high.append(b.high);
      }
  }
  if (joined.size() > mostTerms)
    return op->emitError() << "the mask joins " << joined.size() << " runs of tokens, at most " << mostTerms << " are supported";
  return joined;
}

FailureOr<MaskAnalysis::Linear> MaskAnalysis::linear(Value value, Operation *user) {
  AffineExpr zero = getAffineConstantExpr(0, i.getContext());
  if (value == mask.getArgument(0))
    return Linear{0, i};
  if (value == mask.getArgument(1))
    return Linear{1, zero};
  IntegerAttr constant;
  if (matchPattern(value, m_Constant(&constant))) {
    if (std::abs(constant.getInt()) > mostNumber)
      return user->emitError() << "a mask's numbers are at most 2^30, got " << constant.getInt();
    return Linear{0, zero + constant.getInt()};
  }
  Operation *op = value.getDefiningOp();
  if (!isa_and_nonnull<arith::AddIOp, arith::SubIOp>(op))
    return (op ? op : user)->emitError("a mask compares sums and differences of `i`, `j` and numbers");
  FailureOr<Linear> a = linear(op->getOperand(0), op), b = linear(op->getOperand(1), op);
  if (failed(a) || failed(b))
    return failure();
  int64_t sign = isa<arith::AddIOp>(op) ? 1 : -1;
  Linear sum{a->times + sign * b->times, a->rest + b->rest * sign};
  if (std::abs(offsetOf(sum.rest)) > mostNumber)
    return op->emitError() << "a mask's numbers are at most 2^30 together, got " << offsetOf(sum.rest);
  return sum;
}

/// Bounds of j in `left predicate right`.
FailureOr<Runs> MaskAnalysis::runsOf(arith::CmpIOp compare, bool negated) {
  FailureOr<Linear> left = linear(compare.getLhs(), compare), right = linear(compare.getRhs(), compare);
  if (failed(left) || failed(right))
    return failure();
  int64_t times = left->times - right->times;
  if (times != 1 && times != -1)
    return compare.emitError("a comparison of a mask bounds `j`: it has `j` once, on one side");
  // j predicate bound
  AffineExpr bound = times == 1 ? right->rest - left->rest : left->rest - right->rest;
  arith::CmpIPredicate predicate = negated ? arith::invertPredicate(compare.getPredicate()) : compare.getPredicate();
  auto below = [&](int64_t by) { return Run{{}, {bound + by}}; };
  auto from = [&](int64_t by) { return Run{{bound + by}, {}}; };
  bool flipped = times == -1; // -j predicate -bound
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return Runs{Run{{bound}, {bound + 1}}};
  case arith::CmpIPredicate::ne:
    return Runs{below(0), from(1)};
  case arith::CmpIPredicate::slt:
    return Runs{flipped ? from(1) : below(0)};
  case arith::CmpIPredicate::sle:
    return Runs{flipped ? from(0) : below(1)};
  case arith::CmpIPredicate::sgt:
    return Runs{flipped ? below(0) : from(1)};
  case arith::CmpIPredicate::sge:
    return Runs{flipped ? below(1) : from(0)};
  default:
    return compare.emitError("positions are signed integers");
  }
}

void MaskAnalysis::prune(Run &run) {
  auto keepOnly = [&](SmallVector<AffineExpr> &bounds, function_ref<bool(AffineExpr, AffineExpr)> implies) {
    SmallVector<AffineExpr> kept;
    for (AffineExpr bound : bounds) {
      AffineExpr simple = simplifyAffineExpr(bound, 1, 0);
      if (llvm::any_of(kept, [&](AffineExpr other) { return implies(other, simple); }))
        continue;
      llvm::erase_if(kept, [&](AffineExpr other) { return implies(simple, other); });
      kept.push_back(simple);
    }
    bounds = kept;
  };
  keepOnly(run.low, [](AffineExpr a, AffineExpr b) { return isNeverBelow(a, b); });
  keepOnly(run.high, [](AffineExpr a, AffineExpr b) { return isNeverBelow(b, a); });
  llvm::erase_if(run.low, [](AffineExpr low) { return isNeverBelow(getAffineConstantExpr(0, low.getContext()), low); });
}

LogicalResult MaskAnalysis::checkBounds(const Runs &runs) {
  for (const Run &run : runs)
    for (const SmallVector<AffineExpr> &bounds : {run.low, run.high})
      for (AffineExpr bound : bounds)
        if (!isNeverBelow(bound.replace(i, i + 1), bound))
          return fail() << "a bound of `j` falls as `i` grows; bounds of a mask stay or grow";
  return success();
}

void MaskAnalysis::dropHidden(Runs &runs) {
  auto isEmpty = [](const Run &run) {
    return llvm::any_of(run.high, [&](AffineExpr high) {
      return isNeverBelow(getAffineConstantExpr(0, high.getContext()), high) ||
             llvm::any_of(run.low, [&](AffineExpr low) { return isNeverBelow(low, high); });
    });
  };
  auto isInside = [](const Run &a, const Run &b) {
    return llvm::all_of(
               b.low,
               [&](AffineExpr low) { return llvm::any_of(a.low, [&](AffineExpr own) { return isNeverBelow(own, low); }); }) &&
           llvm::all_of(b.high, [&](AffineExpr high) {
             return llvm::any_of(a.high, [&](AffineExpr own) { return isNeverBelow(high, own); });
           });
  };
  Runs kept;
  for (const Run &run : runs) {
    if (isEmpty(run) || llvm::any_of(kept, [&](const Run &other) { return isInside(run, other); }))
      continue;
    llvm::erase_if(kept, [&](const Run &other) { return isInside(other, run); });
    kept.push_back(run);
  }
  runs = kept;
}

LogicalResult MaskAnalysis::order(Runs &runs) {
  auto beginsFirst = [](const Run &a, const Run &b) {
    return llvm::all_of(
        a.low, [&](AffineExpr low) { return llvm::any_of(b.low, [&](AffineExpr other) { return isNeverBelow(other, low); }); });
  };
  Runs ordered;
  for (const Run &run : runs) {
    auto place = ordered.begin();
    for (; place != ordered.end() && beginsFirst(*place, run); ++place) {
    }
    if (std::any_of(place, ordered.end(), [&](const Run &later) { return !beginsFirst(run, later); }))
      return fail() << "which of two runs of tokens begins first depends on `i`";
    ordered.insert(place, run);
  }
  runs = ordered;
  return success();
}

struct AnalyzeMask : PassWrapper<AnalyzeMask, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(AnalyzeMask)
  StringRef getArgument() const final { return "kv-analyze-mask"; }
  StringRef getDescription() const final { return "say which tokens the queries of an attend see"; }

  void runOnOperation() override {
    WalkResult result = getOperation().walk([&](AttendOp attend) {
      FailureOr<VisibleAttr> visible = analyzeMask(attend);
      if (failed(visible))
        return WalkResult::interrupt();
      attend.setVisibleAttr(*visible);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace

FailureOr<VisibleAttr> analyzeMask(AttendOp attend) {
  if (!attend.getMask().empty())
    return MaskAnalysis(attend.getMask().front()).run();
  AffineMap none = AffineMap::get(1, 0, attend.getContext());
  return VisibleAttr::get(attend.getContext(), {none}, {none});
}

std::unique_ptr<Pass> createAnalyzeMaskPass() { return std::make_unique<AnalyzeMask>(); }

} // namespace kv
