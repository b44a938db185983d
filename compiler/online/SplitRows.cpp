// Rows of any number -> row tiles of the schedule's sizes: a loop over blocks for items of one row tile, one for items of several,
// both under an scf.if; or one loop for both, where they share a softmax.
#include "compiler/online/Passes.h"
#include "compiler/schedule/RowTiles.h"
#include "dialect/KernelBuilder.h"

using namespace mlir;

namespace kv {
namespace {

struct SplitRows : PassWrapper<SplitRows, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SplitRows)
  StringRef getArgument() const final { return "kv-split-rows"; }
  StringRef getDescription() const final { return "cut rows into row tiles of the schedule's sizes"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<scf::SCFDialect, arith::ArithDialect>(); }

  void runOnOperation() override {
    auto schedule = getOperation()->getAttrOfType<ScheduleAttr>("kv.schedule");
    SmallVector<ForBlocksOp> loops;
    getOperation().walk([&](ForBlocksOp loop) { loops.push_back(loop); });
    for (ForBlocksOp loop : loops)
      if (AttendBlockOp attend = loop.getAttend(); attend.getTiles() == Tiles::any)
        split(loop, attend, schedule.getRows());
  }

private:
  void split(ForBlocksOp loop, AttendBlockOp attend, RowTilesAttr rows) {
    if (!rows.getMany())
      return attend.setTiles(Tiles::one);
    if (rows.getAlways())
      return attend.setTiles(Tiles::many);
    if (rows.getShare())
      return attend.setTiles(Tiles::either);
    KernelBuilder b(getOperation());
    b.loc = loop.getLoc();
    b.setInsertionPoint(loop);
    auto place = [&](Tiles tiles) -> SmallVector<Value> {
      auto own = cast<ForBlocksOp>(b.clone(*loop));
      own.getAttend().setTiles(tiles);
      return {own.getEndState()};
    };
    Value fits = fitsOne(b, rows, attend.getRows());
    SmallVector<Value> state = b.ifElse(
        fits, loop->getResultTypes(), [&] { return place(Tiles::one); }, [&] { return place(Tiles::many); });
    loop.getEndState().replaceAllUsesWith(state.front());
    loop.erase();
  }
};

} // namespace

std::unique_ptr<Pass> createSplitRowsPass() { return std::make_unique<SplitRows>(); }

} // namespace kv
