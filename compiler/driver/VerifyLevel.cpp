// Checks that only ops of a level, and of those below it, are left; the driver does at the end of each phase.
#include "compiler/driver/VerifyLevel.h"
#include "compiler/driver/Passes.h"
#include "dialect/KvOps.h"

using namespace mlir;

namespace kv {

static constexpr StringRef levelNames[] = {"source", "online", "tiles", "machine", "none"};

/// `none` for ops of other dialects.
static Level levelOf(Operation *op) {
  if (!isa_and_nonnull<KvDialect>(op->getDialect()))
    return Level::none;
  if (isa<AppendOp, AttendOp, AppendAttendOp, MergeOp>(op))
    return Level::source;
  if (isa<StartRowsOp, ForBlocksOp, AttendBlockOp, FinishOp>(op))
    return Level::online;
  if (isa<YieldOp>(op)) // it goes with what it ends
    return levelOf(op->getParentOp());
  if (isa<DotOp, LaneOp, BarrierOp, ExchangeOp, CopyOp, CommitOp, AwaitOp, ReadTransposedOp, MmaOp, FromHalfOp, ToHalfOp, Exp2Op>(
          op))
    return Level::machine;
  return Level::tiles;
}

LogicalResult verifyLevel(ModuleOp module, Level level) {
  WalkResult result = module.walk([&](Operation *op) {
    Level own = levelOf(op);
    if (own >= level)
      return WalkResult::advance();
    op->emitOpError() << "is of the level `" << levelNames[int(own)] << "`; expected ops of `" << levelNames[int(level)]
                      << "` and below alone";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

namespace {

struct VerifyLevel : PassWrapper<VerifyLevel, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(VerifyLevel)
  explicit VerifyLevel(Level level) : level(level) {}
  StringRef getArgument() const final { return "kv-verify-level"; }
  StringRef getDescription() const final { return "check that only ops of a level and below are left"; }

  void runOnOperation() override {
    if (failed(verifyLevel(getOperation(), level)))
      signalPassFailure();
  }

private:
  Level level;
};

} // namespace

std::unique_ptr<Pass> createVerifyLevelPass(Level level) { return std::make_unique<VerifyLevel>(level); }

std::optional<Level> findLevel(StringRef name) {
  const StringRef *found = llvm::find(levelNames, name);
  if (found == std::end(levelNames))
    return std::nullopt;
  return Level(found - std::begin(levelNames));
}

} // namespace kv
