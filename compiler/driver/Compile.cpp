// Runs the phases of the pipeline on a module, names its kernels and emits them.
#include "compiler/driver/Compile.h"
#include "compiler/driver/Pipeline.h"
#include "compiler/driver/VerifyLevel.h"
#include "compiler/kernels/Partial.h"
#include "compiler/policy/Passes.h"
#include "compiler/schedule/Choice.h"
#include "compiler/targets/Emission.h"
#include "dialect/KernelBuilder.h"
#include "mlir/IR/Verifier.h"

#include <chrono>

using namespace mlir;

namespace kv {

namespace {

std::string mangle(StringRef kernel, const Target &target, StringRef kind) {
  std::string name = (kernel + "__" + target.name() + "__" + kind).str();
  for (char &c : name)
    if (!llvm::isAlnum(c))
      c = '_';
  return name;
}

std::vector<SourceFunction> readFunctions(ModuleOp module) {
  std::vector<SourceFunction> functions;
  for (func::FuncOp func : module.getOps<func::FuncOp>()) {
    SourceFunction function{func.getName().str(), "", false, false, {}};
    for (Operation &op : func.getBody().front()) {
      if (auto append = dyn_cast<AppendOp>(op)) {
        function.append = true;
        function.type = append.getCache().getType();
      } else if (auto attend = dyn_cast<AttendOp>(op)) {
        function.attend = true;
        function.type = attend.getCache().getType();
        function.headsQ = cast<RankedTensorType>(attend.getQuery().getType()).getDimSize(1);
        function.visible = analyzeMask(attend).value_or(VisibleAttr());
      }
    }
    function.cache = function.type.getName().getValue().str();
    functions.push_back(function);
  }
  return functions;
}

/// Makes declarations of the functions whose code is in another object, where any is called, and drops the others.
void dropForeign(ModuleOp module, const llvm::StringMap<const Target *> &owners, const llvm::StringMap<func::FuncOp> &functions) {
  SmallVector<func::FuncOp> foreign;
  for (const auto &owned : owners)
    foreign.push_back(functions.lookup(owned.first()));
  for (func::FuncOp func : foreign) {
    func.eraseBody();
    func.setPrivate();
    func->setDiscardableAttrs(ArrayRef<NamedAttribute>());
  }
  for (func::FuncOp func : foreign)
    if (SymbolTable::symbolKnownUseEmpty(func, module))
      func.erase();
}

/// Renames the functions of the module to the symbols of the objects and says which kernel has which.
std::vector<KernelFunctions> nameKernels(LoweredModule &lowered) {
  ModuleOp module = *lowered.module;
  const Target &target = *lowered.target;
  llvm::StringMap<func::FuncOp> functions;
  for (func::FuncOp func : module.getOps<func::FuncOp>())
    functions[func.getName()] = func;
  auto ownerOf = [&](const std::string &function) -> const Target & {
    const Target *owner = lowered.owners.lookup(function);
    return owner ? *owner : target;
  };
  llvm::StringMap<std::string> renamed;
  auto rename = [&](const std::string &kernel, StringRef kind) -> std::string {
    std::string old = kernelSymbol(kernel, kind);
    func::FuncOp func = functions.lookup(old);
    if (!func)
      return "";
    return renamed[old] = mangle(kernel, ownerOf(old), kind);
  };
  std::vector<KernelFunctions> result;
  for (const SourceFunction &source : lowered.functions) {
    KernelFunctions kernel;
    kernel.name = source.name;
    kernel.cache = source.type;
    kernel.headsQ = source.headsQ;
    // A fused kernel appends as its cache does and attends and merges as the plain attend does.
    std::string append = source.cache + "_append";
    std::string plain = source.append ? plainAttend(source.name, source.cache) : source.name;
    auto needScratch = [&](func::FuncOp func) {
      kernel.scratchBytes = std::max(kernel.scratchBytes, func->getAttrOfType<IntegerAttr>("kv.scratch_bytes").getInt());
    };
    if (source.append) {
      kernel.append = rename(append, "append");
      kernel.own = rename(append, "own");
      needScratch(functions.lookup(kernelSymbol(append, "append")));
    }
    if (source.attend) {
      kernel.visible = source.visible;
      kernel.attend = rename(source.name, "attend");
      kernel.plainAttend = mangle(plain, ownerOf(kernelSymbol(plain, "attend")), "attend");
      kernel.merge = rename(plain, "merge");
      func::FuncOp attend = functions.lookup(kernelSymbol(plain, "attend"));
      needScratch(attend);
      auto schedule = attend->getAttrOfType<ScheduleAttr>("kv.schedule");
      kernel.splitTokens = schedule.getItem().getSplit();
      kernel.alignTokens = splitUnit(source.type, schedule.getBlock().getTokens());
      kernel.rowBytes = Partial::bytesOfRow(source.type.getValueDim());
      kernel.queryBlock = schedule.getItem().getQueries();
      kernel.itemHeads = schedule.getItem().getHeads();
    }
    result.push_back(kernel);
  }
  module.walk([&](func::CallOp call) {
    if (auto it = renamed.find(call.getCallee()); it != renamed.end())
      call.setCallee(it->second);
  });
  for (auto &[old, name] : renamed)
    functions[old].setName(name);
  dropForeign(module, lowered.owners, functions);
  return result;
}

/// Tells of each phase when it is over.
class PhaseClock {
public:
  explicit PhaseClock(const LowerOptions &options) : options(options) {}

