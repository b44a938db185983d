// kv_bench: the kernels of the .kv files beside it, timed by Google Benchmark as `kvcc bench` times them: the streaming read and
// the processor's multiply-adds are measured between the samples of every row.
//
//   kv_bench [--target=NAME] --benchmark_filter=decode/int8 --benchmark_repetitions=3 --benchmark_format=json
//
// Time is the mean of all steps, CPU has the yardsticks in it; the counters are made of medians of samples, so that a neighbour's
// burst does not move them: bytes/s of the cache, read_bytes/s of the streaming read, share of it where cold, GFLOP/s, peak_GFLOP/s of
// f32 multiply-adds, peak_share of them. A preempted sample is repeated (tools/kvcc/Stopwatch.h); `preempted` counts those that were so
// in every try. spread, read_spread: from the first quarter of the samples to the third, over the median. Memory: up to four times
// the last-level cache for the read and as much, at most 3 GB, for the caches.
#include "tests/bench/BenchRows.h"
#include "tools/kvcc/BenchKernels.h"
#include "tools/kvcc/BenchSamples.h"
#include "tools/kvcc/VerifySource.h"

#include <benchmark/benchmark.h>

#include <map>
#include <tuple>

namespace kv {
namespace {

/// A file compiled with the parameters of a row. The types of its caches live in the source.
struct File {
  explicit File(SourceOptions options) : source(std::move(options)) {}

  Source source;
  std::unique_ptr<BenchKernels> kernels; ///< null where the file is wrong
};

/// What the last row has left for the next one: compiled files; one machine with one case on it, which take gigabytes.
class Stage {
public:
  explicit Stage(const Target &target) : target(target) {}

  /// The case of a row. Null after an error, which is in `problem`.
  BenchCase *prepare(const BenchRow &row, std::string &problem);
  /// Steps of a sample of the row whose case was prepared last.
  int stepsOfSample(bool cold);

private:
  File &open(const BenchRow &row, int64_t pageTokens);
  const KernelSpec *find(const File &file, llvm::StringRef name) const;

