// kvcc bench: how fast the kernels of a file run on this machine, held against how fast this machine reads memory in the same run.
#include "compiler/driver/Driver.h"
#include "tools/kvcc/BenchCase.h"
#include "tools/kvcc/Commands.h"
#include "tools/kvcc/CrashReport.h"
#include "tools/kvcc/Loader.h"
#include "tools/kvcc/SourceArguments.h"
#include "tools/kvcc/VerifySource.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
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
  std::string kernel, target, mode;
  int threads;
  int64_t context;
  double seconds, bytes, readRate;

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
      : arguments(arguments), compiled(compiled), loader(loader), yardstick(4 * lastLevelCacheBytes()) {
    std::memset(yardstick.data(), 1, yardstick.size());
  }

  /// Measures everything asked for. False after an error, which has been printed.
  bool run() {
    for (int threads : arguments.threads) {
      kv_pool *pool = nullptr;
      if (kv_pool_create(threads, &pool) != KV_OK)
        return fail(kv_last_error());
      bool good = runThreads(kv_pool_executor(pool));
      kv_pool_destroy(pool);
      if (!good)
        return false;
    }
    return true;
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
                       {"read_gbps", row.readRate * 1e-9},
                       {"share", row.rate() / row.readRate}});
      fmt::print("{}\n", all.dump(2));
      return;
    }
    fmt::print("{:<28} {:<20} {:>7} {:>8} {:<5} {:>10} {:>10} {:>7} {:>10} {:>6}\n", "kernel", "target", "threads", "context",
               "mode", "us", "bytes", "GB/s", "read GB/s", "share");
    for (const BenchRow &row : rows)
      fmt::print("{:<28} {:<20} {:>7} {:>8} {:<5} {:>10.2f} {:>10.0f} {:>7.2f} {:>10.2f} {:>4.0f} %\n", row.kernel, row.target,
                 row.threads, row.context, row.mode, row.seconds * 1e6, row.bytes, row.rate() * 1e-9, row.readRate * 1e-9,
                 100 * row.rate() / row.readRate);
    fmt::print("cold: every step reads a cache that was last used {:.1f} GB ago; hot: the same cache again; share: of the "
               "streaming read\n",
               static_cast<double>(yardstick.size()) * 1e-9);
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

  bool runThreads(const kv_executor &executor) {
    ReadBandwidth reader(yardstick.data(), yardstick.size(), executor);
    for (const KernelSpec &spec : compiled.module.kernels) {
      if (!wanted(spec))
        continue;
      const CacheSpec &cache = compiled.module.caches[spec.cache];
      auto kernel = loader.kernel(spec.name);
      auto append = loader.kernel(cache.name + "_append");
      if (!kernel || !append)
        return fail(llvm::toString(llvm::joinErrors(kernel.takeError(), append.takeError())));
      for (int32_t i = 0; i < (*kernel)->num_variants; ++i) {
        BenchSetup setup{&cache,   &spec, *kernel,        *append, &(*kernel)->variants[i], &(*append)->variants[i],
                         executor, 0,     arguments.batch};
        for (int64_t context : arguments.contexts) {
          setup.context = context;
          if (!runCase(setup, reader))
            return false;
        }
      }
    }
    return true;
  }

  bool runCase(const BenchSetup &setup, ReadBandwidth &reader) {
    bool anyCold = std::find(arguments.modes.begin(), arguments.modes.end(), "cold") != arguments.modes.end();
    BenchCase steps(setup, anyCold ? yardstick.size() : 0);
    if (!steps.error().empty())
      return fail(setup.spec->name + ": " + steps.error());
    for (const std::string &mode : arguments.modes) {
      bool cold = mode == "cold";
      // A sample is long enough for the clock and for the first step's surprises not to matter.
      double once = std::max(steps.run(3, cold), 1e-9);
      int count = static_cast<int>(std::clamp(2e-3 / once, 1.0, 10000.0));
      std::vector<double> times, reads;
      double end = now() + arguments.seconds;
      while (times.size() < 7 || now() < end) {
        times.push_back(steps.run(count, cold));
        reads.push_back(reader.measure());
      }
      rows.push_back({setup.spec->name, setup.variant->target, mode, setup.executor.threads, setup.context, median(times),
                      steps.bytesPerStep(), median(reads)});
    }
    return true;
  }

  const BenchArguments &arguments;
  const Compiled &compiled;
  const Loader &loader;
  HugeBuffer yardstick;
  std::vector<BenchRow> rows;
};

int runBench(const BenchArguments &arguments) {
  std::unique_ptr<Source> source = arguments.source.open();
  if (!source)
    return exitUserError;
  CompileOptions options;
  if (!findTargets(arguments.targets, options.targets) || !checkRunnable(options.targets))
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
  if (!bench.run())
    return exitUserError;
  bench.print();
  return exitOk;
}

} // namespace

void addBench(CLI::App &app, Command &chosen) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App *command = app.add_subcommand("bench", "time the kernels on this machine against its read bandwidth");
  arguments->source.declare(*command);
  declareTargets(*command, arguments->targets);
  command->add_option("--kernel", arguments->kernels, "only these kernels")->delimiter(',');
  command->add_option("--context", arguments->contexts, "tokens of a sequence")
      ->delimiter(',')
      ->check(CLI::Range(int64_t(1), int64_t(1) << 24))
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "threads")
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
