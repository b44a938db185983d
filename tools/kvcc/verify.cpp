// kvcc verify: compiles for this machine and for generic, for its GPU, or for what --runner runs, runs every kernel against the
// interpreter, and says how far apart they are.
#include "compiler/support/Files.h"
#include "compiler/support/Json.h"
#include "kv/kv.h"
#include "kv/kv_tokens.h"
#include "tools/kvcc/Commands.h"
#include "tools/kvcc/CrashReport.h"
#include "tools/kvcc/Output.h"
#include "tools/kvcc/SourceArguments.h"
#include "tools/kvcc/VerifySource.h"

#include <CLI/CLI.hpp>

#include <cmath>
#include <sys/resource.h>
#include <unistd.h>

namespace kv {
namespace {

struct VerifyArguments {
  SourceArguments source;
  std::vector<std::string> targets = {"native", "generic"};
  std::vector<std::string> kernels;
  std::string accuracy, record, against;
  std::string route = "mlir";
  RunnerOptions runner;
  uint64_t seed = 1;
  bool allTargets = false;
  bool quick = false;
  bool json = false;
};

/// Null where nothing was measured: no case got so far, or there is no lse. An error that is no number is null too.
nlohmann::json measured(double value, double tolerance) {
  return tolerance > 0 && std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}

void printJson(const VerifyArguments &arguments, const VerifySummary &summary) {
  nlohmann::json rows = nlohmann::json::array();
  for (const VerifyRow &row : summary.rows)
    rows.push_back({{"kernel", row.kernel},
                    {"target", row.target},
                    {"cases", row.cases},
                    {"failures", row.failures},
                    {"error", measured(row.error, row.tolerance)},
                    {"tolerance", measured(row.tolerance, row.tolerance)},
                    {"lse_error", measured(row.lseError, row.lseTolerance)},
                    {"lse_tolerance", measured(row.lseTolerance, row.lseTolerance)}});
  nlohmann::json compared = nlohmann::json::array();
  for (const Compared &kernel : summary.compared)
    compared.push_back({{"kernel", kernel.kernel},
                        {"target", kernel.target},
                        {"steps", kernel.steps},
                        {"bits_defined", kernel.bitsDefined},
                        {"ulp", kernel.ulp},
                        {"lse_ulp", kernel.lseUlp}});
  nlohmann::json all = {{"file", arguments.source.file},
                        {"seed", arguments.seed},
                        {"cases", summary.cases},
                        {"worst_error", measured(summary.worstError, summary.tolerance)},
                        {"tolerance", measured(summary.tolerance, summary.tolerance)},
                        {"kernels", rows},
                        {"compared", compared},
                        {"failures", summary.failures}};
  llvm::outs() << jsonText(all);
}

void printText(const VerifyArguments &arguments, const VerifySummary &summary) {
  size_t kernels = 28, targets = 24; // widths of columns
  for (const VerifyRow &row : summary.rows) {
    kernels = std::max(kernels, row.kernel.size());
    targets = std::max(targets, row.target.size());
  }
  auto names = [&](const std::string &kernel, const std::string &target) {
    printOut("{:<{}} {:<{}} ", kernel, kernels, target, targets);
  };
  names("kernel", "target");
  printOut("{:>6} {:>10} {:>10} {:>10} {:>10}\n", "cases", "error", "tolerance", "lse error", "tolerance");
  for (const VerifyRow &row : summary.rows) {
    names(row.kernel, row.target);
    printOut("{:>6}", row.cases);
    if (row.tolerance > 0)
      printOut(" {:>10.2e} {:>10.2e}", row.error, row.tolerance);
    else
      printOut(" {:>10} {:>10}", "-", "-");
    if (row.lseTolerance > 0)
      printOut(" {:>10.2e} {:>10.2e}", row.lseError, row.lseTolerance);
    printOut("\n");
  }
  if (!summary.compared.empty()) {
    printOut("\n");
    names("against the recording", "target");
    printOut("{:>6} {:<10} {:>10} {:>10}\n", "steps", "bits", "ulp", "lse ulp");
  }
  for (const Compared &kernel : summary.compared) {
    names(kernel.kernel, kernel.target);
    printOut("{:>6} {:<10} {:>10.1f} {:>10.1f}\n", kernel.steps, kernel.bitsDefined ? "defined" : "open", kernel.ulp,
             kernel.lseUlp);
  }
  llvm::outs().flush();
  for (const std::string &failure : summary.failures)
    llvm::errs() << arguments.source.file << ": error: " << failure << "\n";
  if (!summary.failures.empty())
    llvm::errs() << "  help: the same numbers come again with `--seed " << arguments.seed << "`\n";
  printOut("{}\n", summaryLine(summary));
}

/// Bytes that this process may have: the machine's, or what a limit leaves of them.
double memoryHere() {
  double bytes = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  rlimit limit;
  if (!getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY)
    bytes = std::min(bytes, static_cast<double>(limit.rlim_cur));
  return bytes;
}

/// Holds that the pages of the largest batch, a copy of them and one in another layout fit. False after an error, which has been
/// said on stderr.
bool checkMemory(const ModuleSpec &module) {
  for (const CacheSpec &cache : module.caches) {
    bool dense = cache.type.getLayout().getKind() == LayoutKind::dense;
    int64_t pages = dense ? 4 : 12 + kv_entries(cache.tokens, 10000);
    double needed = 3 * static_cast<double>(pages) * static_cast<double>(cache.map.bytes), here = memoryHere();
    if (needed <= here)
      continue;
    llvm::errs() << fmt::format("kvcc: error: cache `{}` has pages of {} bytes, and verify works on {} of them, which takes {:.0f} "
                                "GB; there are {:.0f} GB\n  help: fewer slots (`-p`) are verified as well\n",
                                cache.name, cache.map.bytes, pages, needed * 1e-9, here * 1e-9);
    return false;
  }
  return true;
}

int runVerify(const VerifyArguments &arguments) {
  std::unique_ptr<Source> source = arguments.source.open();
  if (!source)
    return exitUserError;
  if (llvm::Error error = keepInputs(arguments.record, source->files())) {
    llvm::errs() << "kvcc: error: " << llvm::toString(std::move(error)) << "\n  help: `--record` names a file of its own\n";
    return exitUserError;
  }
  VerifySourceOptions options;
  options.verify.seed = arguments.seed;
  options.verify.quick = arguments.quick;
  options.verify.kernels = arguments.kernels;
  options.record = arguments.record;
  options.against = arguments.against;
  if (!arguments.accuracy.empty())
    options.accuracy = symbolizeAccuracy(arguments.accuracy);
  const bool foreign = !arguments.runner.command.empty();
  if (arguments.allTargets)
    options.targets = runnableTargets();
  else if (foreign ? !findTargets(arguments.targets, kv_cpu_features(), options.targets)
                   : !findRunnableTargets(arguments.targets, options.targets, runnerHelp))
    return exitUserError;
  if (!takeRoute(arguments.route, options.targets))
    return exitUserError;
  std::vector<std::string> kernels;
  ModuleSpec module = source->spec();
  for (const KernelSpec &spec : module.kernels)
    if (isVerified(module, spec))
      kernels.push_back(spec.name);
  if (!checkKernelNames(arguments.kernels, kernels) || !checkMemory(module))
    return exitUserError;

  std::unique_ptr<RunnerBuild> runner;
  if (foreign && !(runner = makeRunner(arguments.runner, options.targets)))
    return exitUserError;
  options.runner = runner.get();
  VerifySourceResult result = verifySource(*source, options);
  if (!result.error.empty())
    return reportInternalError(result.error);
  if (result.status != CompileStatus::ok)
    return exitCodeOf(result.status);
  if (arguments.json)
    printJson(arguments, result.summary);
  else
    printText(arguments, result.summary);
  return result.summary.failures.empty() ? exitOk : exitUserError;
}

} // namespace

void addVerify(CLI::App &app, Command &chosen) {
  auto arguments = std::make_shared<VerifyArguments>();
  CLI::App *command = app.add_subcommand("verify", "run the kernels on this machine against the reference interpreter");
  arguments->source.declare(*command);
  declareTargets(*command, arguments->targets, localTargetsHelp);
  declareRoute(*command, arguments->route);
  CLI::Option *allTargets =
      command->add_flag("--all-targets", arguments->allTargets, "every target that this machine's processor runs");
  declareList(*command, "--kernel", arguments->kernels, "only these attends: CACHE_ATTEND");
  command->add_option("--accuracy", arguments->accuracy, "in place of the file's accuracy")
      ->check(CLI::IsMember({"exact", "high", "fast"}));
  command->add_option("--seed", arguments->seed, "of all inputs and batches")
      ->transform(integerFrom(0, UINT64_MAX))
      ->capture_default_str();
  CLI::Option *runner = command
                            ->add_option("--runner", arguments->runner.command,
                                         "a command that runs programs of the targets' architecture, and through it the kernels: "
                                         "'qemu-aarch64 -cpu max'")
                            ->check(isGiven())
                            ->excludes(allTargets);
  command->add_option("--runner-cc", arguments->runner.compiler, "the C compiler that links them; default: ARCH-linux-gnu-gcc")
      ->check(isGiven())
      ->needs(runner);
  command->add_option("--runner-timeout", arguments->runner.seconds, "seconds that one step may take")
      ->needs(runner)
      ->transform(integerFrom(1, 86400))
      ->capture_default_str();
  CLI::Option *record =
      command->add_option("--record", arguments->record, "a file for what every step leaves, written when all is right")
          ->check(isGiven());
  command
      ->add_option(
          "--against", arguments->against,
          "a file that --record made with the same options, on any machine: caches must be the same to the bit, and results "
          "where the instruction set defines the bits; elsewhere ulps are told")
      ->check(isGiven())
      ->excludes(record);
  command->add_flag("--quick", arguments->quick, "fewer and shorter sequences");
  command->add_flag("--json", arguments->json, "print JSON");
  command->callback([arguments, &chosen] { chosen = [arguments] { return runVerify(*arguments); }; });
}

} // namespace kv
