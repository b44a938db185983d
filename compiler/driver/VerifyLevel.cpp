// Checks that only ops of a level, and of those below it, are left; the driver does at the end of each phase.
#include "compiler/driver/VerifyLevel.h"
#include "compiler/driver/Passes.h"
#include "dialect/KvOps.h"

using namespace mlir;

namespace kv {

LogicalResult verifyLevel(ModuleOp module, Level level) {
  WalkResult result = module.walk([&](Operation *op) {
    Operation *meant = isa<YieldOp>(op) ? op->getParentOp() : op; // a terminator goes with what it ends
    Level own = levelOf(meant->getName());
    if (own >= level)
      return WalkResult::advance();
    op->emitOpError() << "is of the level `" << levelName(own) << "`; expected ops of `" << levelName(level) << "` and below alone";
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

} // namespace kv