  using Key = std::tuple<std::string, int64_t, int64_t, int64_t, int64_t, bool, int>;
  const Target &target;
  std::map<std::tuple<std::string, int64_t>, std::unique_ptr<File>> files;
  std::unique_ptr<BenchMachine> machine; // goes last: the case's memory is the machine's
  std::unique_ptr<BenchCase> steps;
  Key key;             ///< of the case
  bool isCold = false; ///< it has copies enough for cold steps
  int counts[2] = {};  ///< steps of a hot and a cold sample; 0: not known yet
};

File &Stage::open(const BenchRow &row, int64_t pageTokens) {
  std::unique_ptr<File> &file = files[{row.file, pageTokens}];
  if (!file) {
    SourceOptions options{std::string(KV_BENCH_SPECS "/") + row.file + ".kv", {}, {}};
    if (pageTokens)
      options.params.push_back({"P", pageTokens});
    file = std::make_unique<File>(std::move(options));
    if (file->source.read(llvm::errs()))
      file->kernels = std::make_unique<BenchKernels>(file->source, &target);
  }
  return *file;
}

const KernelSpec *Stage::find(const File &file, llvm::StringRef name) const {
  for (const KernelSpec &spec : file.kernels->specs())
    if (spec.name == name)
      return &spec;
  return nullptr;
}

BenchCase *Stage::prepare(const BenchRow &row, std::string &problem) {
  Key wanted(row.kernel, row.pageTokens, row.context, row.batch, row.queries, row.mixedLengths, row.threads);
  if (!steps || key != wanted || (row.cold && !isCold)) {
    steps.reset(); // before others take as much memory
    File &file = open(row, row.pageTokens);
    if (!file.kernels || file.kernels->status() != CompileStatus::ok) {
      problem = file.kernels && !file.kernels->problem().empty() ? file.kernels->problem() : row.file + ".kv is wrong";
      return nullptr;
    }
    const KernelSpec *spec = find(file, row.kernel);
    if (!spec) {
      problem = row.file + ".kv has no kernel " + row.kernel;
      return nullptr;
    }
    auto setup = file.kernels->setup(*spec, target.name());
    if (!setup) {
      problem = llvm::toString(setup.takeError());
      return nullptr;
    }
    if (!machine || machine->threads() != row.threads) {
      machine.reset();
      machine = makeBenchProcessor(row.threads);
    }
    setup->machine = machine.get();
    setup->context = row.context;
    setup->batch = row.batch;
    setup->queries = row.queries;
    setup->mixedLengths = row.mixedLengths;
    if (machine->problem().empty())
      steps = std::make_unique<BenchCase>(*setup, row.cold ? machine->coldBytes() : 0);
    key = wanted;
    isCold = row.cold;
    counts[0] = counts[1] = 0;
  }
  problem = steps ? steps->error() : machine->problem();
  return problem.empty() ? steps.get() : nullptr;
}

int Stage::stepsOfSample(bool cold) {
  if (!counts[cold])
    counts[cold] = BenchSamples::stepsOfSample(*steps, cold);
  return counts[cold];
}

/// True when every row could be timed.
bool allWell = true;

void refuse(benchmark::State &state, const std::string &problem) {
  allWell = false;
  state.SkipWithError(problem.c_str());
}

void time(benchmark::State &state, Stage &stage, const BenchRow &row) {
  std::string problem;
  BenchCase *steps = stage.prepare(row, problem);
  if (!steps)
    return refuse(state, problem);
  int count = stage.stepsOfSample(row.cold);
  BenchSamples samples;
  while (state.KeepRunningBatch(count)) {
    state.SetIterationTime(samples.take(*steps, count, row.cold) * count);
    if (!steps->error().empty())
      return refuse(state, steps->error());
  }
  double rate = steps->bytesPerStep() / samples.seconds().median();
  state.counters["bytes/s"] = rate;
  state.counters["spread"] = samples.seconds().spread();
  state.counters["preempted"] = samples.seconds().preempted();
  state.counters["read_bytes/s"] = samples.memoryRate().median();
  state.counters["read_spread"] = samples.memoryRate().spread();
  if (row.cold)
    state.counters["share"] = rate / samples.memoryRate().median();
  state.counters["peak_GFLOP/s"] = samples.multiplyAddRate().median() * 1e-9;
  if (double flops = steps->flopsPerStep()) {
    state.counters["GFLOP/s"] = flops / samples.seconds().median() * 1e-9;
    state.counters["peak_share"] = flops / samples.seconds().median() / samples.multiplyAddRate().median();
    state.counters["intensity"] = flops / steps->bytesPerStep();
  }
}

/// Takes `--target=NAME` from the arguments.
std::string takeTarget(int &count, char **arguments) {
  std::string name = "native";
  int kept = 0;
  for (int i = 0; i < count; ++i)
    if (llvm::StringRef argument = arguments[i]; argument.consume_front("--target="))
      name = argument.str();
    else
      arguments[kept++] = arguments[i];
  arguments[count = kept] = nullptr;
  return name;
}

int run(int count, char **arguments) {
  std::vector<const Target *> targets;
  if (!findRunnableTargets({takeTarget(count, arguments)}, targets))
    return 1;
  if (targets[0]->isLaunched()) {
    llvm::errs() << "kv_bench: error: `" << targets[0]->name() << "` is of a GPU; `kvcc bench --target gpu` times those\n";
    return 1;
  }
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments))
    return 1;
  benchmark::AddCustomContext("target", targets[0]->name());
  Stage stage(*targets[0]);
  for (const BenchRow &row : benchRows())
    benchmark::RegisterBenchmark(row.name.c_str(), [&stage, row](benchmark::State &state) { time(state, stage, row); })
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return allWell ? 0 : 1;
}

} // namespace
} // namespace kv

int main(int count, char **arguments) { return kv::run(count, arguments); }
