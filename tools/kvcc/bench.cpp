// kvcc bench: how fast the kernels of a file run on this machine's processor or GPU, held against how fast that moves memory in the
// same run.
#include "compiler/support/Json.h"
#include "tools/kvcc/BenchKernels.h"
#include "tools/kvcc/BenchSamples.h"
#include "tools/kvcc/Commands.h"
#include "tools/kvcc/CrashReport.h"
#include "tools/kvcc/Output.h"
#include "tools/kvcc/SourceArguments.h"
#include "tools/kvcc/VerifySource.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <optional>

namespace kv {
namespace {

struct BenchArguments {
  std::string route = "mlir";
  SourceArguments source;
  std::vector<std::string> targets = {"native"};
  std::vector<std::string> kernels;
  std::vector<int64_t> contexts = {1024, 8192};
  std::vector<int64_t> queries = {1};
  std::vector<int> threads = {1};
  std::vector<std::string> modes = {"cold", "hot"};
  int64_t batch = 1;
  std::string lengths = "uniform";
  double seconds = 0.5;
  std::string against;
  bool inTurn = false, json = false;
};

struct BenchRow {
  std::string kernel, target, mode, yardstick;
  bool ofLibrary; ///< of `--against`
  int threads;
  int64_t context, queries;
  double bytes, flops;
  BenchSamples samples;

  double seconds() const { return samples.seconds().median(); }
  double memoryRate() const { return samples.memoryRate().median(); }
  double peakRate() const { return samples.multiplyAddRate().median(); }
  double rate() const { return bytes / seconds(); }
  /// The rate over that of memory. None where hot: the last-level cache gives a part, or all.
  std::optional<double> share() const { return mode == "cold" ? std::optional(rate() / memoryRate()) : std::nullopt; }
  double flopRate() const { return flops / seconds(); }
  bool isSameStep(const BenchRow &other) const {
    return std::tie(kernel, target, mode, threads, context, queries) ==
           std::tie(other.kernel, other.target, other.mode, other.threads, other.context, other.queries);
  }
};

bool isWanted(const BenchArguments &arguments, const KernelSpec &spec) {
  return arguments.kernels.empty() || llvm::is_contained(arguments.kernels, spec.name);
}

/// Append takes any number of new tokens.
bool takes(const KernelSpec &spec, int64_t queries) {
  return spec.kind == KV_OP_APPEND || (queries >= spec.minQueries && queries <= spec.maxQueries);
}

/// "`llama3_decode` takes 1 to 8".
std::string rangeText(const KernelSpec &spec) {
  std::string least = std::to_string(spec.minQueries);
  return fmt::format("`{}` takes {}", spec.name,
                     spec.minQueries == spec.maxQueries ? least : fmt::format("{} to {}", least, spec.maxQueries));
}

/// Holds that every number of queries fits every context, and that each kernel asked for by name takes it, or any kernel when none
/// is; says which others are left out. False after a mistake, which has been said on stderr.
bool checkQueries(const BenchArguments &arguments, llvm::ArrayRef<KernelSpec> specs) {
  int64_t least = *std::min_element(arguments.contexts.begin(), arguments.contexts.end());
  for (int64_t queries : arguments.queries) {
    if (queries > least) {
      llvm::errs() << fmt::format("kvcc: error: {} queries in a context of {}; a context counts the queries too\n", queries, least);
      return false;
    }
    if (queries * arguments.batch > INT32_MAX) {
      llvm::errs() << fmt::format("kvcc: error: {} queries of {} sequences; a step has at most {} queries\n", queries,
                                  arguments.batch, INT32_MAX);
      return false;
    }
    bool any = false;
    std::string ranges, leftOut;
    for (const KernelSpec &spec : specs) {
      if (!isWanted(arguments, spec) || spec.kind == KV_OP_APPEND)
        continue;
      bool taken = takes(spec, queries);
      any |= taken && arguments.kernels.empty();
      if (!taken) {
        ranges += (ranges.empty() ? "" : ", ") + rangeText(spec);
        leftOut += fmt::format("kvcc: note: {} queries of a sequence; {} and is left out\n", queries, rangeText(spec));
      }
    }
    if (ranges.empty())
      continue;
    if (!any) {
      llvm::errs() << fmt::format("kvcc: error: {} queries of a sequence; {}\n", queries, ranges);
      return false;
    }
    llvm::errs() << leftOut;
  }
  return true;
}

class Bench {
public:
  Bench(const BenchArguments &arguments, const BenchKernels &kernels) : arguments(arguments), kernels(kernels) {}

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
                       {"library", row.ofLibrary ? nlohmann::json(arguments.against) : nlohmann::json()},
                       {"threads", row.threads},
                       {"context", row.context},
                       {"batch", arguments.batch},
                       {"lengths", arguments.lengths},
                       {"queries", row.queries},
                       {"mode", row.mode},
                       {"us", row.seconds() * 1e6},
                       {"spread", row.samples.seconds().spread()},
                       {"samples", row.samples.size()},
                       {"preempted", row.samples.seconds().preempted()},
                       {"repeats", row.samples.seconds().repeats()},
                       {"bytes", row.bytes},
                       {"flops", row.flops},
                       {"gbps", row.rate() * 1e-9},
                       {"gflops", row.flopRate() * 1e-9},
                       {"peak_gflops", row.peakRate() > 0 ? nlohmann::json(row.peakRate() * 1e-9) : nlohmann::json()},
                       {"memory_gbps", row.memoryRate() * 1e-9},
                       {"memory_spread", row.samples.memoryRate().spread()},
                       {"memory_preempted", row.samples.memoryRate().preempted()},
                       {"yardstick", row.yardstick},
                       {"share", row.share() ? nlohmann::json(*row.share()) : nlohmann::json()}});
      llvm::outs() << jsonText(all);
      return;
    }
    printTable();
    if (arguments.lengths == "mixed")
      printOut("mixed: sequences have from a quarter of the context to all of it; bytes are those of the tokens they have\n");
    for (const std::string &note : notes)
      printOut("{}\n", note);
  }

