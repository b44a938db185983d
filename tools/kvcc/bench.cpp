// kvcc bench: how fast the kernels of a file run on this machine's processor or GPU, held against how fast that moves memory in the
// same run.
#include "compiler/driver/Driver.h"
#include "tools/kvcc/BenchCase.h"
#include "tools/kvcc/Commands.h"
#include "tools/kvcc/CrashReport.h"
#include "tools/kvcc/Loader.h"
#include "tools/kvcc/ReadBandwidth.h"
#include "tools/kvcc/SourceArguments.h"
#include "tools/kvcc/VerifySource.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fmt/format.h>

namespace kv {
namespace {

struct BenchArguments {
  SourceArguments source;
  std::vector<std::string> targets = {"native"};
  std::vector<std::string> kernels;
  std::vector<int64_t> contexts = {1024, 8192};
  std::vector<int> threads = {1};
  std::vector<std::string> modes = {"cold", "hot"};
  int64_t batch = 1;
  double seconds = 0.5;
  bool json = false;
};

struct BenchRow {
  std::string kernel, target, mode, yardstick;
  int threads;
  int64_t context;
  double seconds, bytes, memoryRate;

  double rate() const { return bytes / seconds; }
};

double median(std::vector<double> values) {
  auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

class Bench {
public:
  Bench(const BenchArguments &arguments, const Compiled &compiled, const Loader &loader)
      : arguments(arguments), compiled(compiled), loader(loader) {}

  /// Measures everything asked for on those of the targets. False after an error, which has been printed.
  bool run(llvm::ArrayRef<const Target *> targets) {
    std::vector<const Target *> onProcessor, onGpu;
    for (const Target *target : targets)
      (target->isLaunched() ? onGpu : onProcessor).push_back(target);
    if (!onProcessor.empty())
      for (int threads : arguments.threads)
        if (!runMachine(*makeBenchProcessor(threads), onProcessor))
          return false;
    return onGpu.empty() || runMachine(*makeBenchGpu(), onGpu);
  }

  void print() const {
    if (arguments.json) {
      nlohmann::json all = nlohmann::json::array();
      for (const BenchRow &row : rows)
        all.push_back({{"kernel", row.kernel},
                       {"target", row.target},
                       {"threads", row.threads},
                       {"context", row.context},
                       {"batch", arguments.batch},
                       {"mode", row.mode},
                       {"us", row.seconds * 1e6},
                       {"bytes", row.bytes},
                       {"gbps", row.rate() * 1e-9},
                       {"memory_gbps", row.memoryRate * 1e-9},
                       {"yardstick", row.yardstick},
                       {"share", row.rate() / row.memoryRate}});
      fmt::print("{}\n", all.dump(2));
      return;
    }
    fmt::print("{:<28} {:<20} {:>7} {:>8} {:<5} {:>10} {:>10} {:>7} {:>11} {:>6}\n", "kernel", "target", "threads", "context",
               "mode", "us", "bytes", "GB/s", "memory GB/s", "share");
    for (const BenchRow &row : rows)
      fmt::print("{:<28} {:<20} {:>7} {:>8} {:<5} {:>10.2f} {:>10.0f} {:>7.2f} {:>11.2f} {:>4.0f} %\n", row.kernel, row.target,
                 row.threads ? std::to_string(row.threads) : "-", row.context, row.mode, row.seconds * 1e6, row.bytes,
                 row.rate() * 1e-9, row.memoryRate * 1e-9, 100 * row.rate() / row.memoryRate);
    for (const std::string &note : notes)
      fmt::print("{}\n", note);
  }

private:
  static bool fail(llvm::StringRef message) {
    llvm::errs() << "kvcc: error: " << message << "\n";
    return false;
  }

  bool wanted(const KernelSpec &spec) const {
    if (!arguments.kernels.empty())
      return std::find(arguments.kernels.begin(), arguments.kernels.end(), spec.name) != arguments.kernels.end();
    return spec.minQueries <= 1;
  }

  bool runMachine(BenchMachine &machine, llvm::ArrayRef<const Target *> targets) {
    if (!machine.problem().empty())
      return fail(machine.problem());
    std::string note = fmt::format("cold: every step reads a cache that was last used {:.1f} GB ago; hot: the same cache again; "
                                   "share: of the {}",
                                   static_cast<double>(machine.coldBytes()) * 1e-9, machine.yardstick());
    if (notes.empty() || notes.back() != note)
      notes.push_back(note);
    for (const KernelSpec &spec : compiled.module.kernels) {
      if (!wanted(spec))
        continue;
      const CacheSpec &cache = compiled.module.caches[spec.cache];
      auto kernel = loader.kernel(spec.name);
      auto append = loader.kernel(cache.name + "_append");
      if (!kernel || !append)
        return fail(llvm::toString(llvm::joinErrors(kernel.takeError(), append.takeError())));
      for (const Target *target : targets)
        for (int64_t context : arguments.contexts)
          if (!runCase({&cache, &spec, findRow(*kernel, target->name()), findRow(*append, target->name()), &machine, context,
                        arguments.batch},
                       target->name()))
            return false;
    }
    return true;
  }

  bool runCase(const BenchSetup &setup, const std::string &target) {
    bool anyCold = std::find(arguments.modes.begin(), arguments.modes.end(), "cold") != arguments.modes.end();
    BenchMachine &machine = *setup.machine;
    BenchCase steps(setup, anyCold ? machine.coldBytes() : 0);
    for (const std::string &mode : arguments.modes) {
      if (!steps.error().empty())
        break;
      bool cold = mode == "cold";
      // A sample is long enough for the clock and for the first step's surprises not to matter.
      double once = std::max(steps.run(3, cold), 1e-9);
      int count = static_cast<int>(std::clamp(2e-3 / once, 1.0, 10000.0));
      std::vector<double> times, rates;
      double end = now() + arguments.seconds;
      while (steps.error().empty() && (times.size() < 7 || now() < end)) {
        times.push_back(steps.run(count, cold));
        rates.push_back(machine.bandwidth());
      }
      if (steps.error().empty())
        rows.push_back({setup.spec->name, target, mode, machine.yardstick(), machine.threads(), setup.context, median(times),
                        steps.bytesPerStep(), median(rates)});
    }
    return steps.error().empty() || fail(fmt::format("{} on {}: {}", setup.spec->name, target, steps.error()));
  }

  const BenchArguments &arguments;
  const Compiled &compiled;
  const Loader &loader;
  std::vector<BenchRow> rows;
  std::vector<std::string> notes; ///< one a kind of machine
};

int runBench(const BenchArguments &arguments) {
  std::unique_ptr<Source> source = arguments.source.open();
  if (!source)
    return exitUserError;
  CompileOptions options;
  if (!findRunnableTargets(arguments.targets, options.targets))
    return exitUserError;
  std::vector<std::string> kernels;
  ModuleSpec module = source->spec();
  for (const KernelSpec &spec : module.kernels)
    kernels.push_back(spec.name);
  if (!checkKernelNames(arguments.kernels, kernels))
    return exitUserError;
  Compiled compiled;
  CompileStatus status = compile(*source, options, compiled);
  if (status != CompileStatus::ok)
    return exitCodeOf(status);
  auto loader = Loader::load(compiled.objects);
  if (!loader)
    return reportInternalError(llvm::toString(loader.takeError()));
  Bench bench(arguments, compiled, *loader);
  if (!bench.run(options.targets))
    return exitUserError;
  bench.print();
  return exitOk;
}

} // namespace

void addBench(CLI::App &app, Command &chosen) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App *command = app.add_subcommand("bench", "time the kernels on this machine against the bandwidth of its memory");
  arguments->source.declare(*command);
  declareTargets(*command, arguments->targets, localTargetsHelp);
  command->add_option("--kernel", arguments->kernels, "only these kernels")->delimiter(',');
  command->add_option("--context", arguments->contexts, "tokens of a sequence")
      ->delimiter(',')
      ->check(CLI::Range(int64_t(1), int64_t(1) << 24))
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "threads; of no meaning on a GPU")
      ->delimiter(',')
      ->check(CLI::Range(1, KV_MAX_THREADS))
      ->capture_default_str();
  command->add_option("--mode", arguments->modes, "cold: from memory, hot: from the caches")
      ->delimiter(',')
      ->check(CLI::IsMember({"cold", "hot"}))
      ->capture_default_str();
  command->add_option("--batch", arguments->batch, "sequences of a step")
      ->check(CLI::Range(int64_t(1), int64_t(65536)))
      ->capture_default_str();
  command->add_option("--seconds", arguments->seconds, "time for each row")->check(CLI::Range(0.01, 60.0))->capture_default_str();
  command->add_flag("--json", arguments->json, "print JSON");
  command->callback([arguments, &chosen] { chosen = [arguments] { return runBench(*arguments); }; });
}

} // namespace kv
