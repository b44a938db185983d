// The list of phases from level 0 to an object, the same for every target.
#include "compiler/targets/Emission.h"
#include "compiler/targets/SelectInstructions.h"
#include "compiler/targets/Target.h"
#include "compiler/transforms/KernelBuilder.h"
#include "compiler/transforms/Passes.h"
#include "mlir/Conversion/ConvertToLLVM/ToLLVMInterface.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"

#include <chrono>

using namespace mlir;

namespace kv {

void registerDialects(DialectRegistry &registry) {
  registry.insert<KvDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect, tensor::TensorDialect, scf::SCFDialect,
                  cf::ControlFlowDialect, vector::VectorDialect, LLVM::LLVMDialect, ub::UBDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

namespace {

struct Phase {
  StringRef name;
  std::function<void(PassManager &)> add;
};

std::vector<Phase> makePhases(const Target &target) {
  auto tidy = [](PassManager &passes) {
    passes.addPass(createCanonicalizerPass());
    passes.addPass(createCSEPass());
  };
  return {
      {"fuse", [](PassManager &passes) { passes.addNestedPass<func::FuncOp>(createFuseAppendAttendPass()); }},
      {"schedule", [&](PassManager &passes) { passes.addPass(createSelectSchedulePass(target.capabilities)); }},
      {"tile",
       [=](PassManager &passes) {
         passes.addPass(createTileAppendPass());
         passes.addPass(createTileAttendPass());
         tidy(passes);
         passes.addPass(createLoopInvariantCodeMotionPass());
       }},
      {"place", [](PassManager &passes) { passes.addNestedPass<func::FuncOp>(createPlaceTilesPass()); }},
      {"distribute",
       [=](PassManager &passes) {
         passes.addNestedPass<func::FuncOp>(createDistributeTilesPass());
         tidy(passes);
       }},
      {"instructions",
       [=, &target](PassManager &passes) {
         passes.addNestedPass<func::FuncOp>(createSelectInstructionsPass(target));
         passes.addPass(createCSEPass());
         passes.addPass(createLoopInvariantCodeMotionPass());
       }},
      {"llvm", [](PassManager &passes) { addLowerToLLVM(passes); }},
  };
}

std::string mangle(StringRef kernel, const Target &target, StringRef kind) {
  std::string name = (kernel + "__" + target.name() + "__" + kind).str();
  for (char &c : name)
    if (!llvm::isAlnum(c))
      c = '_';
  return name;
}

/// Level-0 functions, before they are lowered away.
struct Entry {
  std::string name, cache;
  bool append, attend;
  CacheType type;
  int64_t headsQ = 0;
};

std::vector<Entry> readEntries(ModuleOp module) {
  std::vector<Entry> entries;
  for (func::FuncOp func : module.getOps<func::FuncOp>()) {
    Entry entry{func.getName().str(), "", false, false, {}};
    for (Operation &op : func.getBody().front()) {
      if (auto append = dyn_cast<AppendOp>(op)) {
        entry.append = true;
        entry.type = append.getCache().getType();
      } else if (auto attend = dyn_cast<AttendOp>(op)) {
        entry.attend = true;
        entry.type = attend.getCache().getType();
        entry.headsQ = cast<RankedTensorType>(attend.getQuery().getType()).getDimSize(1);
      }
    }
    entry.cache = entry.type.getName().getValue().str();
    entries.push_back(entry);
  }
  return entries;
}

/// Renames the functions of the module to the symbols of the object and says which kernel has which.
std::vector<KernelFunctions> nameKernels(ModuleOp module, ArrayRef<Entry> entries, const Target &target) {
  llvm::StringMap<func::FuncOp> functions;
  for (func::FuncOp func : module.getOps<func::FuncOp>())
    functions[func.getName()] = func;
  llvm::StringMap<std::string> renamed;
  auto rename = [&](const std::string &kernel, StringRef kind) -> std::string {
    std::string old = kernelSymbol(kernel, kind);
    func::FuncOp func = functions.lookup(old);
    if (!func)
      return "";
    return renamed[old] = mangle(kernel, target, kind);
  };
  std::vector<KernelFunctions> result;
  for (const Entry &entry : entries) {
    KernelFunctions kernel;
    kernel.name = entry.name;
    kernel.cache = entry.type;
    kernel.headsQ = entry.headsQ;
    // A fused kernel appends as its cache does and attends and merges as the plain attend does.
    std::string append = entry.cache + "_append";
    std::string plain = entry.append ? plainAttend(entry.name, entry.cache) : entry.name;
    auto needScratch = [&](func::FuncOp func) {
      kernel.scratchBytes = std::max(kernel.scratchBytes, func->getAttrOfType<IntegerAttr>("kv.scratch_bytes").getInt());
    };
    if (entry.append) {
      kernel.append = rename(append, "append");
      kernel.own = rename(append, "own");
      needScratch(functions.lookup(kernelSymbol(append, "append")));
    }
    if (entry.attend) {
      kernel.attend = rename(entry.name, "attend");
      kernel.plainAttend = mangle(plain, target, "attend");
      kernel.merge = rename(plain, "merge");
      func::FuncOp attend = functions.lookup(kernelSymbol(plain, "attend"));
      needScratch(attend);
      auto schedule = attend->getAttrOfType<ScheduleAttr>("kv.schedule");
      kernel.splitTokens = schedule.getSplit();
      kernel.queryBlock = schedule.getQueryBlock();
      kernel.itemHeads = schedule.getHeads();
    }
    result.push_back(kernel);
  }
  module.walk([&](func::CallOp call) {
    if (auto it = renamed.find(call.getCallee()); it != renamed.end())
      call.setCallee(it->second);
  });
  for (auto &[old, name] : renamed)
    functions[old].setName(name);
  return result;
}

} // namespace

ArrayRef<StringRef> phaseNames() {
  static const StringRef names[] = {"source", "fuse", "schedule", "tile", "place", "distribute", "instructions", "llvm", "object"};
  return names;
}

FailureOr<TargetObject> compileForTarget(ModuleOp module, const Target &target, const LowerOptions &options) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point last = Clock::now();
  auto finished = [&](StringRef phase) {
    Clock::time_point now = Clock::now();
    if (options.timing)
      options.timing(phase, std::chrono::duration<double, std::milli>(now - last).count());
    last = now;
    if (options.until != phase)
      return false;
    if (options.dump)
      module.print(*options.dump);
    return true;
  };
  TargetObject object;
  if (finished("source"))
    return object;
  std::vector<Entry> entries = readEntries(module);
  for (const Phase &phase : makePhases(target)) {
    if (phase.name == "llvm") {
      object.kernels = nameKernels(module, entries, target);
      if (target.addEntries)
        target.addEntries(module, object.kernels);
    }
    PassManager passes(module.getContext());
    passes.enableVerifier(true);
    phase.add(passes);
    if (failed(passes.run(module)))
      return failure();
    if (finished(phase.name))
      return object;
  }
  llvm::Expected<std::string> bytes = emitObject(module, target, options.assembly);
  if (!bytes) {
    module.emitError() << llvm::toString(bytes.takeError());
    return failure();
  }
  object.bytes = std::move(*bytes);
  finished("object");
  return object;
}

} // namespace kv
