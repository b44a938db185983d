#include "tools/kvcc/VerifySource.h"

#include "kv/kv.h"
#include "tools/kvcc/Loader.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <fmt/format.h>

namespace kv {

std::vector<const Target *> runnableTargets() {
  std::vector<const Target *> found;
  auto host = llvm::Triple(llvm::sys::getProcessTriple()).getArch();
  for (const Target &target : targets())
    if (llvm::Triple(target.triple).getArch() == host && (target.featureMask & ~kv_cpu_features()) == 0)
      found.push_back(&target);
  return found;
}

bool checkRunnable(llvm::ArrayRef<const Target *> targets) {
  const std::vector<const Target *> runnable = runnableTargets();
  for (const Target *target : targets)
    if (!llvm::is_contained(runnable, target)) {
      llvm::errs() << "kvcc: error: this machine does not run target `" << target->name() << "`\n  help: it runs "
                   << llvm::join(llvm::map_range(runnable, [](const Target *one) { return one->name(); }), ", ") << "\n";
      return false;
    }
  return true;
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
  auto loader = Loader::load(compiled.objects);
  if (!loader) {
    fail(loader.takeError());
    return result;
  }
  VerifyOptions verifyOptions = options.verify;
  verifyOptions.targets.clear();
  for (const Target *target : options.targets)
    verifyOptions.targets.push_back(target->name());
  auto lookup = [&](llvm::StringRef name) { return loader->kernel(name); };
  auto summary = verify(source.module(), readModule(source.module()), lookup, verifyOptions);
  if (summary)
    result.summary = std::move(*summary);
  else
    fail(summary.takeError());
  return result;
}

std::string summaryLine(const VerifySummary &summary) {
  std::string numbers = fmt::format("worst error {:.2e}, tolerance {:.2e}", summary.worstError, summary.tolerance);
  if (summary.failures.empty())
    return fmt::format("verified {} cases, {}", summary.cases, numbers);
  return fmt::format("failed {} of {} cases, {}", summary.failures.size(), summary.cases, numbers);
}

} // namespace kv
