// A kv.attend_block -> two, where the schedule has classes of masks: one for blocks of which every row of the item sees all tokens,
// without a mask, and one for those at an edge of what rows see. Blocks that no row sees are never acquired: the loops over ranges
// leave them out (ConvertToOnline).
//
//   kv.attend_block .. sees %v     ->     scf.if (rows see all of %b) { kv.attend_block .. whole }
//                                         else { kv.attend_block .. sees %v }
#include "compiler/online/BlockAttend.h"
#include "compiler/online/Passes.h"

using namespace mlir;

namespace kv {
namespace {

struct SkipBlocks : PassWrapper<SkipBlocks, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SkipBlocks)
  StringRef getArgument() const final { return "kv-skip-blocks"; }
  StringRef getDescription() const final { return "compute blocks that every row sees whole without masks"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<scf::SCFDialect, arith::ArithDialect>(); }

  void runOnOperation() override {
    auto schedule = getOperation()->getAttrOfType<ScheduleAttr>("kv.schedule");
    if (!schedule || schedule.getBlock().getMasks() != Masks::classes)
      return;
    SmallVector<AttendBlockOp> ops;
    getOperation().walk([&](AttendBlockOp op) { ops.push_back(op); });
    for (AttendBlockOp op : ops) {
      if (failed(checkPlaced(op)))
        return signalPassFailure();
      if (!op.getWhole())
        split(op);
    }
  }

private:
  void split(AttendBlockOp op) {
    BlockRows rows(getOperation(), op);
    KernelBuilder &b = rows.b;
    Value isWhole = seesAll(rows);
    auto place = [&](bool whole) -> SmallVector<Value> {
      auto own = cast<AttendBlockOp>(b.clone(*op));
      own.setWhole(whole);
      return SmallVector<Value>(own.getNext());
    };
    if (op.getNext().empty())
      b.ifElse(
          isWhole, [&] { place(true); }, [&] { place(false); });
    else
      op->replaceAllUsesWith(b.ifElse(
          isWhole, op->getResultTypes(), [&] { return place(true); }, [&] { return place(false); }));
    op.erase();
  }

  /// Bounds grow with a query's position: the first query's end is the least, the last one's beginning the greatest.
  static Value seesAll(BlockRows &rows) {
    KernelBuilder &b = rows.b;
    Value end = rows.limitOf(rows.op.getQuery()), block = b.i32(int32_t(rows.block));
    Value isWhole = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sge, end, block);
    if (!rows.hasStart())
      return isWhole;
    Value last = b.sub(rows.op.getRows(), b.i64(1)), query = rows.queryOfRow(last), begin = rows.startOf(query), none = b.i32(0);
    Value isStarted = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sle, begin, none);
    return arith::AndIOp::create(b, b.loc, isWhole, isStarted);
  }
};

} // namespace

std::unique_ptr<Pass> createSkipBlocksPass() { return std::make_unique<SkipBlocks>(); }

} // namespace kv
