#include "tests/unit/interpret/Snapshots.h"

#include "compiler/driver/Pipeline.h"
#include "compiler/kernels/Passes.h"
#include "compiler/online/Passes.h"
#include "compiler/schedule/Choice.h"
#include "dialect/KernelBuilder.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassInstrumentation.h"

using namespace mlir;

namespace kv {
namespace {

/// The passes without which nothing runs. Each leaves a module as it is that has been through it.
LogicalResult complete(ModuleOp module) {
  PassManager passes(module.getContext());
  passes.addNestedPass<func::FuncOp>(createOrderLoopsPass());
  passes.addNestedPass<func::FuncOp>(createEncodeTokensPass());
  passes.addNestedPass<func::FuncOp>(createQuantizeRowsPass());
  passes.addNestedPass<func::FuncOp>(createDecomposeAttendBlockPass());
  passes.addNestedPass<func::FuncOp>(createLowerFinishPass());
  return passes.run(module);
}

bool isSame(Operation *a, Operation *b) {
  return OperationEquivalence::isEquivalentTo(a, b, OperationEquivalence::IgnoreLocations);
}

class Camera : public PassInstrumentation {
public:
  explicit Camera(std::vector<Snapshot> &snapshots) : snapshots(snapshots) {}

  void runBeforePass(Pass *pass, Operation *op) override {
    if (!pass->getArgument().empty())
      before.emplace(op);
  }

  void runAfterPass(Pass *pass, Operation *op) override {
    if (pass->getArgument().empty() || *before == OperationFingerPrint(op))
      return;
    auto function = dyn_cast<func::FuncOp>(op);
    take(pass->getArgument(), function ? op->getParentOfType<ModuleOp>() : cast<ModuleOp>(op));
  }

  void take(StringRef pass, ModuleOp module) {
    OwningOpRef<ModuleOp> copy(module.clone());
    if (failed(complete(*copy)))
      return;
    if (snapshots.empty() || !isSame(*copy, *snapshots.back().module))
      snapshots.push_back({pass.str(), std::move(copy)});
  }

private:
  std::vector<Snapshot> &snapshots;
  std::optional<OperationFingerPrint> before;
};

} // namespace

/// As if the schedules had chosen so.
static void choose(ModuleOp module, Masks masks) {
  module.walk([&](Operation *op) {
    auto schedule = op->getAttrOfType<ScheduleAttr>("schedule");
    if (!schedule)
      return;
    BlockPlanAttr block = schedule.getBlock();
    block = BlockPlanAttr::get(op->getContext(), block.getTokens(), block.getAhead(), block.getStages(), block.getState(), masks);
    op->setAttr("schedule", ScheduleAttr::get(op->getContext(), schedule.getItem(), schedule.getRows(), block, schedule.getScores(),
                                              schedule.getSums(), schedule.getTeam(), schedule.getRoute()));
  });
}

/// Two loops for each: over its first block or pages, and over the others.
static void chainLoops(ModuleOp module) {
  SmallVector<ForBlocksOp> loops;
  module.walk([&](ForBlocksOp loop) { loops.push_back(loop); });
  for (ForBlocksOp loop : loops) {
    auto func = loop->getParentOfType<func::FuncOp>();
    KernelBuilder b(func);
    b.loc = loop.getLoc();
    b.setInsertionPoint(loop);
    int64_t tokens = func->getAttrOfType<ScheduleAttr>("kv.schedule").getBlock().getTokens();
    Value middle = b.add(loop.getBegin(), splitUnit(loop.getAttend().getCache(), tokens));
    auto cut = [&](Value begin, Value end, Value init) {
      auto part = cast<ForBlocksOp>(b.clone(*loop));
      part.getBeginMutable().assign(begin);
      part.getEndMutable().assign(end);
      part.getInitMutable().assign(init);
      return part.getEndState();
    };
    Value first = cut(loop.getBegin(), b.min(middle, loop.getEnd()), loop.getInit());
    loop.getEndState().replaceAllUsesWith(cut(middle, b.max(middle, loop.getEnd()), first));
    loop.erase();
  }
}

bool haveSame(ModuleOp a, ModuleOp b, const std::string &function) {
  return isSame(a.lookupSymbol(function), b.lookupSymbol(function));
}

std::vector<Snapshot> takeSnapshots(ModuleOp level0, const Target &target, Unusual unusual) {
  std::vector<Snapshot> snapshots;
  OwningOpRef<ModuleOp> module(level0.clone());
  for (const Phase &phase : loweringPhases(target)) {
    if (phase.name == "distribute")
      return snapshots;
    PassManager passes(module->getContext());
    passes.enableVerifier(false);
    phase.add(passes);
    if (phase.name == "tile" || phase.name == "place") {
      auto camera = std::make_unique<Camera>(snapshots);
      if (snapshots.empty())
        camera->take("kv-split-rows", *module);
      passes.addInstrumentation(std::move(camera));
    }
    if (failed(passes.run(*module)) || failed(verify(*module)))
      return {};
    if (phase.name == "schedule")
      choose(*module, unusual.masks);
    if (phase.name == "online" && unusual.chained)
      chainLoops(*module);
  }
  return {};
}

} // namespace kv
