// Verifies generated specs: seeds S, S + 1, ... on this machine's best target, on generic, and on one more.
//
//   oracle_test --seed 1 --count 200        200 specs; exit 1 when one fails
//   oracle_test --seed 17 --count 1         that one again
//   oracle_test --seed 17 --print           its text
//   KV_CUDA_LIBRARY=... oracle_test --target sm_90      on a GPU, or on what stands in for one
//   oracle_test --seed 17 --plant token     with a fault in its attends, which must be seen; --plant every: each in turn must be
//   oracle_test --target aarch64+dotprod+fp16 --runner 'qemu-aarch64 -cpu max'      on another architecture, as kvcc verify does it
#include "kv/kv.h"
#include "kv/kv_gpu.h"
#include "tests/oracle/FaultyExecution.h"
#include "tests/oracle/SpecGenerator.h"
#include "tools/kvcc/VerifySource.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"

#include <fmt/format.h>

namespace kv {
namespace {

llvm::cl::opt<uint64_t> seedOption("seed", llvm::cl::desc("first seed"), llvm::cl::init(1));
llvm::cl::opt<uint64_t> countOption("count", llvm::cl::desc("how many specs"), llvm::cl::init(10));
llvm::cl::opt<bool> printOption("print", llvm::cl::desc("only print the spec of the seed"));
llvm::cl::opt<bool> fullOption("full", llvm::cl::desc("all lengths, as kvcc verify has them"));
llvm::cl::opt<bool> allTargetsOption("all-targets", llvm::cl::desc("every target that this machine runs"));
llvm::cl::list<std::string> targetOption("target", llvm::cl::desc("these targets only"), llvm::cl::CommaSeparated);
llvm::cl::opt<std::string> runnerOption("runner", llvm::cl::desc("a command that runs the kernels; needs --target"));
llvm::cl::opt<std::string> runnerCompilerOption("runner-cc", llvm::cl::desc("the C compiler that links them"));
llvm::cl::opt<std::string> accuracyOption("accuracy", llvm::cl::desc("exact, high or fast in place of the spec's"));
llvm::cl::opt<std::string> routeOption("route", llvm::cl::desc("mlir, halide, or both"), llvm::cl::init("mlir"));
llvm::cl::opt<std::string> recordOption("record", llvm::cl::desc("a folder for recordings, as kvcc verify --record makes them"));
llvm::cl::opt<std::string> againstOption("against", llvm::cl::desc("a folder of such recordings: as kvcc verify --against"));

llvm::cl::opt<std::string> plantOption("plant", llvm::cl::desc("a fault in every attend: token, values, third, row, lse, nan; every: exit 0 "
                                                             "when each of them is seen"));

/// The fault of this run.
PlantedFault planted = PlantedFault::none;

/// What runs the kernels of --target in place of this process: null without --runner.
std::unique_ptr<RunnerBuild> runner;
/// Those of --target.
std::vector<const Target *> namedTargets;

/// Reads --target and --runner. False after a mistake, which has been said on stderr.
bool readTargets() {
  if (!runnerOption.empty() && targetOption.empty()) {
    llvm::errs() << "oracle_test: error: `--runner` needs `--target`\n";
    return false;
  }
  const std::vector<std::string> names(targetOption.begin(), targetOption.end());
  if (runnerOption.empty())
    return findRunnableTargets(names, namedTargets, runnerHelp);
  if (!findTargets(names, kv_cpu_features(), namedTargets))
    return false;
  RunnerOptions options;
  options.command = runnerOption;
  options.compiler = runnerCompilerOption;
  runner = makeRunner(options, namedTargets);
  return runner != nullptr;
}

/// The best target, generic, and one that changes with the seed.
std::vector<const Target *> chooseTargets(uint64_t seed) {
  if (!namedTargets.empty())
    return namedTargets;
  std::vector<const Target *> all = runnableTargets();
  if (allTargetsOption || all.size() <= 2)
    return all;
  std::vector<const Target *> chosen = {all.front(), all.back()};
  if (size_t between = all.size() - 2)
    chosen.insert(chosen.begin() + 1, all[1 + seed % between]);
  return chosen;
}

/// A fault ends a device's context for the whole process; what stands in for a device can be healed, so that the next seed has a
/// chance.
void heal() {
  void *function = nullptr;
  if (kv_gpu_symbol("kv_ptx_clear_fault", &function) == KV_OK)
    reinterpret_cast<void (*)()>(function)();
}

bool verifySeed(uint64_t seed, int64_t &cases) {
  const std::string text = generateSpec(seed, /*hides=*/routeOption == "mlir");
  fmt::print("seed {}: ", seed);
  std::fflush(stdout); // a crash must not hide whose it was
  auto fail = [&](const std::string &why) {
    if (plantOption == "every" && planted != PlantedFault::none) {
      const bool byResults = llvm::StringRef(why).contains("expected") || llvm::StringRef(why).contains("tolerance"); // not because something broke
      fmt::print("{}: {}", byResults ? "seen" : "FAILED otherwise", why);
      return !byResults;
    }
    std::string again = fmt::format("oracle_test --seed {} --count 1 --route {}", seed, routeOption.getValue());
    again += fullOption ? " --full" : "";
    again += allTargetsOption ? " --all-targets" : "";
    for (auto [option, value] : {std::pair("--accuracy", accuracyOption.getValue()), std::pair("--plant", plantOption.getValue()),
                                 std::pair("--runner", runnerOption.getValue()),
                                 std::pair("--runner-cc", runnerCompilerOption.getValue())})
      again += value.empty() ? "" : fmt::format(" {} '{}'", option, value);
    if (!targetOption.empty())
      again += fmt::format(" --target {}", fmt::join(targetOption, ","));
    fmt::print("FAILED\n{}{}\n  again: {}\n", text, why, again);
    std::fflush(stdout);
    return false;
  };

  int file = -1;
  llvm::SmallString<128> path;
  if (llvm::sys::fs::createTemporaryFile("oracle", "kv", file, path))
    return fail("cannot write a temporary file");
  llvm::raw_fd_ostream(file, /*shouldClose=*/true) << text;
  SourceOptions sourceOptions;
  sourceOptions.file = path.str().str();
  Source source(std::move(sourceOptions));
  bool read = source.read(llvm::errs());
  llvm::sys::fs::remove(path);
  if (!read)
    return fail("the language refuses it; the generator should know");

  VerifySourceOptions options;
  options.targets = chooseTargets(seed);
  if (!takeRoute(routeOption, options.targets))
    return fail("there is no such route");
  options.runner = runner.get();
  if (!recordOption.empty())
    options.record = fmt::format("{}/seed-{}", recordOption.getValue(), seed);
  if (!againstOption.empty())
    options.against = fmt::format("{}/seed-{}", againstOption.getValue(), seed);
  options.verify.seed = seed;
  options.verify.quick = !fullOption;
  options.verify.mostFailures = planted == PlantedFault::none ? 3 : 1;
  if (!accuracyOption.empty())
    options.accuracy = symbolizeAccuracy(accuracyOption);
  if (planted != PlantedFault::none)
    options.wrap = [](std::unique_ptr<Execution> inner, const ModuleSpec &module) {
      return std::make_unique<FaultyExecution>(std::move(inner), module, planted);
    };
  VerifySourceResult result = verifySource(source, options);
  if (result.status != CompileStatus::ok)
    return fail(result.error.empty() ? "could not be verified; the reason is above" : result.error);
  cases += result.summary.cases;
  if (!result.summary.failures.empty()) {
    if (llvm::any_of(options.targets, [](const Target *target) { return target->isLaunched(); }))
      heal();
    std::string why;
    for (const std::string &failure : result.summary.failures)
      why += failure + "\n";
    return fail(why);
  }
  fmt::print("{}\n", summaryLine(result.summary));
  return true;
}

/// Reads --plant. False after a mistake, which has been said on stderr.
bool readPlant() {
  if (plantOption.empty() || plantOption == "every")
    return true;
  auto found = llvm::find(plantedFaults(), plantOption);
  if (found == plantedFaults().end()) {
    llvm::errs() << "oracle_test: error: there is no fault `" << plantOption << "`\n";
    return false;
  }
  planted = PlantedFault(found - plantedFaults().begin() + 1);
  return true;
}

/// Plants each fault in each spec. Seeds that fail without one, or whose results do not show one, which is said.
std::string unseenFaults(uint64_t first, uint64_t count) {
  std::string failed;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    int64_t cases = 0;
    planted = PlantedFault::none;
    bool right = verifySeed(seed, cases);
    for (size_t fault = 0; fault < plantedFaults().size(); ++fault) {
      planted = PlantedFault(fault + 1);
      fmt::print("with a fault in `{}`, ", plantedFaults()[fault]);
      if (!verifySeed(seed, cases))
        continue;
      fmt::print("  FAILED: the fault has not been seen\n");
      right = false;
    }
    if (!right)
      failed += fmt::format(" {}", seed);
  }
  return failed;
}

} // namespace
} // namespace kv

int main(int argc, char **argv) {
  llvm::cl::ParseCommandLineOptions(argc, argv, "verifies generated specs against the interpreter\n");
  const uint64_t first = kv::seedOption, count = kv::countOption;
  if (kv::printOption) {
    fmt::print("{}", kv::generateSpec(first, kv::routeOption == "mlir"));
    return 0;
  }
  if (!kv::readPlant() || !kv::readTargets())
    return 1;
  int64_t cases = 0;
  std::string failed;
  if (kv::plantOption == "every")
    failed = kv::unseenFaults(first, count);
  else
    for (uint64_t seed = first; seed < first + count; ++seed)
      if (!kv::verifySeed(seed, cases))
        failed += fmt::format(" {}", seed);
  fmt::print("{} specs, {} cases; failed seeds:{}\n", count, cases, failed.empty() ? " none" : failed);
  kv::runner.reset(); // its temporary folder
  return failed.empty() ? 0 : 1;
}
