// Blocks that a team of threads reads are on their way before: a loop over blocks copies each into a ring in scratch, as many
// iterations ahead of the one that reads it as the schedule has stages.
//
//   scf.for %at = %first to %last {                   %ring = kv.scratch "ring"
//     %b = kv.acquire .. [f(%at), count(%at)]         scf.for %at = %first to %first + stages { stage %at }
//     use %b                                   ->     scf.for %at = %first to %last {
//   }                                                   stage %at + stages
//                                                       %b = kv.staged %ring[(%at - %first) % (stages + 1)] pending stages
//                                                       use %b
//                                                     }
//
// where `stage %at` is: if count(%at) > 0 { kv.stage (kv.acquire .. [f(%at), count(%at)]) to %ring[..] }, kv.commit.
//
// Assumes that no block of the loop is empty, and that what says where a block is depends on nothing that the loop changes.
#include "compiler/distribute/Passes.h"
#include "dialect/KernelBuilder.h"
#include "dialect/Storage.h"
#include "mlir/Analysis/SliceAnalysis.h"

using namespace mlir;

namespace kv {
namespace {

struct StagedLoop {
  KernelBuilder b;
  AcquireOp acquire;
  scf::ForOp loop;
  const int64_t ahead, stages; ///< blocks on their way; those and the one that is read
  Value ring;

  StagedLoop(func::FuncOp func, AcquireOp acquire, scf::ForOp loop, int64_t ahead)
      : b(func), acquire(acquire), loop(loop), ahead(ahead), stages(ahead + 1) {
    b.loc = acquire.getLoc();
  }

  void build() {
    BlockType type = acquire.getBlock().getType();
    CacheType staged = stagedCache(type.getCache(), type.getTokens());
    b.setInsertionPoint(loop);
    ring = b.scratch("ring", stages, mapPage(staged).bytes, b.getI8Type());
    Value first = loop.getLowerBound();
    b.loop(first, b.add(first, ahead), 1, [&](Value at) { stage(at); });
    b.setInsertionPointToStart(loop.getBody());
    Value at = loop.getInductionVar();
    stage(b.add(at, ahead));
    Value slot = slotOf(at);
    Value block = StagedOp::create(b, b.loc, BlockType::get(b.getContext(), staged, type.getTokens()), ring, slot, ahead);
    acquire.getBlock().replaceAllUsesWith(block);
    acquire.erase();
  }

private:
  Value slotOf(Value at) { return b.rem(b.sub(at, loop.getLowerBound()), stages); }

  /// Starts to copy block number `at`.
  void stage(Value at) {
    IRMapping there;
    there.map(loop.getInductionVar(), at);
    Value count = compute(acquire.getCount(), there);
    Value some = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sgt, count, b.i64(0));
    b.ifThen(some, [&] {
      for (Value operand : acquire->getOperands())
        compute(operand, there);
      auto block = cast<AcquireOp>(b.clone(*acquire, there));
      StageOp::create(b, b.loc, block, ring, slotOf(at));
    });
    CommitOp::create(b, b.loc);
  }

  /// `value` of another iteration: what of the loop's body computes it, once more.
  Value compute(Value value, IRMapping &there) {
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != loop.getBody() || there.contains(value))
      return there.lookupOrDefault(value);
    for (Value operand : op->getOperands())
      compute(operand, there);
    b.clone(*op, there);
    return there.lookup(value);
  }
};

struct StageBlocks : PassWrapper<StageBlocks, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(StageBlocks)
  StringRef getArgument() const final { return "kv-stage-blocks"; }
  StringRef getDescription() const final { return "copy blocks into a ring in scratch ahead of their use"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<scf::SCFDialect, arith::ArithDialect>(); }

  void runOnOperation() override {
    auto schedule = getOperation()->getAttrOfType<ScheduleAttr>("kv.schedule");
    if (!schedule || !schedule.getBlock().getStages())
      return;
    SmallVector<AcquireOp> acquires;
    getOperation().walk([&](AcquireOp op) { acquires.push_back(op); });
    for (AcquireOp acquire : acquires) {
      auto loop = dyn_cast<scf::ForOp>(acquire->getParentOp());
      if (!loop) {
        acquire.emitOpError() << "expected the loop over blocks around it, as kv-order-loops makes it";
        return signalPassFailure();
      }
      StagedLoop(getOperation(), acquire, loop, schedule.getBlock().getStages()).build();
    }
  }
};

} // namespace

std::unique_ptr<Pass> createStageBlocksPass() { return std::make_unique<StageBlocks>(); }

} // namespace kv
