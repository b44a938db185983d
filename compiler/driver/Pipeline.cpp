// What a compilation does, in order. SelectSchedule is the last shared pass that asks the target; those between it and the
// instructions read #kv.schedule.
#include "compiler/driver/Pipeline.h"
#include "compiler/distribute/Passes.h"
#include "compiler/halide/Passes.h"
#include "compiler/kernels/Passes.h"
#include "compiler/online/Passes.h"
#include "compiler/policy/Passes.h"
#include "compiler/schedule/Passes.h"
#include "compiler/targets/Emission.h"
#include "compiler/targets/SelectInstructions.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace kv {
namespace {

template <typename PassPtr> void onFunctions(PassManager &passes, PassPtr pass) {
  passes.addNestedPass<func::FuncOp>(std::move(pass));
}

/// A pattern of MLIR 22 that compares every value a loop carries with every other one, by the sets of their predecessors: minutes
/// for a kernel of a thousand accumulators, and nothing that ours would gain by. Named as clang and as g++ spell it.
const std::string slowPatterns[] = {"(anonymous namespace)::RemoveDuplicateSuccessorInputUses",
                                    "{anonymous}::RemoveDuplicateSuccessorInputUses"};

void tidy(PassManager &passes) {
  passes.addPass(createCSEPass()); // before it too: most of what a builder makes is there already, and patterns take longer
  passes.addPass(createCanonicalizerPass(GreedyRewriteConfig(), slowPatterns));
  passes.addPass(createCSEPass());
}

void analyzeMasks(PassManager &passes) { onFunctions(passes, createAnalyzeMaskPass()); }

void fuseSteps(PassManager &passes) { onFunctions(passes, createFuseAppendAttendPass()); }

void convertToOnline(PassManager &passes) {
  passes.addPass(createTileAppendPass());
  passes.addPass(createConvertToOnlinePass());
  onFunctions(passes, createSplitRowsPass());
}

/// The Halide route takes its work out of kernels before what is left is decomposed, and has row operands in an order of its own.
void outlineForHalide(PassManager &passes) { passes.addPass(createOutlineForHalidePass()); }
void orderForHalide(PassManager &passes) { onFunctions(passes, createNumberOperandsPass()); }

void decomposeBlocks(PassManager &passes) {
  onFunctions(passes, createOrderLoopsPass());
  onFunctions(passes, createSkipBlocksPass());
  onFunctions(passes, createStageBlocksPass());
  outlineForHalide(passes);
  onFunctions(passes, createEncodeTokensPass());
  onFunctions(passes, createQuantizeRowsPass());
  onFunctions(passes, createDecomposeAttendBlockPass());
  onFunctions(passes, createFoldScalesPass());
  onFunctions(passes, createQuantizeOperandsPass());
  onFunctions(passes, createHoistDecodePass());
  onFunctions(passes, createPlanPrefetchPass());
  onFunctions(passes, createLowerFinishPass());
  orderForHalide(passes);
  tidy(passes);
  passes.addPass(createLoopInvariantCodeMotionPass());
}

void placeTiles(PassManager &passes) {
  onFunctions(passes, createPlaceTilesPass());
  onFunctions(passes, createPlaceBarriersPass());
}

void distributeTiles(PassManager &passes, int64_t pointers) {
  onFunctions(passes, createDistributeTilesPass());
  onFunctions(passes, createLowerEntryPass());
  tidy(passes);
  passes.addPass(createLoopInvariantCodeMotionPass());
  onFunctions(passes, createWalkPointersPass(pointers));
}

void selectInstructions(PassManager &passes, const Target &target) {
  onFunctions(passes, createSelectInstructionsPass(target));
  passes.addPass(createCSEPass());
  passes.addPass(createLoopInvariantCodeMotionPass());
}

} // namespace

std::vector<Phase> loweringPhases(const Target &target) {
  auto selectSchedule = [&](PassManager &passes) { passes.addPass(createSelectSchedulePass(target.capabilities)); };
  auto toVectors = [&](PassManager &passes) { distributeTiles(passes, target.capabilities.pointers); };
  auto toInstructions = [&](PassManager &passes) { selectInstructions(passes, target); };
  return {
      {"masks", analyzeMasks, Level::source},        // Every attend says which tokens a query may see.
      {"fuse", fuseSteps, Level::source},            // A step that appends what it attends to is one op.
      {"schedule", selectSchedule, Level::source},   // Every choice is in an attribute.
      {"online", convertToOnline, Level::online},    // Kernels of one item are loops over blocks with a state.
      {"tile", decomposeBlocks, Level::tiles},       // Only tiles, products and scratch are left.
      {"place", placeTiles, Level::tiles},           // Every tile says which lane holds what; barriers stand.
      {"distribute", toVectors, Level::machine},     // Vectors, scalars and neutral instructions.
      {"instructions", toInstructions, Level::none}, // The target's own, or the fallbacks.
  };
}

Phase llvmPhase() { return {"llvm", addLowerToLLVM, Level::none}; }

ArrayRef<StringRef> phaseNames() {
  static const StringRef names[] = {"source", "masks",      "fuse",         "schedule", "online", "tile",
                                    "place",  "distribute", "instructions", "llvm",     "object"};
  return names;
}

void registerDialects(DialectRegistry &registry) {
  registry.insert<KvDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect, tensor::TensorDialect, scf::SCFDialect,
                  cf::ControlFlowDialect, vector::VectorDialect, LLVM::LLVMDialect, ub::UBDialect>();
  registerHalideModels(registry);
  registerConvertFuncToLLVMInterface(registry);
  arith::registerConvertArithToLLVMInterface(registry);
  registerConvertMathToLLVMInterface(registry);
  vector::registerConvertVectorToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

} // namespace kv
