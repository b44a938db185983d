#include "tools/kvcc/VerifyKernels.h"

#include "tools/kvcc/VerifyOutput.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kv {
namespace {

/// The cache's type with other orders, to move pages to.
CacheType otherOrder(CacheType type, bool first) {
  auto digits = [&](std::initializer_list<Digit> list) { return OrderAttr::get(type.getContext(), list); };
  OrderAttr key = first ? digits({{'t', 1, 0}, {'h', 1, 0}, {'d', 1, 0}})
                        : digits({{'h', 1, 0}, {'t', 8, 0}, {'d', 2, 0}, {'t', 1, 8}, {'d', 1, 2}});
  OrderAttr value =
      first ? digits({{'h', 1, 0}, {'t', 4, 0}, {'d', 1, 0}, {'t', 1, 4}}) : digits({{'h', 1, 0}, {'t', 1, 0}, {'d', 1, 0}});
  // Other pages too: 12 slots, which no tile of 16 fits.
  auto layout = LayoutAttr::get(type.getContext(), LayoutKind::paged, 12, 0, key, value);
  return CacheType::get(type.getContext(), type.getName(), type.getHeads(), type.getKeyDim(), type.getValueDim(), type.getKey(),
                        type.getValue(), layout);
}

/// What runs on one target. Of a cache without attends, `append` alone.
struct TargetRows {
  std::string name;
  Execution &execution;
  Runnable append, attend, fused;
};

/// One attend (or, for a cache without any, its append) against the interpreter on some targets.
class KernelVerifier {
public:
  KernelVerifier(const CacheSpec &cache, const KernelSpec &spec, mlir::func::FuncOp function, std::vector<TargetRows> targets,
                 const VerifyOptions &options, VerifySummary &summary)
      : cache(cache), spec(spec), function(function), targets(std::move(targets)), options(options), summary(summary),
        image(cache.type) {}

  llvm::Error run();

private:
  struct Case {
    const Scenario &scenario;
    const std::vector<SequenceData> &sequences;
    const std::vector<std::vector<float>> &params;
    const TargetRows &target;
    VerifyRow &row;
    uint64_t seed;
  };

  llvm::Expected<ScoreFunction> readScore(const std::vector<std::vector<float>> &params);
  llvm::Error interpretAll(std::vector<SequenceData> &sequences, const std::vector<std::vector<float>> &params);
  void runCase(const Case &c);
  void runNeighbours(const Case &c, const StepOutput &together);
  void runLayouts(const Case &c, const VerifyBatch &batch);
  bool fill(const Case &c, VerifyBatch &batch, Random &random, bool toTheEnd);
  bool checkBytes(const Case &c, const VerifyBatch &batch, const std::vector<int64_t> &lengths, const char *after);
  bool sameBits(const Case &c, const StepOutput &a, const StepOutput &b, const char *what);
  bool fail(const Case &c, const std::string &what);
  bool enough() const {
    return summary.failures.size() >= options.mostFailures ||
           llvm::all_of(targets, [](const TargetRows &target) { return target.execution.lost(); });
  }

