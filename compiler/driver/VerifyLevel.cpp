// Checks that only ops of a level, and of those below it, are left; the driver does at the end of each phase.
#include "compiler/driver/VerifyLevel.h"
#include "compiler/driver/Passes.h"
#include "dialect/KvOps.h"

using namespace mlir;

namespace kv {

static constexpr StringRef levelNames[] = {"source", "online", "tiles", "machine", "none"};

template <typename... Ops> static bool isOneOf(OperationName name) { return ((name.getTypeID() == TypeID::get<Ops>()) || ...); }

Level levelOf(OperationName name) {
  if (!isa_and_nonnull<KvDialect>(name.getDialect()))
    return Level::none;
  if (isOneOf<AppendOp, AttendOp, AppendAttendOp, MergeOp>(name))
    return Level::source;
  if (isOneOf<StartRowsOp, ForBlocksOp, AttendBlockOp, FinishOp, YieldOp>(name))
    return Level::online;
  if (isOneOf<DotOp, LaneOp, BarrierOp, ExchangeOp, CopyOp, CommitOp, AwaitOp, ReadTransposedOp, MmaOp, FromHalfOp, ToHalfOp,
              Exp2Op>(name))
    return Level::machine;
  return Level::tiles;
}

LogicalResult verifyLevel(ModuleOp module, Level level) {
  WalkResult result = module.walk([&](Operation *op) {
    Operation *meant = isa<YieldOp>(op) ? op->getParentOp() : op; // a terminator goes with what it ends
    Level own = levelOf(meant->getName());
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
