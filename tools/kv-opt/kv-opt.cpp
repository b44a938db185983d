// kv-opt: reads MLIR, runs passes by name, prints MLIR. For tests and for looking at one pass at a time.
//
//   kvcc compile llama3.kv --until source | kv-opt --kv-fuse-append-attend --kv-select-schedule=target=x86-64-v4
#include "compiler/distribute/Passes.h"
#include "compiler/driver/Passes.h"
#include "compiler/driver/Pipeline.h"
#include "compiler/halide/Passes.h"
#include "compiler/kernels/Passes.h"
#include "compiler/online/Passes.h"
#include "compiler/policy/Passes.h"
#include "compiler/schedule/Passes.h"
#include "compiler/targets/SelectInstructions.h"
#include "compiler/targets/Target.h"
#include "dialect/KvOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

namespace {

/// Passes that ask for a target's capabilities or instructions.
struct TargetOptions : mlir::PassPipelineOptions<TargetOptions> {
  Option<std::string> target{*this, "target", llvm::cl::desc("a name of the target table"), llvm::cl::init("generic")};

  const kv::Target &find() const {
    const kv::Target *found = kv::findTarget(target);
    if (!found) {
      llvm::errs() << "kv-opt: error: there is no target `" << target << "`; targets are " << kv::targetNames() << "\n";
      std::exit(1);
    }
    return *found;
  }
};

struct LevelOptions : mlir::PassPipelineOptions<LevelOptions> {
  Option<std::string> level{*this, "level", llvm::cl::desc("source, online, tiles, machine or none"), llvm::cl::init("source")};

  kv::Level find() const {
    if (std::optional<kv::Level> found = kv::findLevel(level.getValue()))
      return *found;
    llvm::errs() << "kv-opt: error: there is no level `" << level << "`; levels are source, online, tiles, machine, none\n";
    std::exit(1);
  }
};

template <std::unique_ptr<mlir::Pass> (*create)()> void registerOne() {
  mlir::registerPass([] { return create(); });
}

void registerKvPasses() {
  registerOne<kv::createAnalyzeMaskPass>();
  registerOne<kv::createFuseAppendAttendPass>();
  registerOne<kv::createTileAppendPass>();
  registerOne<kv::createEncodeTokensPass>();
  registerOne<kv::createConvertToOnlinePass>();
  registerOne<kv::createSplitRowsPass>();
  registerOne<kv::createOrderLoopsPass>();
  registerOne<kv::createStageBlocksPass>();
  registerOne<kv::createQuantizeRowsPass>();
  registerOne<kv::createLowerFinishPass>();
  registerOne<kv::createOutlineForHalidePass>();
  registerOne<kv::createNumberOperandsPass>();
  registerOne<kv::createDecomposeAttendBlockPass>();
  registerOne<kv::createSkipBlocksPass>();
  registerOne<kv::createFoldScalesPass>();
  registerOne<kv::createQuantizeOperandsPass>();
  registerOne<kv::createHoistDecodePass>();
  registerOne<kv::createPlanPrefetchPass>();
  registerOne<kv::createLowerEntryPass>();
  registerOne<kv::createPlaceTilesPass>();
  registerOne<kv::createPlaceBarriersPass>();
  registerOne<kv::createDistributeTilesPass>();
  mlir::PassPipelineRegistration<TargetOptions>("kv-select-schedule",
                                                "choose the schedule of every op and resolve automatic orders",
                                                [](mlir::OpPassManager &passes, const TargetOptions &options) {
                                                  passes.addPass(kv::createSelectSchedulePass(options.find().capabilities));
                                                });
  mlir::PassPipelineRegistration<TargetOptions>("kv-walk-pointers", "let innermost loops carry pointers, not compute addresses",
                                                [](mlir::OpPassManager &passes, const TargetOptions &options) {
                                                  passes.addPass(kv::createWalkPointersPass(options.find().capabilities.pointers));
                                                });
  mlir::PassPipelineRegistration<TargetOptions>(
      "kv-select-instructions", "neutral instructions to the target's own, or to the fallbacks",
      [](mlir::OpPassManager &passes, const TargetOptions &options) {
        passes.addNestedPass<mlir::func::FuncOp>(kv::createSelectInstructionsPass(options.find()));
      });
  mlir::PassPipelineRegistration<LevelOptions>(
      "kv-verify-level", "check that only ops of a level and below are left",
      [](mlir::OpPassManager &passes, const LevelOptions &options) { passes.addPass(kv::createVerifyLevelPass(options.find())); });
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  mlir::registerLoopInvariantCodeMotionPass();
}

} // namespace

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  kv::registerDialects(registry);
  registerKvPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "kv-opt: the passes of kvcc\n", registry));
}