  const CacheSpec &cache;
  const KernelSpec &spec;
  mlir::func::FuncOp function; ///< null for an append
  const std::vector<TargetRows> targets;
  const VerifyOptions &options;
  VerifySummary &summary;
  const PageImage image;
};

bool KernelVerifier::fail(const Case &c, const std::string &what) {
  ++c.row.failures;
  if (summary.failures.size() < options.mostFailures)
    summary.failures.push_back(fmt::format("{} on {}, {}: {}", spec.name, c.target.name, c.scenario.str(), what));
  return false;
}

llvm::Error KernelVerifier::interpretAll(std::vector<SequenceData> &sequences, const std::vector<std::vector<float>> &params) {
  if (!function)
    return llvm::Error::success();
  for (SequenceData &sequence : sequences) {
    std::vector<Tensor> arguments;
    arguments.push_back({{sequence.shape.queries, spec.headsQ, cache.type.getKeyDim()}, {sequence.q.begin(), sequence.q.end()}});
    for (const std::vector<float> &values : params)
      arguments.push_back({{spec.headsQ}, {values.begin(), values.end()}});
    auto results = interpret(function, sequence.reference, arguments, &sequence.sizes);
    if (!results)
      return results.takeError();
    sequence.output = std::move((*results)[0]);
    if (spec.hasLse)
      sequence.lse = std::move((*results)[1]);
  }
  return llvm::Error::success();
}

llvm::Expected<ScoreFunction> KernelVerifier::readScore(const std::vector<std::vector<float>> &params) {
  if (!function)
    return ScoreFunction();
  std::vector<Tensor> arguments(1); // the query, which no score reads
  for (const std::vector<float> &values : params)
    arguments.push_back({{spec.headsQ}, {values.begin(), values.end()}});
  return scoreFunction(function, arguments);
}

llvm::Error KernelVerifier::run() {
  uint64_t seed = options.seed;
  for (char letter : spec.name)
    seed = seed * 131 + uint8_t(letter);
  Random random(seed);
  int64_t split = 64;
  for (const TargetRows &target : targets)
    if (target.attend)
      split = std::max(split, target.attend.splitTokens());
  std::vector<VerifyRow> rows(targets.size());
  for (const Scenario &scenario : makeScenarios(cache, spec, split, options.quick, random)) {
    int64_t longest = 1;
    for (SequenceShape shape : scenario.sequences)
      longest = std::max(longest, shape.length);
    std::vector<std::vector<float>> params;
    for (size_t i = 0; i < spec.params.size(); ++i)
      params.push_back(makeParameter(spec.headsQ, longest, random));
    auto score = readScore(params);
    if (!score)
      return score.takeError();
    std::vector<SequenceData> sequences;
    for (SequenceShape shape : scenario.sequences)
      sequences.push_back(makeSequence(cache, spec, scenario, shape, *score, split, random));
    if (scenario.content != Content::corners)
      if (llvm::Error error = interpretAll(sequences, params))
        return error;
    uint64_t caseSeed = random.next();
    for (auto [target, row] : llvm::zip(targets, rows)) {
      row.kernel = spec.name;
      row.target = target.name;
      if (target.execution.lost())
        continue;
      runCase({scenario, sequences, params, target, row, caseSeed});
      ++row.cases;
      if (enough())
        break;
    }
    if (enough())
      break;
  }
  for (VerifyRow &row : rows) {
    summary.cases += row.cases;
    if (row.tolerance > 0 && (summary.tolerance == 0 || row.error * summary.tolerance > summary.worstError * row.tolerance)) {
      summary.worstError = row.error;
      summary.tolerance = row.tolerance;
    }
    summary.rows.push_back(row);
  }
  return llvm::Error::success();
}

/// Appends what comes before the step, or all, in pieces; checks the bytes.
bool KernelVerifier::fill(const Case &c, VerifyBatch &batch, Random &random, bool toTheEnd) {
  const size_t count = c.sequences.size();
  std::vector<int64_t> done(count), goal(count);
  int64_t most = 0;
  for (size_t b = 0; b < count; ++b) {
    goal[b] = c.sequences[b].shape.length - (toTheEnd ? 0 : c.sequences[b].shape.queries);
    most = std::max(most, goal[b]);
  }
  // 0: at once; 1: one by one, as far as that is quick; 2: in pieces of any size
  const int64_t way = random.below(3);
  while (done != goal) {
    std::vector<int64_t> to = goal;
    if (way == 1 && most <= 80)
      for (size_t b = 0; b < count; ++b)
        to[b] = std::min(goal[b], done[b] + 1);
    else if (way != 0)
      for (size_t b = 0; b < count; ++b)
        to[b] = std::min(goal[b], done[b] + random.between(1, std::max<int64_t>(1, most / 2)));
    std::string error = batch.append(c.target.append, done, to, random.chance(2) ? Drive::alone : Drive::parts, random.chance(4));
    if (!error.empty())
      return fail(c, "append: " + error);
    done = to;
  }
  static const char *const ways[] = {"append at once", "append one by one", "append in pieces"};
  return checkBytes(c, batch, goal, ways[way]);
}

bool KernelVerifier::checkBytes(const Case &c, const VerifyBatch &batch, const std::vector<int64_t> &lengths, const char *after) {
  for (size_t b = 0; b < c.sequences.size(); ++b)
    if (auto difference = image.compare(c.sequences[b].reference, batch.memory(int64_t(b)), lengths[b]))
      return fail(c, fmt::format("after {}, sequence {}: {}", after, b, *difference));
  return true;
}

bool KernelVerifier::sameBits(const Case &c, const StepOutput &a, const StepOutput &b, const char *what) {
  if (a == b)
    return true;
  return fail(c, fmt::format("{}: {} has other bits", what, a.o == b.o ? "lse" : "o"));
}

void KernelVerifier::runCase(const Case &c) {
  Random random(c.seed);
  VerifyBatch batch(c.target.execution, cache, c.sequences, random);
  Bytes untouched, before;
  batch.save(untouched);
  std::vector<int64_t> from, lengths;
  for (const SequenceData &sequence : c.sequences) {
    from.push_back(sequence.shape.length - sequence.shape.queries);
    lengths.push_back(sequence.shape.length);
  }
  const TargetRows &target = c.target;
  const bool appendOnly = c.scenario.content == Content::corners || !target.attend;
  if (!fill(c, batch, random, appendOnly))
    return;
  if (appendOnly) {
    if (auto change = batch.foreignChange(untouched))
      fail(c, "append: " + *change);
    if (c.scenario.otherLayouts)
      runLayouts(c, batch);
    return;
  }
  batch.save(before);

  // append, then attend
  std::string error = batch.append(target.append, from, lengths, Drive::alone, false);
  if (!error.empty())
    return void(fail(c, "append: " + error));
  if (!checkBytes(c, batch, lengths, "append of the step's tokens"))
    return;
  Bytes full;
  batch.save(full);
  StepOutput inTurn;
  error = batch.attend(target.attend, c.params, Drive::alone, inTurn);
  if (!error.empty())
    return void(fail(c, "attend: " + error));
  if (std::memcmp(full.data(), batch.pages(), size_t(full.size())))
    return void(fail(c, "attend wrote to the cache"));
  if (auto problem = checkOutput(spec, c.scenario.kind, c.sequences, inTurn, c.row))
    return void(fail(c, *problem));

  // the same on several threads, or in another grid
  auto again = [&](const Runnable &row, Drive drive, const std::string &what) {
    StepOutput output;
    std::string error = batch.attend(row, c.params, drive, output);
    return error.empty() ? sameBits(c, output, inTurn, what.c_str()) : fail(c, fmt::format("{}: {}", what, error));
  };
  auto driven = [&](Drive drive) { return target.execution.manner(drive) && (drive != Drive::pool || c.scenario.pool); };
  for (Drive drive : {Drive::parts, Drive::pool})
    if (driven(drive) && !again(target.attend, drive, std::string("attend") + target.execution.manner(drive)))
      return;

  // fused
  for (Drive drive : {Drive::alone, Drive::parts, Drive::pool}) {
    if (!target.fused || !driven(drive))
      continue;
    const std::string name = std::string("append_attend") + target.execution.manner(drive);
    batch.restore(before);
    if (!again(target.fused, drive, name) || !checkBytes(c, batch, lengths, name.c_str()))
      return;
  }
  if (auto change = batch.foreignChange(untouched))
    return void(fail(c, *change));
  if (c.scenario.otherLayouts)
    runLayouts(c, batch);
  if (c.scenario.neighbours)
    runNeighbours(c, inTurn);
}

/// Each sequence alone, in other pages over other poison: the same bits.
void KernelVerifier::runNeighbours(const Case &c, const StepOutput &together) {
  int64_t row = 0;
  for (size_t b = 0; b < c.sequences.size(); ++b) {
    const SequenceShape shape = c.sequences[b].shape;
    if (shape.queries == 0)
      continue;
    std::vector<SequenceData> one = {c.sequences[b]};
    Random random(c.seed + b + 1);
    VerifyBatch batch(c.target.execution, cache, one, random);
    image.write(one[0].reference, 0, shape.length, batch.memory(0));
    StepOutput alone;
    std::string error = batch.attend(c.target.attend, c.params, Drive::alone, alone);
    if (!error.empty())
      return void(fail(c, "attend alone: " + error));
    const int64_t heads = spec.headsQ;
    for (int64_t index = 0; index < shape.queries * heads; ++index) {
      const int64_t token = index / heads, head = index % heads;
      bool same = true;
      for (int64_t d = 0; d < cache.type.getValueDim() && same; ++d)
        same = kv::sameBits(alone.o.get(token, head, d), together.o.get(row + token, head, d));
      if (spec.hasLse)
        same &= kv::sameBits(alone.lse[size_t(index)], together.lse[size_t(row * heads + index)]);
      if (!same)
        return void(fail(c, fmt::format("sequence {} alone, in other pages, has other bits in query {}, head {}", b, token, head)));
    }
    row += shape.queries;
  }
}

/// What the kernels stored, moved to other orders and back.
void KernelVerifier::runLayouts(const Case &c, const VerifyBatch &batch) {
  for (size_t b = 0; b < c.sequences.size(); ++b) {
    const int64_t length = c.sequences[b].shape.length;
    for (bool first : {true, false}) {
      PageImage other(otherOrder(cache.type, first));
      std::vector<int32_t> table;
      for (int64_t page = 0; page * other.map.slots < length; ++page)
        table.push_back(int32_t(page));
      Bytes there(int64_t(table.size()) * other.map.bytes);
      PagedMemory target{there.data(), other.map.bytes, table};
      other.write(image.read(length, batch.memory(int64_t(b))), 0, length, target);
      Reference back = other.read(length, target);
      if (auto difference = image.compare(back, batch.memory(int64_t(b)), length))
        return void(fail(c, fmt::format("layout law, sequence {} moved and moved back: {}", b, *difference)));
    }
  }
}

} // namespace

