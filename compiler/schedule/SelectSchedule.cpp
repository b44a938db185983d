// Decides how each level-0 op is computed and writes it down as a #kv.schedule; resolves `auto` orders. Every later pass reads only
// that. The one pass that looks at the target, through Capabilities; Choice.h lists its steps.
#include "compiler/schedule/Choice.h"
#include "compiler/schedule/Passes.h"
#include "dialect/KvOps.h"
#include "dialect/Storage.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace kv {
namespace {

ScheduleAttr write(MLIRContext *context, const Choice &choice, Route route) {
  auto product = [&](const Choice::Product &of) {
    return ProductPlanAttr::get(context, of.dot, of.load, of.slice, of.manySlice, of.unroll, of.decode);
  };
  auto item = ItemAttr::get(context, choice.item.queries, choice.item.heads, choice.item.split);
  const auto &tiles = choice.rows;
  auto rows = RowTilesAttr::get(context, tiles.one, tiles.many, tiles.always, tiles.softmax, tiles.manySoftmax, tiles.share);
  auto block = BlockPlanAttr::get(context, choice.block.tokens, choice.block.ahead, choice.block.stages, choice.block.state,
                                  choice.block.masks);
  auto team = TeamAttr::get(context, choice.team.lanes, choice.team.threads);
  return ScheduleAttr::get(context, item, rows, block, product(choice.scores), product(choice.sums), team, route);
}

struct SelectSchedule : PassWrapper<SelectSchedule, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SelectSchedule)
  explicit SelectSchedule(const Capabilities &capabilities) : capabilities(capabilities) {}
  StringRef getArgument() const final { return "kv-select-schedule"; }
  StringRef getDescription() const final { return "choose the schedule of every op and resolve automatic orders"; }

  void runOnOperation() override {
    for (func::FuncOp func : getOperation().getOps<func::FuncOp>()) {
      resolveOrders(func);
      WalkResult result = func.walk([&](Operation *op) {
        if (auto append = dyn_cast<AppendOp>(op))
          return select(op, Work{append.getCache().getType()}, DictionaryAttr());
        if (auto attend = dyn_cast<AttendOp>(op))
          return selectAttend(attend);
        if (auto fused = dyn_cast<AppendAttendOp>(op))
          return selectAttend(fused);
        return WalkResult::advance();
      });
      if (result.wasInterrupted())
        return signalPassFailure();
    }
  }

private:
  Capabilities capabilities;

  static void resolveOrders(func::FuncOp func) {
    SmallVector<Type> inputs;
    for (BlockArgument argument : func.getArguments()) {
      if (auto cache = dyn_cast<CacheType>(argument.getType()))
        argument.setType(resolveAuto(cache));
      inputs.push_back(argument.getType());
    }
    func.setFunctionType(FunctionType::get(func.getContext(), inputs, func.getResultTypes()));
  }

  template <typename OpType> WalkResult selectAttend(OpType op) {
    int64_t heads = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(1);
    CacheType cache = op.getCache().getType();
    DictionaryAttr overrides;
    if (DictionaryAttr all = op.getSchedulesAttr())
      overrides = all.getAs<DictionaryAttr>(capabilities.name);
    Precision precision{op.getAccuracy(), getElementTypeOrSelf(op.getQuery()), getElementTypeOrSelf(op.getOutput())};
    VisibleAttr visible = op.getVisibleAttr();
    if (capabilities.halide && visible && visible.hasLow()) {
      op.emitError("the Halide route has no masks that hide tokens before others; use the route `mlir`");
      return WalkResult::interrupt();
    }
    Work work{cache,
              heads / cache.getHeads(),
              int64_t(op.getMinQueries()),
              int64_t(op.getMaxQueries()),
              !op.getScore().empty(),
              visible ? visible.getRuns() : 1,
              precision};
    return select(op, work, overrides);
  }

  WalkResult select(Operation *op, const Work &work, DictionaryAttr overrides) const {
    Choice choice;
    chooseItem(capabilities, work, choice);
    chooseBlock(capabilities, work, choice);
    chooseDots(capabilities, work, choice);
    chooseSplit(work, choice);
    chooseAhead(work, choice);
    if (overrides && failed(applyOverrides(op, capabilities, work, overrides, choice)))
      return WalkResult::interrupt();
    // Beyond this point the source has no say.
    chooseRows(capabilities, work, choice);
    chooseProducts(capabilities, work, choice);
    op->setAttr("schedule", write(op->getContext(), choice, capabilities.halide ? Route::halide : Route::mlir));
    return WalkResult::advance();
  }
};

} // namespace

std::unique_ptr<Pass> createSelectSchedulePass(const Capabilities &capabilities) {
  return std::make_unique<SelectSchedule>(capabilities);
}

} // namespace kv
