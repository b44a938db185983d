#include "compiler/online/BlockAttend.h"
#include "compiler/kernels/VisibleTokens.h"

#include <limits>

using namespace mlir;

namespace kv {

LogicalResult checkPlaced(AttendBlockOp op) {
  return op.isPlaced() ? success() : op.emitOpError() << "expected a state in homes or tiles, as kv-order-loops places it";
}

BlockRows::BlockRows(func::FuncOp func, AttendBlockOp op)
    : b(func), op(op), schedule(func->getAttrOfType<ScheduleAttr>("kv.schedule")), cache(cast<CacheType>(op.getCache())),
      block(schedule.getBlock().getTokens()) {
  b.loc = op.getLoc();
  b.setInsertionPoint(op);
}

Value BlockRows::ofRun(function_ref<std::optional<Value>(int64_t)> bound, int64_t otherwise) {
  auto valueOf = [&](int64_t run) {
    std::optional<Value> value = bound(run);
    return value ? *value : b.i64(otherwise);
  };
  Value value = valueOf(0);
  for (int64_t run = 1; run < op.getSees().getRuns(); ++run) {
    Value other = valueOf(run), isOther = b.isEqual(op.getRun(), b.i64(run));
    value = b.select(isOther, other, value);
  }
  return value;
}

Value BlockRows::endOfPosition(Value position) {
  if (op.getSees().getHigh().back().isEmpty() && op.getSees().getRuns() == 1)
    return op.getCount();
  VisibleRuns<KernelNumbers> runs({b}, op.getSees());
  Value high = ofRun([&](int64_t run) { return runs.high(run, position); }, std::numeric_limits<int64_t>::max());
  return b.min(op.getCount(), b.sub(high, op.getToken()));
}

Value BlockRows::startOfPosition(Value position) {
  VisibleRuns<KernelNumbers> runs({b}, op.getSees());
  return b.sub(ofRun([&](int64_t run) { return runs.ownLow(run, position); }, 0), op.getToken());
}

Value BlockRows::limitOf(Value query) { return b.toI32(endOfPosition(positionOf(query))); }
Value BlockRows::startOf(Value query) { return b.toI32(startOfPosition(positionOf(query))); }

/// Tokens past the end are none of the product's: 0 times what they hold may be NaN.
BlockRows::Seen BlockRows::seenBy(const RowTile &tile, Value ofHead) {
  auto positionOfRow = [&](int64_t row) { return positionOf(queryOfRow(b.add(ofHead, row))); };
  auto limitOfRow = [&](int64_t row) {
    Value position = positionOfRow(row);
    return b.max(endOfPosition(position), 0);
  };
  Seen seen;
  if (op.getWhole())
    return {b.i64(block), {}, {}};
  bool each = differ(tile);
  for (int64_t row = 0; each && row < tile.rows; ++row)
    seen.limits.push_back(limitOfRow(row));
  seen.end = !differ() && !hasStart() ? op.getCount() : seen.limits.empty() ? limitOfRow(tile.rows - 1) : seen.limits.back();
  if (hasStart())
    for (int64_t row = 0; row < tile.rows; ++row) {
      Value own = row && !each ? seen.starts.front() : startOfPosition(positionOfRow(row));
      seen.starts.push_back(row && !each ? own : b.max(b.min(own, seen.end), 0));
    }
  return seen;
}

/// Read again for each product: kept, it would take a register from the loops of all of them.
Value BlockRows::hasOutliers(Value ofHead) {
  if (!op.getRefined())
    return {};
  Value row = rowOf(ofHead), column = b.i64(0);
  Value flag = RowOp::create(b, b.loc, b.getI32Type(), b.fetch(op.getRefined(), row, column, {1}));
  return arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::ne, flag, b.i32(0));
}

void addScratch(KernelBuilder &b, function_ref<void()> make) {
  Operation *last = nullptr;
  for (Operation &op : b.function().getBody().front()) {
    if (op.getNumRegions()) // loops begin
      break;
    if (isa<ScratchOp>(op))
      last = &op;
  }
  OpBuilder::InsertionGuard guard(b);
  if (last)
    b.setInsertionPointAfter(last);
  else
    b.setInsertionPointToStart(&b.function().front());
  make();
}

} // namespace kv
