#include "compiler/driver/Driver.h"

#include "compiler/driver/Descriptors.h"
#include "compiler/driver/LocatedErrors.h"
#include "compiler/driver/Pipeline.h"
#include "compiler/frontend/Printer.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/xxhash.h"

#include <fmt/format.h>

#include <deque>

using namespace llvm;

namespace kv {

/// The last phase in which a failure is about what the user asked for; after it everything has been decided.
static constexpr const char *lastChoosingPhase = "schedule";

bool findTargets(ArrayRef<std::string> names, uint64_t features, std::vector<const Target *> &found) {
  for (const std::string &name : names) {
    const Target *target = name == "native" ? &nativeTarget(features) : findTarget(name);
    if (!target) {
      errs() << "kvcc: error: there is no target `" << name << "`\n  help: targets are native, " << targetNames() << "\n";
      return false;
    }
    if (!is_contained(found, target))
      found.push_back(target);
  }
  // Rows of a kernel's table stand in order of preference, whatever the order on the command line.
  llvm::sort(found); // targets() is one array: the order of addresses is its order
  return true;
}

bool takeRoute(StringRef route, std::vector<const Target *> &targets) {
  if (route == "mlir")
    return true;
  std::vector<const Target *> taken;
  for (const Target *target : targets) {
    const Target *twin = halideTwin(*target);
    if (!twin) {
      errs() << "kvcc: error: the Halide route makes kernels for processors, not for `" << target->name() << "`\n";
      return false;
    }
    if (route == "both")
      taken.push_back(target);
    taken.push_back(twin);
  }
  targets = taken;
  return true;
}

std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const Target &target : targets())
    if (!target.isLaunched() && !is_contained(names, target.architecture()))
      names.push_back(target.architecture());
  return names;
}

/// The target that asks least of machines of the architecture; of this one where it is empty.
static const Target *baseline(StringRef machine) {
  const Target *least = findTarget("generic");
  if (machine.empty() || machine == least->architecture())
    return least;
  least = nullptr;
  for (const Target &target : targets())
    if (!target.isLaunched() && target.architecture() == machine &&
        (!least || popcount(target.featureMask) < popcount(least->featureMask)))
      least = &target;
  return least;
}

static std::string objectName(const Source &source, const CompileOptions &options) {
  return options.name.empty() ? source.stem() : options.name;
}

/// One target's share of a compilation.
class TargetCompilation {
public:
  TargetCompilation(Source &source, const Target &target, const CompileOptions &options)
      : source(source), target(target), options(options) {
    lowering.until = options.until;
    lowering.dump = options.dump;
    lowering.assembly = options.assembly;
    lowering.timing = [&](StringRef phase, double milliseconds) {
      chosen |= phase == lastChoosingPhase;
      if (options.timing)
        options.timing->steps.push_back({target.name() + " " + phase.str(), milliseconds});
    };
  }

  CompileStatus lower() {
    if (!options.until.empty() && options.targets.size() > 1)
      *options.dump << "// target " << target.name() << "\n";
    mlir::FailureOr<LoweredModule> result = lowerForTarget(cast<mlir::ModuleOp>(source.module()->clone()), target, lowering);
    if (mlir::failed(result))
      return chosen ? CompileStatus::internalError : CompileStatus::userError;
    lowered = std::move(*result);
    return mlir::succeeded(checkTeamMemory(lowered)) ? CompileStatus::ok : CompileStatus::userError;
  }

  /// Whether the code of `other` is as good as its own.
  bool canTakeCodeOf(const TargetCompilation &other) const { return emitsCodeOf(lowered, other.lowered); }
  /// Leaves functions to `others`, which have them too.
  void takeFunctionsOf(ArrayRef<const TargetCompilation *> others) {
    SmallVector<const LoweredModule *> modules;
    for (const TargetCompilation *other : others)
      modules.push_back(&other->lowered);
    shareFunctions(lowered, modules);
  }

  CompileStatus translate() {
    if (lowered.stopped)
      return CompileStatus::ok;
    if (mlir::failed(makeHalideFunctions(lowered, lowering)))
      return CompileStatus::userError;
    mlir::FailureOr<TranslatedModule> result = translateForTarget(lowered, lowering);
    if (mlir::failed(result))
      return CompileStatus::internalError;
    kernels = std::move(result->kernels);
    code = std::move(result->code);
    return CompileStatus::ok;
  }

