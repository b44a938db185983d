#include "compiler/driver/Driver.h"

#include "compiler/driver/Descriptors.h"
#include "compiler/driver/LocatedErrors.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/TargetSelect.h"

#include <fmt/format.h>

using namespace llvm;

namespace kv {

/// The last phase in which a failure is about what the user asked for; after it everything has been decided.
static constexpr const char *lastChoosingPhase = "schedule";

bool checkSchedules(Source &source) {
  bool good = true;
  for (const CheckedAttend &attend : source.checked().attends)
    for (const CheckedSchedule &schedule : attend.schedules) {
      const Word &word = schedule.syntax->target;
      if (word.text != "native" && findTarget(word.text))
        continue;
      good = false;
      source.sources().PrintMessage(errs(), word.range.Start, SourceMgr::DK_Error, "there is no target `" + word.text + "`",
                                    word.range, {}, /*ShowColors=*/false);
      errs() << "  help: targets are " << targetNames() << "\n";
    }
  return good;
}

bool findTargets(ArrayRef<std::string> names, std::vector<const Target *> &found) {
  for (const std::string &name : names) {
    const Target *target = findTarget(name);
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

/// Lowers one target's copy of the module; notes how far it came.
static CompileStatus lower(Source &source, const Target &target, const CompileOptions &options, Compiled &compiled) {
  mlir::OwningOpRef<mlir::ModuleOp> module = cast<mlir::ModuleOp>(source.module()->clone());
  bool chosen = false;
  LowerOptions lowering;
  lowering.until = options.until;
  lowering.dump = options.dump;
  lowering.assembly = options.assembly;
  lowering.timing = [&](StringRef phase, double milliseconds) {
    chosen |= phase == lastChoosingPhase;
    if (options.timing)
      options.timing->steps.push_back({target.name() + " " + phase.str(), milliseconds});
  };
  if (!options.until.empty() && options.targets.size() > 1)
    *options.dump << "// target " << target.name() << "\n";
  auto object = compileForTarget(*module, target, lowering);
  if (mlir::failed(object))
    return chosen ? CompileStatus::internalError : CompileStatus::userError;
  if (!options.until.empty())
    return CompileStatus::ok;

  for (const KernelFunctions &functions : object->kernels) {
    auto kernel = find_if(compiled.module.kernels, [&](const KernelSpec &spec) { return spec.name == functions.name; });
    if (kernel == compiled.module.kernels.end())
      continue;
    size_t index = static_cast<size_t>(kernel - compiled.module.kernels.begin());
    if (target.isLaunched()) {
      DeviceVariant variant;
      variant.kernel = index;
      variant.target = target.name();
      variant.entry = functions.entry;
      variant.appendEntry = functions.appendEntry;
      variant.threads = target.capabilities.lanes;
      variant.sharedBytes = functions.scratchBytes;
      variant.splitTokens = functions.splitTokens;
      variant.queryBlock = functions.queryBlock;
      if (functions.headsQ)
        variant.partialBytes =
            functions.queryBlock * (functions.headsQ / functions.cache.getHeads()) * (functions.cache.getValueDim() + 2) * 4;
      compiled.deviceVariants.push_back(std::move(variant));
      continue;
    }
    Variant variant;
    variant.kernel = index;
    variant.target = target.name();
    variant.architecture = target.architecture();
    variant.features = target.featureMask;
    variant.append = functions.append;
    variant.attend = functions.attend;
    variant.merge = functions.merge;
    variant.splitTokens = functions.splitTokens;
    variant.queryBlock = functions.queryBlock;
    variant.itemHeads = functions.itemHeads;
    variant.scratchBytes = functions.scratchBytes;
    compiled.variants.push_back(std::move(variant));
  }
  if (target.isLaunched()) {
    compiled.devices.push_back(
        {source.stem() + "." + target.name() + ".ptx", target.name(), target.computeCapability, std::move(object->bytes)});
    return CompileStatus::ok;
  }
  compiled.objects.push_back({source.stem() + "." + target.name() + (options.assembly ? ".s" : ".o"), std::move(object->bytes),
                              target.architecture(), target.name()});
  return CompileStatus::ok;
}

CompileStatus compile(Source &source, const CompileOptions &options, Compiled &compiled) {
  compiled.module = source.spec();
  if (!checkSchedules(source))
    return CompileStatus::userError;

  InitializeAllTargets();
  InitializeAllTargetMCs();
  InitializeAllAsmPrinters();
  InitializeAllAsmParsers();
  mlir::DialectRegistry registry;
  registerDialects(registry);
  source.context().appendDialectRegistry(registry);
  LocatedErrors diagnostics(source.context(), source.sources());

  for (const Target *target : options.targets) {
    CompileStatus status = lower(source, *target, options, compiled);
    if (status != CompileStatus::ok)
      return status;
  }
  if (!options.until.empty() || options.assembly)
    return CompileStatus::ok;

  Timing clock;
  // The machine whose program launches; for one that has kernels of its own too, or else for this one.
  std::vector<const Target *> hosts;
  for (const Target *target : options.targets)
    if (!target->isLaunched() &&
        none_of(hosts, [&](const Target *host) { return host->architecture() == target->architecture(); }))
      hosts.push_back(target);
  if (hosts.empty())
    hosts.push_back(findTarget("generic"));
  for (const Target *host : hosts) {
    Expected<std::string> descriptors = emitDescriptors(compiled, *host);
    if (!descriptors) {
      errs() << toString(descriptors.takeError()) << "\n";
      return CompileStatus::internalError;
    }
    std::string infix = hosts.size() > 1 ? ".table." + host->architecture() : "";
    compiled.objects.push_back({source.stem() + infix + ".o", std::move(*descriptors), host->architecture()});
  }
  if (options.timing) {
    clock.mark("descriptors");
    options.timing->steps.push_back(clock.steps[0]);
  }
  return CompileStatus::ok;
}

} // namespace kv
