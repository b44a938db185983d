#include "compiler/online/BlockAttend.h"

using namespace mlir;

namespace kv {

BlockRows::BlockRows(func::FuncOp func, AttendBlockOp op)
    : b(func), op(op), schedule(func->getAttrOfType<ScheduleAttr>("kv.schedule")), cache(cast<CacheType>(op.getCache())),
      block(schedule.getBlock().getTokens()) {
  b.loc = op.getLoc();
  b.setInsertionPoint(op);
}

Value BlockRows::limitOf(Value query) {
  Value seen = b.sub(b.add(positionOf(query), 1), op.getToken());
  return b.toI32(op.getMask() == Mask::causal ? b.min(op.getCount(), seen) : op.getCount());
}

/// Tokens past the end are none of the product's: 0 times what they hold may be NaN. Codes are numbers, and so are their weights.
BlockRows::Seen BlockRows::seenBy(const RowTile &tile, Value ofHead) {
  if (!differ())
    return {op.getCount(), {}};
  auto limitOfRow = [&](int64_t row) {
    Value position = positionOf(queryOfRow(b.add(ofHead, row)));
    return b.max(b.i64(0), b.min(op.getCount(), b.sub(b.add(position, 1), op.getToken())));
  };
  Seen seen;
  if (differ(tile) && !cache.getValue().isInteger())
    for (int64_t row = 0; row < tile.rows; ++row)
      seen.limits.push_back(limitOfRow(row));
  seen.end = seen.limits.empty() ? limitOfRow(tile.rows - 1) : seen.limits.back();
  return seen;
}

/// Read again for each product: kept, it would take a register from the loops of all of them.
Value BlockRows::hasOutliers(Value ofHead) {
  if (!op.getRefined())
    return {};
  Value flag = RowOp::create(b, b.loc, b.getI32Type(), b.fetch(op.getRefined(), rowOf(ofHead), b.i64(0), {1}));
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