private:
  /// Steps of one query a sequence are bound by memory: the table says more of arithmetic when there are others.
  void printTable() const {
    bool manyQueries = llvm::any_of(arguments.queries, [](int64_t queries) { return queries > 1; });
    size_t width = 20; // of the targets
    auto nameOf = [](const BenchRow &row) { return row.ofLibrary ? row.target + ", library" : row.target; };
    for (const BenchRow &row : rows)
      width = std::max(width, nameOf(row).size());
    printOut("{:<28} {:<{}} {:>7} {:>8} ", "kernel", "target", width, "threads", "context");
    printOut("{}{:<5} {:>10} {:>6} {:>10} {:>7} {:>11} {:>6} {:>6} {:>8}{}\n", manyQueries ? "queries " : "", "mode", "us",
             "spread", "bytes", "GB/s", "memory GB/s", "spread", "share", "GFLOP/s", manyQueries ? " of peak" : "");
    for (const BenchRow &row : rows) {
      printOut("{:<28} {:<{}} {:>7} {:>8} ", row.kernel, nameOf(row), width, row.threads ? std::to_string(row.threads) : "-",
               row.context);
      if (manyQueries)
        printOut("{:>7} ", row.queries);
      printOut("{:<5} {:>10.2f} {:>4.0f} % {:>10.0f} {:>7.2f} {:>11.2f} {:>4.0f} % {:>6}", row.mode, row.seconds() * 1e6,
               100 * row.samples.seconds().spread(), row.bytes, row.rate() * 1e-9, row.memoryRate() * 1e-9,
               100 * row.samples.memoryRate().spread(), row.share() ? fmt::format("{:.0f} %", 100 * *row.share()) : "-");
      printOut(" {:>8}", row.flops > 0 ? fmt::format("{:.1f}", row.flopRate() * 1e-9) : "-");
      if (manyQueries)
        printOut(" {:>7}", row.queries > 1 && row.flops > 0 && row.peakRate() > 0
                               ? fmt::format("{:.0f} %", 100 * row.flopRate() / row.peakRate())
                               : "-");
      printOut("\n");
    }
    if (manyQueries && llvm::any_of(rows, [](const BenchRow &row) { return row.peakRate() > 0; }))
      printOut("peak: of f32 multiply-adds, measured in between; products of narrower types may pass it\n");
    printOut("us, memory GB/s: medians of samples; spread: from the first quarter of them to the third, over the median\n");
    printRatios();
  }

  void printRatios() const {
    for (const BenchRow &row : rows)
      for (const BenchRow &other : rows)
        if (!row.ofLibrary && other.ofLibrary && row.isSameStep(other))
          printOut("{} on {}, {} threads, context {}, {} queries, {}: {:.3f} of the library's time\n", row.kernel, row.target,
                   row.threads, row.context, row.queries, row.mode, row.seconds() / other.seconds());
  }

  static bool fail(llvm::StringRef message) {
    llvm::errs() << "kvcc: error: " << message << "\n";
    return false;
  }

  void addNote(const std::string &note) {
    if (!llvm::is_contained(notes, note))
      notes.push_back(note);
  }

  bool runMachine(BenchMachine &machine, llvm::ArrayRef<const Target *> targets) {
    if (!machine.problem().empty())
      return fail(machine.problem());
    addNote(fmt::format("cold: every step reads a cache that was last used {:.1f} GB ago; hot: the same cache again; "
                        "share: of the {}, where cold",
                        static_cast<double>(machine.coldBytes()) * 1e-9, machine.yardstick()));
    std::vector<std::vector<Row>> groups; // what is measured in turn
    for (const KernelSpec &spec : kernels.specs())
      for (const Target *target : targets)
        for (bool ofLibrary : {false, true})
          if ((!ofLibrary || !arguments.against.empty()) && isWanted(arguments, spec) &&
              !addRows(spec, target->name(), ofLibrary, machine, groups))
            return false;
    return llvm::all_of(groups, [&](llvm::ArrayRef<Row> group) { return runGroup(group, machine); });
  }

  /// What becomes a row in each mode.
  struct Row {
    BenchSetup setup;
    std::string target;
    bool ofLibrary;
  };

  bool addRows(const KernelSpec &spec, const std::string &target, bool ofLibrary, BenchMachine &machine,
               std::vector<std::vector<Row>> &groups) {
    auto setup = kernels.setup(spec, target, ofLibrary);
    if (!setup)
      return fail(llvm::toString(setup.takeError()));
    setup->machine = &machine;
    setup->batch = arguments.batch;
    setup->mixedLengths = arguments.lengths == "mixed";
    size_t group = 0;
    for (int64_t context : arguments.contexts)
      for (int64_t queries : arguments.queries) {
        setup->context = context;
        setup->queries = queries;
        if (!arguments.inTurn || groups.size() <= group)
          groups.emplace_back();
        if (takes(spec, queries))
          (arguments.inTurn ? groups[group] : groups.back()).push_back({*setup, target, ofLibrary});
        ++group;
      }
    return true;
  }

  bool runGroup(llvm::ArrayRef<Row> group, BenchMachine &machine) {
    bool anyCold = llvm::is_contained(arguments.modes, "cold");
    std::vector<std::unique_ptr<BenchCase>> cases;
    for (const Row &row : group) {
      auto like = llvm::find_if(group, [&](const Row &other) { return other.setup.cache == row.setup.cache; }) - group.begin();
      const BenchCase *other = static_cast<size_t>(like) < cases.size() ? cases[static_cast<size_t>(like)].get() : nullptr;
      cases.push_back(std::make_unique<BenchCase>(row.setup, anyCold ? machine.coldBytes() : 0, other));
      if (!checkCase(row, *cases.back()))
        return false;
    }
    return llvm::all_of(arguments.modes, [&](const std::string &mode) { return group.empty() || runMode(group, cases, mode); });
  }

  bool runMode(llvm::ArrayRef<Row> group, llvm::ArrayRef<std::unique_ptr<BenchCase>> cases, const std::string &mode) {
    bool cold = mode == "cold";
    std::vector<BenchSamples> samples(group.size());
    std::vector<int> counts;
    for (const auto &steps : cases)
      counts.push_back(BenchSamples::stepsOfSample(*steps, cold));
    double end = now() + arguments.seconds * static_cast<double>(group.size());
    for (int pass = 0; samples[0].size() < 8 || now() < end; ++pass)
      for (size_t place = 0; place < group.size(); ++place) {
        size_t i = pass % 2 ? group.size() - 1 - place : place; // to and fro: none always follows the same one
        samples[i].take(*cases[i], counts[i], cold);
        if (!checkCase(group[i], *cases[i]))
          return false;
      }
    for (size_t i = 0; i < group.size(); ++i) {
      const BenchCase &steps = *cases[i];
      const BenchSetup &setup = group[i].setup;
      BenchMachine &machine = steps.machine();
      if (cold && steps.bytesBetween() < 0.5 * static_cast<double>(machine.coldBytes()))
        addNote(
            fmt::format("{}, context {}: cold steps come back to the same bytes after {:.3g} MB, which the caches may still hold",
                        setup.spec->name, setup.context, steps.bytesBetween() * 1e-6));
      if (int preempted = samples[i].seconds().preempted())
        addNote(
            fmt::format("{} on {}, context {}, {}: {} of {} samples were preempted in every try; the least disturbed one counts",
                        setup.spec->name, group[i].target, setup.context, mode, preempted, samples[i].size()));
      rows.push_back({setup.spec->name, group[i].target, mode, machine.yardstick(), group[i].ofLibrary, machine.threads(),
                      setup.context, setup.queries, steps.bytesPerStep(), steps.flopsPerStep(), std::move(samples[i])});
    }
    return true;
  }

  static bool checkCase(const Row &row, const BenchCase &steps) {
    return steps.error().empty() || fail(fmt::format("{} on {}: {}", row.setup.spec->name, row.target, steps.error()));
  }

  const BenchArguments &arguments;
  const BenchKernels &kernels;
  std::vector<BenchRow> rows;
  std::vector<std::string> notes; ///< below the table, each once
};