  /// Makes the object of what has been translated. It touches nothing of other compilations, nor of MLIR.
  void generate() {
    Timing clock;
    if (Expected<std::string> bytes = generateCode(std::move(*code), options.assembly))
      object = std::move(*bytes);
    else
      problem = toString(bytes.takeError());
    clock.mark("object");
    milliseconds = clock.steps[0].milliseconds;
  }

  /// Reports what `generate` has not.
  CompileStatus finish() {
    lowering.timing("object", milliseconds);
    if (problem.empty())
      return CompileStatus::ok;
    lowered.module->emitError() << problem;
    return CompileStatus::internalError;
  }

  /// Adds the target to `compiled`; its code is the object of `owner`, which may be this.
  void addTo(Compiled &compiled, const TargetCompilation &owner) const {
    for (const KernelFunctions &functions : owner.kernels) {
      auto kernel = find_if(compiled.module.kernels, [&](const KernelSpec &spec) { return spec.name == functions.name; });
      if (kernel == compiled.module.kernels.end() || (options.wants && !options.wants(functions.name, target)))
        continue;
      size_t index = static_cast<size_t>(kernel - compiled.module.kernels.begin());
      if (target.isLaunched())
        compiled.deviceVariants.push_back(deviceVariant(index, functions));
      else
        compiled.variants.push_back(variant(index, functions));
    }
    std::string name = objectName(source, options) + "." + owner.target.name();
    if (target.isLaunched())
      return compiled.devices.push_back({name + ".ptx", target.name(), target.computeCapability, object});
    name += options.assembly ? ".s" : ".o";
    auto file = find_if(compiled.objects, [&](const ObjectFile &file) { return file.name == name; });
    if (file == compiled.objects.end())
      file = compiled.objects.insert(file, {name, owner.object, target.architecture()});
    file->targets.push_back(target.name());
  }

private:
  Source &source;
  const Target &target;
  const CompileOptions &options;
  LowerOptions lowering;
  bool chosen = false; ///< what is done has been decided: a failure is no fault of the user
  LoweredModule lowered;
  std::vector<KernelFunctions> kernels;
  std::optional<Translation> code;
  std::string object, problem;
  double milliseconds = 0; ///< that the object took

  DeviceVariant deviceVariant(size_t kernel, const KernelFunctions &functions) const {
    DeviceVariant variant;
    variant.kernel = kernel;
    variant.target = target.name();
    variant.entries[functions.headsQ ? KV_PHASE_ATTEND : KV_PHASE_APPEND] = functions.entry;
    if (functions.headsQ)
      variant.entries[KV_PHASE_APPEND] = functions.appendEntry;
    variant.threads = target.capabilities.lanes;
    variant.sharedBytes = functions.scratchBytes;
    variant.splitTokens = functions.splitTokens;
    variant.alignTokens = functions.alignTokens;
    variant.queryBlock = functions.queryBlock;
    variant.rowBytes = functions.rowBytes;
    return variant;
  }

  Variant variant(size_t kernel, const KernelFunctions &functions) const {
    Variant variant;
    variant.kernel = kernel;
    variant.target = target.name();
    variant.base = target.capabilities.name;
    variant.route = target.route();
    variant.architecture = target.architecture();
    variant.features = target.featureMask;
    variant.run[KV_PHASE_APPEND] = functions.append;
    variant.run[KV_PHASE_ATTEND] = functions.attend;
    variant.run[KV_PHASE_MERGE] = functions.merge;
    variant.splitTokens = functions.splitTokens;
    variant.alignTokens = functions.alignTokens;
    variant.queryBlock = functions.queryBlock;
    variant.itemHeads = functions.itemHeads;
    variant.scratchBytes = functions.scratchBytes;
    variant.rowBytes = functions.rowBytes;
    return variant;
  }
};

