#include "tools/kvcc/VerifySource.h"

#include "kv/kv.h"
#include "tools/kvcc/GpuExecution.h"
#include "tools/kvcc/Loader.h"
#include "tools/kvcc/RunnerExecution.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <fmt/format.h>

namespace kv {

std::vector<const Target *> runnableTargets() {
  std::vector<const Target *> found;
  auto host = llvm::Triple(llvm::sys::getProcessTriple()).getArch();
  for (const Target &target : targets())
    if (llvm::Triple(target.triple).getArch() == host && (target.featureMask & ~(kv_cpu_features() | KV_FEATURES_OF_SPEED)) == 0)
      found.push_back(&target);
  return found;
}

/// Why the GPU does not run a target, and what runs GPU targets.
static void refuseGpu(llvm::StringRef target, llvm::StringRef why) {
  llvm::errs() << "kvcc: error: this machine does not run target `" << target << "`: " << why
               << "\n  help: GPU targets run by `libcuda.so.1`, or by the library that the environment variable `KV_CUDA_LIBRARY` "
                  "names\n";
}

static void refuseProcessor(llvm::StringRef target, llvm::ArrayRef<const Target *> runnable, llvm::StringRef help) {
  llvm::errs() << "kvcc: error: this machine does not run target `" << target << "`\n  help: it runs "
               << llvm::join(llvm::map_range(runnable, [](const Target *one) { return one->name(); }), ", ") << "\n";
  if (!help.empty())
    llvm::errs() << "  help: " << help << "\n";
}

/// The most capable target that the GPU runs. Null when it runs none, with the last one's refusal in `why`.
static const Target *bestOfGpu(std::string &why) {
  const Target *best = nullptr;
  for (const Target &target : targets()) {
    if (!target.isLaunched() || (best && target.computeCapability < best->computeCapability))
      continue;
    why = GpuExecution::refusal(target.computeCapability);
    if (why.empty())
      best = &target;
  }
  return best;
}

bool findRunnableTargets(llvm::ArrayRef<std::string> names, std::vector<const Target *> &found, llvm::StringRef help) {
  std::vector<std::string> known = names.vec();
  for (std::string &name : known)
    if (name == "gpu") {
      std::string why;
      const Target *best = bestOfGpu(why);
      if (!best) {
        refuseGpu(name, why);
        return false;
      }
      name = best->name();
    }
  if (!findTargets(known, kv_cpu_features(), found))
    return false;
  const std::vector<const Target *> runnable = runnableTargets();
  for (const Target *target : found)
    if (target->isLaunched()) {
      if (std::string why = GpuExecution::refusal(target->computeCapability); !why.empty()) {
        refuseGpu(target->name(), why);
        return false;
      }
    } else if (!llvm::is_contained(runnable, target)) {
      refuseProcessor(target->name(), runnable, help);
      return false;
    }
  return true;
}

/// Says a mistake of the user on stderr.
static void say(llvm::Error error) { llvm::errs() << "kvcc: error: " << llvm::toString(std::move(error)) << "\n"; }

std::unique_ptr<RunnerBuild> makeRunner(const RunnerOptions &options, llvm::ArrayRef<const Target *> targets) {
  for (const Target *target : targets)
    if (target->isLaunched()) {
      llvm::errs() << "kvcc: error: target `" << target->name() << "` is of a GPU; a runner is for processors\n";
      return nullptr;
    }
  for (const Target *target : targets)
    if (llvm::Triple(target->triple).getArch() != llvm::Triple(targets[0]->triple).getArch()) {
      llvm::errs() << "kvcc: error: targets `" << targets[0]->name() << "` and `" << target->name()
                   << "` are of different architectures; a runner is for one\n";
      return nullptr;
    }
  auto runner = RunnerBuild::create(options, targets[0]->triple);
  if (runner)
    return std::move(*runner);
  say(runner.takeError());
  return nullptr;
}

/// Starts a runner that holds the compiled kernels. Null after an error, which has been said on stderr.
static std::unique_ptr<Execution> startRunner(RunnerBuild &runner, const Compiled &compiled,
                                              llvm::ArrayRef<const Target *> targets) {
  std::vector<std::string> names;
  for (const KernelSpec &kernel : compiled.module.kernels)
    names.push_back(kernel.name);
  auto command = runner.link(compiled.objects, names);
  if (!command) {
    say(command.takeError());
    return nullptr;
  }
  auto execution = RunnerExecution::start(*command, runner.seconds());
  if (!execution) {
    say(execution.takeError());
    return nullptr;
  }
  for (const Target *target : targets)
    if (std::string refusal = (*execution)->refusal(target->name()); !refusal.empty()) {
      llvm::errs() << "kvcc: error: the runner does not run target `" << target->name() << "`: " << refusal << "\n";
      return nullptr;
    }
  return std::move(*execution);
}

/// The recording to write or to compare with; null when none is asked for.
static llvm::Expected<std::unique_ptr<Recording>> openRecording(const VerifySourceOptions &options) {
  if (!options.record.empty())
    return Recording::create(options.record);
  if (!options.against.empty())
    return Recording::open(options.against);
  return nullptr;
}

static void setAccuracy(mlir::ModuleOp module, Accuracy accuracy) {
  module.walk([&](AttendOp op) { op.setAccuracy(accuracy); });
  module.walk([&](AppendAttendOp op) { op.setAccuracy(accuracy); });
}

VerifySourceResult verifySource(Source &source, const VerifySourceOptions &options) {
  VerifySourceResult result;
  if (options.accuracy)
    setAccuracy(source.module(), *options.accuracy);
  CompileOptions compileOptions;
  compileOptions.targets = options.targets;
  Compiled compiled;
  result.status = compile(source, compileOptions, compiled);
  if (result.status != CompileStatus::ok)
    return result;

  auto fail = [&](llvm::Error error) {
    result.status = CompileStatus::internalError;
    result.error = llvm::toString(std::move(error));
  };
  std::optional<Loader> loader; // outlives the executions
  std::unique_ptr<Execution> processor, gpu;
  if (options.runner) {
    processor = startRunner(*options.runner, compiled, options.targets);
    if (!processor) {
      result.status = CompileStatus::userError;
      return result;
    }
  } else {
    auto loaded = Loader::load(compiled.objects);
    if (!loaded) {
      fail(loaded.takeError());
      return result;
    }
    loader.emplace(std::move(*loaded));
    auto lookup = [&](llvm::StringRef name) { return loader->kernel(name); };
    processor = std::make_unique<LocalExecution>(lookup);
    if (llvm::any_of(options.targets, [](const Target *target) { return target->isLaunched(); })) {
      auto created = GpuExecution::create(lookup);
      if (!created) {
        fail(created.takeError());
        return result;
      }
      gpu = std::move(*created);
    }
  }
  if (options.wrap) {
    processor = options.wrap(std::move(processor), compiled.module);
    if (gpu)
      gpu = options.wrap(std::move(gpu), compiled.module);
  }
  auto opened = openRecording(options);
  if (!opened) {
    say(opened.takeError());
    result.status = CompileStatus::userError;
    return result;
  }
  std::unique_ptr<Recording> recording = std::move(*opened);
  if (recording) {
    processor = std::make_unique<RecordedExecution>(std::move(processor), *recording);
    if (gpu)
      gpu = std::make_unique<RecordedExecution>(std::move(gpu), *recording);
  }
  std::vector<VerifyTarget> targets;
  for (const Target *target : options.targets)
    targets.push_back({target->name(), target->isLaunched() ? gpu.get() : processor.get()});
  auto summary = verify(source.module(), readModule(source.module()), targets, options.verify);
  if (!summary) {
    fail(summary.takeError());
    return result;
  }
  result.summary = std::move(*summary);
  if (recording) {
    result.summary.compared = recording->compared();
    if (result.summary.failures.empty())
      if (std::string problem = recording->finish(); !problem.empty())
        result.summary.failures.push_back(problem);
  }
  return result;
}

std::string summaryLine(const VerifySummary &summary) {
  std::string numbers = "no output was compared";
  if (summary.tolerance > 0)
    numbers = fmt::format("worst error {:.2e}, tolerance {:.2e}", summary.worstError, summary.tolerance);
  if (!summary.compared.empty()) {
    int64_t steps = 0;
    double ulp = 0;
    for (const Compared &kernel : summary.compared) {
      steps += kernel.steps;
      ulp = std::max({ulp, kernel.ulp, kernel.lseUlp});
    }
    numbers += fmt::format("; {} steps compared, at most {:.1f} ulp apart", steps, ulp);
  }
  if (summary.failures.empty())
    return fmt::format("verified {} cases, {}", summary.cases, numbers);
  return fmt::format("failed {} of {} cases, {}", summary.failures.size(), summary.cases, numbers);
}

} // namespace kv
