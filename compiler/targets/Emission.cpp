#include "compiler/targets/Emission.h"

#include "mlir/Conversion/ConvertToLLVM/ToLLVMPass.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"

#include <mutex>

using namespace mlir;

namespace kv {

void addLowerToLLVM(PassManager &passes) {
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  passes.addPass(createCSEPass());
}

static void initializeLLVM() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
  });
}

namespace {

/// Declines the passes of LLVM that cost kernels more than they bring.
class DeclinedPasses : public llvm::OptPassGate {
public:
  bool isEnabled() const override { return true; }
  bool shouldRunPass(llvm::StringRef pass, llvm::StringRef) const override {
    return llvm::StringSwitch<bool>(pass)
        // Constants hoisted out of the loop over blocks are live across the products, whose accumulators then spill.
        .Case("early-machinelicm", false)
        // Pointers walk through innermost loops as they are (kv-walk-pointers): to look for better took half of code generation.
        .Cases({"Loop Strength Reduction", "slsr", "nary-reassociate"}, false)
        .Default(true);
  }
};

} // namespace

/// Attributes of functions that go into a library.
static void finishLibrary(llvm::Module &code, const Target &target) {
  code.setPICLevel(llvm::PICLevel::BigPIC);
  for (llvm::Function &function : code) {
    if (function.isDeclaration())
      continue;
    // Kernels are reached through descriptors, which stand in the same library: nothing outside may name them or come between them.
    if (!function.hasLocalLinkage())
      function.setVisibility(llvm::GlobalValue::HiddenVisibility);
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.cpuFeatures);
    if (!target.tuneCpu.empty())
      function.addFnAttr("tune-cpu", target.tuneCpu);
    function.addFnAttr("prefer-vector-width", "512");
    function.addFnAttr("no-builtins"); // loops must not become calls
    if (unsigned granules = unsigned(target.vectorBits / 128))
      function.addFnAttr(llvm::Attribute::getWithVScaleRangeArgs(code.getContext(), granules, granules));
  }
}

/// As addPassesToEmitFile, without what moves instructions before registers are assigned. True if that is not possible.
static bool addPassesInOrder(llvm::TargetMachine &machine, llvm::legacy::PassManager &passes, llvm::raw_pwrite_stream &stream,
                             llvm::CodeGenFileType kind) {
  llvm::TargetPassConfig *config = machine.createPassConfig(passes);
  config->disablePass(&llvm::MachineSchedulerID);
  config->disablePass(&llvm::MachineCombinerID); // adds sums as trees, which take more registers
  auto *functions = new llvm::MachineModuleInfoWrapperPass(&machine);
  passes.add(config);
  passes.add(functions);
  if (config->addISelPasses())
    return true;
  config->addMachinePasses();
  config->setInitialized();
  if (machine.addAsmPrinter(passes, stream, nullptr, kind, functions->getMMI().getContext()))
    return true;
  passes.add(llvm::createFreeMachineFunctionPass());
  return false;
}

static llvm::Error fail(const llvm::Twine &message) { return llvm::createStringError(llvm::inconvertibleErrorCode(), message); }

llvm::Expected<Translation> translate(ModuleOp module, const halide::Functions &functions, const Target &target) {
  initializeLLVM();
  Translation result{&target, std::make_unique<DeclinedPasses>(), std::make_unique<llvm::LLVMContext>(), {}, {}};
  result.context->setOptPassGate(*result.gate);
  result.code = translateModuleToLLVMIR(module, *result.context, "kv");
  if (!result.code)
    return fail("translation to LLVM IR failed");
  llvm::Triple triple(target.triple);
  std::string message;
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!backend)
    return fail("this LLVM cannot compile for `" + target.triple + "`: " + message);
  result.machine.reset(backend->createTargetMachine(triple, target.cpu, target.cpuFeatures, llvm::TargetOptions(),
                                                    llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Default));
  result.code->setTargetTriple(triple);
  result.code->setDataLayout(result.machine->createDataLayout());
  if (llvm::Error error = halide::linkFunctions(*result.code, functions))
    return error;
  return result;
}

llvm::Expected<std::string> generateCode(Translation translation, bool assembly) {
  const Target &target = *translation.target;
  llvm::TargetMachine &machine = *translation.machine;
  llvm::Module &code = *translation.code;
  if (target.finish)
    target.finish(code, target, machine);
  else
    finishLibrary(code, target);
  llvm::SmallString<0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  llvm::legacy::PassManager passes;
  auto kind = assembly || target.isLaunched() ? llvm::CodeGenFileType::AssemblyFile : llvm::CodeGenFileType::ObjectFile;
  if (target.keepsOrder ? addPassesInOrder(machine, passes, stream, kind)
                        : machine.addPassesToEmitFile(passes, stream, nullptr, kind))
    return fail("this LLVM cannot emit a file for `" + target.triple + "`");
  passes.run(code);
  if (target.isLaunched() && buffer.str().contains(".extern .func"))
    return fail("the code calls a function that a device does not have: " +
                buffer.str().substr(buffer.str().find(".extern .func")).take_until([](char c) { return c == ';'; }));
  return buffer.str().str();
}

} // namespace kv
