// The records of the CUDA family. A team is a warp; code for one compute capability runs on every later one.
#include "compiler/targets/cuda/Cuda.h"

#include "compiler/kernels/LowerEntry.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/IPO/AlwaysInliner.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/LoopRotation.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"

namespace kv {

std::vector<Target> cudaTargets() {
  std::vector<Target> targets;
  for (auto [capability, ptx] : {std::pair(100, 86), {90, 80}, {80, 80}}) {
    Target target;
    target.capabilities.name = "sm_" + std::to_string(capability);
    target.capabilities.lanes = 32;
    target.capabilities.registers = 72; // of a thread's 255, what the sums of a product may take
    target.capabilities.threads = true;
    target.capabilities.teamBytes = (capability == 80 ? 163 : 227) << 10;
    target.capabilities.ringBytes = 96 << 10; // of these
    target.capabilities.dots = {{Dot::f16, "mma"}, {Dot::bf16, "mma"}, {Dot::bf16x2, "mma"}, {Dot::f32, "fma"}};
    target.capabilities.pointers = 16;
    target.triple = "nvptx64-nvidia-cuda";
    target.cpu = target.capabilities.name;
    target.cpuFeatures = "+ptx" + std::to_string(ptx);
    target.computeCapability = capability;
    target.hasFma = target.hasHalf = true;
    target.addInstructions = addCudaInstructions;
    target.addEntries = addGrids;
    target.finish = finishEntries;
    targets.push_back(target);
  }
  return targets;
}

void finishEntries(llvm::Module &code, const Target &target, llvm::TargetMachine &machine) {
  for (llvm::Function &function : code) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.cpuFeatures);
    function.addFnAttr("no-builtins");
    if (!function.getName().ends_with(gridSuffix)) {
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
      function.addFnAttr(llvm::Attribute::AlwaysInline);
      continue;
    }
    function.setCallingConv(llvm::CallingConv::PTX_Kernel);
    function.addFnAttr("nvvm.reqntid", std::to_string(target.capabilities.lanes));
    // Without it ptxas keeps to fewer registers than it needs, for more blocks than shared memory has room for.
    function.addFnAttr("nvvm.minctasm", "1");
    // The step is a parameter by value, read where it is.
    auto *step = llvm::ArrayType::get(llvm::Type::getInt64Ty(code.getContext()), uint64_t(stepBytes()) / 8);
    function.addParamAttr(0, llvm::Attribute::getWithByValType(code.getContext(), step));
    function.addParamAttr(0, llvm::Attribute::getWithAlignment(code.getContext(), llvm::Align(8)));
    function.addParamAttr(0, llvm::Attribute::get(code.getContext(), "nvvm.grid_constant"));
  }
  llvm::PassBuilder builder(&machine);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  // Kernels come with their loops unrolled and their addresses walked. What is left is what appears once functions are inlined;
  // LLVM's own pipeline finds no more in innermost loops, and takes twice the time of all the rest of a compilation.
  llvm::FunctionPassManager tidy;
  tidy.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  tidy.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/true));
  tidy.addPass(llvm::SimplifyCFGPass());
  tidy.addPass(llvm::InstCombinePass());
  llvm::LoopPassManager rotate;
  rotate.addPass(llvm::LoopRotatePass());
  rotate.addPass(llvm::LICMPass(llvm::LICMOptions()));
  tidy.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(rotate), /*UseMemorySSA=*/true));
  tidy.addPass(llvm::InstCombinePass());
  tidy.addPass(llvm::SimplifyCFGPass());
  llvm::ModulePassManager pipeline;
  pipeline.addPass(llvm::AlwaysInlinerPass());
  pipeline.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(tidy)));
  pipeline.run(code, modules);
}

} // namespace kv