  /// True if the user wants no more than this; then the module has been printed.
  bool finished(StringRef phase, ModuleOp module) {
    Clock::time_point now = Clock::now();
    if (options.timing)
      options.timing(phase, std::chrono::duration<double, std::milli>(now - last).count());
    last = now;
    if (options.until != phase)
      return false;
    if (options.dump)
      module.print(*options.dump);
    return true;
  }

private:
  using Clock = std::chrono::steady_clock;
  const LowerOptions &options;
  Clock::time_point last = Clock::now();
};

} // namespace

/// Runs phases one by one; false when it stopped where the user asked for it.
static FailureOr<bool> runPhases(ModuleOp module, ArrayRef<Phase> phases, PhaseClock &clock) {
  for (const Phase &phase : phases) {
    PassManager passes(module.getContext());
    passes.enableVerifier(false); // after every pass took a seventh of the time of a compilation
    phase.add(passes);
    if (failed(passes.run(module)) || failed(verify(module)) || failed(verifyLevel(module, phase.leaves)))
      return failure();
    if (clock.finished(phase.name, module))
      return false;
  }
  return true;
}

FailureOr<LoweredModule> lowerForTarget(OwningOpRef<ModuleOp> module, const Target &target, const LowerOptions &options) {
  PhaseClock clock(options);
  LoweredModule lowered{&target, std::move(module), {}, true, {}, {}};
  if (clock.finished("source", *lowered.module))
    return lowered;
  lowered.functions = readFunctions(*lowered.module);
  FailureOr<bool> finished = runPhases(*lowered.module, loweringPhases(target), clock);
  if (failed(finished))
    return failure();
  lowered.stopped = !*finished;
  return lowered;
}

LogicalResult checkTeamMemory(const LoweredModule &lowered) {
  const Capabilities &capabilities = lowered.target->capabilities;
  LogicalResult result = success();
  if (!capabilities.threads)
    return result;
  for (func::FuncOp func : lowered.module.get().getOps<func::FuncOp>())
    if (auto bytes = func->getAttrOfType<IntegerAttr>("kv.scratch_bytes"); bytes && bytes.getInt() > capabilities.teamBytes)
      result = func.emitError() << "target `" << capabilities.name << "` has " << capabilities.teamBytes
                                << " bytes of shared memory for a block of threads, and `" << func.getName().split('.').first
                                << "` needs " << bytes.getInt()
                                << ": its query heads on one kv head, times their dimensions, are too many";
  return result;
}

LogicalResult makeHalideFunctions(LoweredModule &lowered, const LowerOptions &options) {
  PhaseClock clock(options);
  ModuleOp module = *lowered.module;
  halide::Plan plan = halide::writePlan(module, lowered.target->halide);
  if (plan.isEmpty())
    return success();
  llvm::Expected<halide::Functions> functions = halide::buildFunctions(plan);
  if (!functions)
    return module.emitError() << llvm::toString(functions.takeError());
  lowered.made = std::move(*functions);
  clock.finished("halide", module);
  return success();
}

FailureOr<TranslatedModule> translateForTarget(LoweredModule &lowered, const LowerOptions &options) {
  PhaseClock clock(options);
  const Target &target = *lowered.target;
  ModuleOp module = *lowered.module;
  TranslatedModule result;
  result.kernels = nameKernels(lowered);
  if (target.addEntries)
    target.addEntries(module, result.kernels);
  FailureOr<bool> finished = runPhases(module, {llvmPhase()}, clock);
  if (failed(finished))
    return failure();
  if (!*finished)
    return result;
  llvm::Expected<Translation> code = translate(module, lowered.made, target);
  if (!code) {
    module.emitError() << llvm::toString(code.takeError());
    return failure();
  }
  result.code.emplace(std::move(*code));
  clock.finished("translate", module);
  return result;
}

/// Whether a machine that `target` runs on runs the code of `from`, made by the same route.
static bool runsCodeOf(const Target &target, const Target &from) {
  return target.triple == from.triple && target.route() == from.route() && target.vectorBits == from.vectorBits &&
         !target.isLaunched() && (from.featureMask & ~target.featureMask) == 0;
}

bool emitsCodeOf(const LoweredModule &lowered, const LoweredModule &other) {
  return runsCodeOf(*lowered.target, *other.target) && lowered.target->halide == other.target->halide &&
         OperationEquivalence::isEquivalentTo(lowered.module.get(), other.module.get(), OperationEquivalence::IgnoreLocations);
}

/// Whether both modules have the same function of that name, and the same behind its calls.
static bool haveSame(ModuleOp a, ModuleOp b, StringRef name) {
  auto left = a.lookupSymbol<func::FuncOp>(name), right = b.lookupSymbol<func::FuncOp>(name);
  if (!left || !right || left.isDeclaration() || right.isDeclaration())
    return false;
  for (StringRef attribute : {"kv.scratch_bytes", "kv.scratch_on_stack"}) // a schedule says how it was made
    if (left->getAttr(attribute) != right->getAttr(attribute))
      return false;
  if (!OperationEquivalence::isRegionEquivalentTo(&left.getBody(), &right.getBody(), OperationEquivalence::IgnoreLocations))
    return false;
  WalkResult calls = left.walk(
      [&](func::CallOp call) { return haveSame(a, b, call.getCallee()) ? WalkResult::advance() : WalkResult::interrupt(); });
  return !calls.wasInterrupted();
}

void shareFunctions(LoweredModule &lowered, ArrayRef<const LoweredModule *> others) {
  for (func::FuncOp func : lowered.module->getOps<func::FuncOp>())
    for (const LoweredModule *other : others)
      if (runsCodeOf(*lowered.target, *other->target) && haveSame(*lowered.module, *other->module, func.getName())) {
        lowered.owners[func.getName()] = other->target;
        break;
      }
}

} // namespace kv