bool isVerified(const ModuleSpec &module, const KernelSpec &spec) {
  bool attended = llvm::any_of(module.kernels,
                               [&](const KernelSpec &other) { return other.cache == spec.cache && other.kind == KV_OP_ATTEND; });
  return spec.kind == (attended ? KV_OP_ATTEND : KV_OP_APPEND);
}

/// The rows of one kernel's family on each target. An error names what is missing.
static llvm::Expected<std::vector<TargetRows>> findRows(const CacheSpec &cache, const KernelSpec &spec,
                                                        llvm::ArrayRef<VerifyTarget> targets) {
  std::vector<TargetRows> rows;
  for (const VerifyTarget &target : targets) {
    TargetRows found{target.name, *target.execution, {}, {}, {}};
    auto find = [&](const std::string &name, Runnable &row) -> llvm::Error {
      auto kernel = target.execution->kernel(name);
      if (!kernel)
        return kernel.takeError();
      row = findRow(*kernel, target.name);
      return row ? llvm::Error::success() : llvm::createStringError("`" + name + "` has no variant for `" + target.name + "`");
    };
    if (llvm::Error error = find(cache.name + "_append", found.append))
      return std::move(error);
    if (spec.kind != KV_OP_APPEND) {
      if (llvm::Error error = find(spec.name, found.attend))
        return std::move(error);
      if (llvm::Error error = find(cache.name + "_append_" + spec.op, found.fused))
        return std::move(error);
    }
    const kv_kernel &append = *found.append.kernel;
    if (append.page_bytes != cache.map.bytes || append.tokens.page_tokens != cache.map.slots)
      return llvm::createStringError("`" + cache.name + "_append` says that a page has " + std::to_string(append.page_bytes) +
                                     " bytes, the page map " + std::to_string(cache.map.bytes));
    rows.push_back(std::move(found));
  }
  return rows;
}

