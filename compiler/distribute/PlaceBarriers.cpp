// Barriers of a team of threads: a kv.barrier between an op that writes memory of the team and a later op that reads it, and the
// other way. DistributeOpInterface says what an op does.
//
//   kv.store %a to %home[%0, %0]            kv.store %a to %home[%0, %0]
//   %b = kv.fetch %home[%0, %0]        ->   kv.barrier
//                                           %b = kv.fetch %home[%0, %0]
//
// Where control flow joins, anything may have been before. A kernel leaves nothing that whoever comes after must wait for.
#include "compiler/distribute/DistributeOpInterface.h"
#include "compiler/distribute/Passes.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace kv {
namespace {

struct PlaceBarriers : PassWrapper<PlaceBarriers, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PlaceBarriers)
  StringRef getArgument() const final { return "kv-place-barriers"; }
  StringRef getDescription() const final { return "let the threads of a team wait for each other"; }

  void getDependentDialects(DialectRegistry &registry) const override { registerDistributeModels(registry); }

  void runOnOperation() override {
    auto schedule = getOperation()->getAttrOfType<ScheduleAttr>("kv.schedule");
    if (!schedule || !schedule.getTeam().getThreads() || getOperation().isDeclaration())
      return;
    since = anything;
    Block &entry = getOperation().front();
    placeIn(entry);
    if (since.writes)
      placeBefore(*entry.getTerminator());
  }

private:
  static constexpr TeamMemory anything = {.reads = true, .writes = true};
  TeamMemory since; ///< what may have been done since the last barrier

  void placeBefore(Operation &op) {
    OpBuilder b(&op);
    BarrierOp::create(b, op.getLoc());
    since = {};
  }

  void placeIn(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(block)) {
      visit(op);
      for (Region &region : op.getRegions())
        for (Block &inner : region) {
          since = anything;
          placeIn(inner);
        }
      if (op.getNumRegions())
        since = anything;
    }
  }

  void visit(Operation &op) {
    auto onTiles = dyn_cast<DistributeOpInterface>(op);
    if (!onTiles)
      return;
    TeamMemory memory = onTiles.teamMemory();
    if ((memory.reads && since.writes && !memory.waits) || (memory.writes && since.reads))
      placeBefore(op);
    if (memory.waits)
      since = {.reads = memory.reads};
    since.reads |= memory.reads;
    since.writes |= memory.writes && !memory.waits;
  }
};

} // namespace

std::unique_ptr<Pass> createPlaceBarriersPass() { return std::make_unique<PlaceBarriers>(); }

} // namespace kv