/// Lowers for every target, one after the other, for MLIR's context is not locked; then makes objects of what differs, on all
/// cores.
static CompileStatus compileTargets(Source &source, const CompileOptions &options, Compiled &compiled) {
  std::deque<TargetCompilation> compilations;
  bool prints = !options.until.empty();
  for (const Target *target : options.targets) {
    TargetCompilation &compilation = compilations.emplace_back(source, *target, options);
    if (CompileStatus status = compilation.lower(); status != CompileStatus::ok)
      return status;
    if (CompileStatus status = prints ? compilation.translate() : CompileStatus::ok; status != CompileStatus::ok)
      return status;
  }
  if (prints)
    return CompileStatus::ok;
  // The most capable targets come first: the last one that an object serves needs the least.
  std::vector<const TargetCompilation *> owners;
  for (const TargetCompilation &compilation : compilations)
    owners.push_back(&*find_if(reverse(compilations), [&](const TargetCompilation &other) {
      return &other == &compilation || (!options.assembly && compilation.canTakeCodeOf(other));
    }));
  SmallVector<const TargetCompilation *> needLess; // than those that come next
  if (!options.assembly)
    for (auto [owner, compilation] : reverse(zip_equal(owners, compilations)))
      if (owner == &compilation) {
        compilation.takeFunctionsOf(needLess);
        needLess.push_back(&compilation);
      }
  DefaultThreadPool threads(hardware_concurrency());
  for (auto [owner, compilation] : zip_equal(owners, compilations))
    if (owner == &compilation) {
      if (CompileStatus status = compilation.translate(); status != CompileStatus::ok)
        return status;
      threads.async([&compilation = compilation] { compilation.generate(); });
    }
  threads.wait();
  for (auto [owner, compilation] : zip_equal(owners, compilations))
    if (owner == &compilation)
      if (CompileStatus status = compilation.finish(); status != CompileStatus::ok)
        return status;
  for (auto [owner, compilation] : zip_equal(owners, compilations))
    compilation.addTo(compiled, *owner);
  return CompileStatus::ok;
}

/// Hashes the file with everything spelled out, and the targets of each kernel in their order.
static std::string identityOf(const Source &source, const Compiled &compiled) {
  std::string text;
  raw_string_ostream stream(text);
  printSource(source.checked(), stream);
  for (const Variant &variant : compiled.variants)
    stream << variant.kernel << " " << variant.target << "\n";
  for (const DeviceVariant &variant : compiled.deviceVariants)
    stream << variant.kernel << " " << variant.target << "\n";
  return utohexstr(xxh3_64bits(text), /*LowerCase=*/true, 16);
}

CompileStatus compile(Source &source, const CompileOptions &options, Compiled &compiled) {
  compiled.module = source.spec();

  InitializeAllTargets();
  InitializeAllTargetMCs();
  InitializeAllAsmPrinters();
  InitializeAllAsmParsers();
  mlir::DialectRegistry registry;
  registerDialects(registry);
  source.context().appendDialectRegistry(registry);
  LocatedErrors diagnostics(source.context(), source.sources());

  if (CompileStatus status = compileTargets(source, options, compiled); status != CompileStatus::ok)
    return status;
  compiled.identity = identityOf(source, compiled);
  if (!options.until.empty() || options.assembly)
    return CompileStatus::ok;

  Timing clock;
  // The machine whose program launches; for one that has kernels of its own too, or else for this one.
  std::vector<const Target *> hosts;
  for (const Target *target : options.targets)
    if (!target->isLaunched() && none_of(hosts, [&](const Target *host) { return host->architecture() == target->architecture(); }))
      hosts.push_back(target);
  if (hosts.empty())
    hosts.push_back(baseline(options.machine));
  for (const Target *host : hosts) {
    Expected<std::string> descriptors = emitDescriptors(compiled, *host);
    if (!descriptors) {
      errs() << toString(descriptors.takeError()) << "\n";
      return CompileStatus::internalError;
    }
    std::string infix = hosts.size() > 1 ? ".table." + host->architecture() : "";
    compiled.objects.push_back({objectName(source, options) + infix + ".o", std::move(*descriptors), host->architecture()});
  }
  if (options.timing) {
    clock.mark("descriptors");
    options.timing->steps.push_back(clock.steps[0]);
  }
  return CompileStatus::ok;
}

} // namespace kv