llvm::Expected<VerifySummary> verify(mlir::ModuleOp level0, const ModuleSpec &module, llvm::ArrayRef<VerifyTarget> targets,
                                     const VerifyOptions &options) {
  VerifySummary summary;
  for (const KernelSpec &spec : module.kernels) {
    if (!isVerified(module, spec) || (!options.kernels.empty() && !llvm::is_contained(options.kernels, spec.name)))
      continue;
    const CacheSpec &cache = module.caches[spec.cache];
    auto function = level0.lookupSymbol<mlir::func::FuncOp>(spec.name);
    if (spec.kind == KV_OP_APPEND)
      function = nullptr;
    else if (!function)
      return llvm::createStringError("level 0 has no function `" + spec.name + "`");
    auto rows = findRows(cache, spec, targets);
    if (!rows)
      return rows.takeError();
    if (llvm::Error error = KernelVerifier(cache, spec, function, std::move(*rows), options, summary).run())
      return std::move(error);
  }
  return summary;
}

llvm::Expected<VerifySummary> verify(mlir::ModuleOp level0, const ModuleSpec &module, Execution &execution,
                                     const VerifyOptions &options) {
  std::vector<VerifyTarget> targets;
  for (const std::string &name : options.targets)
    targets.push_back({name, &execution});
  if (targets.empty() && !module.caches.empty()) {
    auto append = execution.kernel(module.caches[0].name + "_append");
    if (!append)
      return append.takeError();
    for (int32_t i = 0; i < (*append)->num_variants; ++i)
      if ((kv_variant_at(*append, i)->features & ~(kv_cpu_features() | KV_FEATURES_OF_SPEED)) == 0)
        targets.push_back({kv_variant_at(*append, i)->target, &execution});
  }
  return verify(level0, module, targets, options);
}

} // namespace kv