int runBench(const BenchArguments &arguments) {
  std::unique_ptr<Source> source = arguments.source.open();
  if (!source)
    return exitUserError;
  std::vector<const Target *> targets;
  if (!findRunnableTargets(arguments.targets, targets))
    return exitUserError;
  if (!takeRoute(arguments.route, targets))
    return exitUserError;
  if (arguments.lengths == "mixed" && arguments.batch == 1) {
    llvm::errs() << "kvcc: error: `--lengths mixed` of one sequence; a batch has mixed lengths from two on: `--batch 2`\n";
    return exitUserError;
  }
  std::vector<std::string> kernels;
  ModuleSpec module = source->spec();
  for (const KernelSpec &spec : module.kernels)
    kernels.push_back(spec.name);
  if (!checkKernelNames(arguments.kernels, kernels) || !checkQueries(arguments, module.kernels))
    return exitUserError;
  BenchKernels compiled(*source, targets);
  if (!compiled.problem().empty())
    return reportInternalError(compiled.problem());
  if (compiled.status() != CompileStatus::ok)
    return exitCodeOf(compiled.status());
  if (!arguments.against.empty())
    if (llvm::Error error = compiled.loadLibrary(arguments.against)) {
      llvm::errs() << "kvcc: error: " << llvm::toString(std::move(error)) << "\n";
      return exitUserError;
    }
  Bench bench(arguments, compiled);
  if (!bench.run(targets))
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
  declareRoute(*command, arguments->route, {"both"});
  declareList(*command, "--kernel", arguments->kernels, "only these kernels");
  declareList(*command, "--context", arguments->contexts, "tokens of a sequence")
      ->transform(integerFrom(1, 1 << 24))
      ->capture_default_str();
  declareList(*command, "--queries", arguments->queries, "new tokens of each sequence in a step, the last ones of its context")
      ->transform(integerFrom(1, 1 << 24))
      ->capture_default_str();
  declareList(*command, "--threads", arguments->threads, "threads; of no meaning on a GPU")
      ->transform(integerFrom(1, KV_MAX_THREADS))
      ->capture_default_str();
  declareList(*command, "--mode", arguments->modes, "cold: from memory, hot: from the caches")
      ->check(CLI::IsMember({"cold", "hot"}))
      ->capture_default_str();
  command->add_option("--batch", arguments->batch, "sequences of a step")->transform(integerFrom(1, 65536))->capture_default_str();
  command
      ->add_option("--lengths", arguments->lengths, "uniform: every sequence has the whole context, mixed: a quarter to all of it")
      ->check(CLI::IsMember({"uniform", "mixed"}))
      ->capture_default_str();
  command->add_option("--seconds", arguments->seconds, "time for each row")->check(numberFrom(0.01, 60))->capture_default_str();
  command->add_flag("--in-turn", arguments->inTurn,
                    "one sample of each kernel and target after the other, on the same caches, so that all meet the same noise");
  command->add_option("--against", arguments->against,
                      "a static library that another kvcc has made of the same file: its kernels are timed in turn with these");
  command->add_flag("--json", arguments->json, "print JSON");
  command->callback([arguments, &chosen] {
    arguments->inTurn |= !arguments->against.empty();
    chosen = [arguments] { return runBench(*arguments); };
  });
}

} // namespace kv
