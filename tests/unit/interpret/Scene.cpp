#include "tests/unit/interpret/Scene.h"

#include "compiler/kernels/Partial.h"
#include "compiler/schedule/Choice.h"
#include "dialect/Visible.h"
#include "kv/kv.h"
#include "tools/kvcc/VerifyOutput.h"

#include <fmt/format.h>

namespace kv {

/// A step and what it points to.
struct Scene::Step {
  Step() { kv_step_init(&step); }

  kv_step step;
  std::vector<int32_t> starts = {0}, lengths;
  std::vector<int64_t> slots;
  VerifyTensor q, k, v;
  std::vector<float> lse;
  KernelMemory memory;

  void addSequence(int64_t length, int64_t queries) {
    starts.push_back(starts.back() + int32_t(queries));
    lengths.push_back(int32_t(length));
  }
  /// Once all sequences are there.
  void bind() {
    step.num_seqs = int64_t(lengths.size());
    step.query_start_loc = starts.data();
    step.seq_lens = lengths.data();
    memory.read(starts.data(), int64_t(starts.size() * sizeof(int32_t)));
    memory.read(lengths.data(), int64_t(lengths.size() * sizeof(int32_t)));
  }
  /// From the first element of the first row to the last of the last.
  static int64_t bytesOf(const VerifyTensor &tensor, Element type, int64_t tokens, int64_t heads, int64_t dim) {
    const int64_t elements = (tokens - 1) * tensor.tokenStride + (heads - 1) * tensor.headStride + dim;
    return tokens ? elements * bitsOf(type) / 8 : 0;
  }
};

Scene::Scene(mlir::ModuleOp level0, const CacheSpec &cache, const KernelSpec &spec, int64_t most, uint64_t seed)
    : cache(cache), spec(spec), image(cache.type), random(seed), stride(cache.map.bytes + 64) {
  const bool dense = cache.type.getLayout().getKind() == LayoutKind::dense;
  auto shape = [&](int64_t length, int64_t queries) -> SequenceShape {
    length = std::max(dense ? std::min(length, cache.map.slots) : length, spec.minQueries);
    return {length, std::min({std::clamp(queries, spec.minQueries, spec.maxQueries), length}), false};
  };
  std::vector<SequenceShape> shapes = {shape(most, spec.minQueries), shape(most - 13, 11), shape(37, 11)};
  shapes[random.below(2)].needles = true;
  for (size_t i = 0; i < spec.params.size(); ++i)
    params.push_back(makeParameter(spec.headsQ, most, random));
  mlir::func::FuncOp function = level0.lookupSymbol<mlir::func::FuncOp>(spec.name);
  std::vector<Tensor> arguments(1);
  for (const std::vector<float> &values : params)
    arguments.push_back({{spec.headsQ}, {values.begin(), values.end()}});
  ScoreFunction score = llvm::cantFail(scoreFunction(function, arguments));
  Scenario scenario;
  for (const SequenceShape &each : shapes) {
    // The last has numbers that are none, some of them in tokens that only some rows see.
    scenario.content = &each == &shapes.back() ? Content::specials : Content::ordinary;
    sequences.push_back(makeSequence(cache, spec, scenario, each, score, 64, random));
  }
  interpretAll(level0);
  makePages();
}

void Scene::interpretAll(mlir::ModuleOp level0) {
  for (SequenceData &sequence : sequences) {
    std::vector<Tensor> arguments;
    arguments.push_back({{sequence.shape.queries, spec.headsQ, cache.type.getKeyDim()}, {sequence.q.begin(), sequence.q.end()}});
    for (const std::vector<float> &values : params)
      arguments.push_back({{spec.headsQ}, {values.begin(), values.end()}});
    auto results = llvm::cantFail(
        interpret(level0.lookupSymbol<mlir::func::FuncOp>(spec.name), sequence.reference, arguments, &sequence.sizes));
    sequence.output = std::move(results[0]);
    if (spec.hasLse)
      sequence.lse = std::move(results[1]);
  }
}

/// Pages in any order, one of which is nobody's.
void Scene::makePages() {
  const bool dense = cache.type.getLayout().getKind() == LayoutKind::dense;
  std::vector<int32_t> order;
  auto pagesOf = [&](const SequenceData &sequence) { return dense ? 1 : kv_entries(cache.tokens, sequence.shape.length); };
  for (const SequenceData &sequence : sequences) {
    tableStride = std::max(tableStride, pagesOf(sequence));
    numPages += pagesOf(sequence);
  }
  for (int32_t page = 0; page <= numPages; ++page)
    order.push_back(page);
  random.shuffle(order);
  ++numPages;
  table.assign(sequences.size() * size_t(tableStride), INT32_MAX);
  size_t next = 0;
  for (size_t b = 0; b < sequences.size(); ++b)
    for (int64_t page = 0; page < pagesOf(sequences[b]); ++page)
      table[b * size_t(tableStride) + size_t(page)] = order[next++];
  poison.assign(size_t(numPages * stride), 0xff);
}

PagedMemory Scene::memory(std::vector<uint8_t> &pages, size_t sequence) {
  return {pages.data(), stride, llvm::ArrayRef<int32_t>(table).slice(sequence * size_t(tableStride), size_t(tableStride))};
}

std::vector<int64_t> Scene::lengths() const {
  std::vector<int64_t> all;
  for (const SequenceData &sequence : sequences)
    all.push_back(sequence.shape.length);
  return all;
}

std::vector<int64_t> Scene::lengthsBefore() const {
  std::vector<int64_t> all;
  for (const SequenceData &sequence : sequences)
    all.push_back(sequence.shape.length - sequence.shape.queries);
  return all;
}

//===- steps -----------------------------------------------------------------------------------------------------------------===//

void Scene::bindPages(Step &step, std::vector<uint8_t> &pages, bool writable) {
  step.step.pages = pages.data();
  step.step.page_stride = stride;
  step.step.num_pages = numPages;
  step.step.block_table = table.data();
  step.step.block_table_stride = tableStride;
  step.memory.read(table.data(), int64_t(table.size() * sizeof(int32_t)));
  for (int64_t page = 0; page < numPages; ++page)
    if (llvm::is_contained(table, int32_t(page))) {
      if (writable)
        step.memory.write(pages.data() + page * stride, cache.map.bytes);
      else
        step.memory.read(pages.data() + page * stride, cache.map.bytes);
    }
}

void Scene::bindTokens(Step &step, const std::vector<int64_t> &from, const std::vector<int64_t> &to) {
  const int64_t heads = cache.type.getHeads(), dimK = cache.type.getKeyDim(), dimV = cache.type.getValueDim();
  const Element type = elementOf(cache.tokenType);
  int64_t total = 0;
  for (size_t b = 0; b < sequences.size(); ++b)
    total += to[b] - from[b];
  auto *source = std::pmr::new_delete_resource();
  step.k = VerifyTensor(type, total, heads, dimK, random, source);
  step.v = VerifyTensor(type, total, heads, dimV, random, source);
  int64_t row = 0;
  for (size_t b = 0; b < sequences.size(); ++b)
    for (int64_t token = from[b]; token < to[b]; ++token, ++row)
      for (int64_t head = 0; head < heads; ++head) {
        step.k.set(row, head, &sequences[b].k[size_t((token * heads + head) * dimK)]);
        step.v.set(row, head, &sequences[b].v[size_t((token * heads + head) * dimV)]);
      }
  step.step.k = {step.k.data(), step.k.tokenStride, step.k.headStride};
  step.step.v = {step.v.data(), step.v.tokenStride, step.v.headStride};
  step.memory.read(step.k.data(), Step::bytesOf(step.k, type, total, heads, dimK));
  step.memory.read(step.v.data(), Step::bytesOf(step.v, type, total, heads, dimV));
}

void Scene::bindQueries(Step &step, StepOutput &output) {
  const int64_t heads = spec.headsQ, dimK = cache.type.getKeyDim(), dimV = cache.type.getValueDim(), total = step.starts.back();
  const Element inputs = elementOf(spec.qType), outputs = elementOf(spec.oType);
  auto *source = std::pmr::new_delete_resource();
  step.q = VerifyTensor(inputs, total, heads, dimK, random, source);
  int64_t row = 0;
  for (const SequenceData &sequence : sequences)
    for (int64_t query = 0; query < sequence.shape.queries; ++query, ++row)
      for (int64_t head = 0; head < heads; ++head)
        step.q.set(row, head, &sequence.q[size_t((query * heads + head) * dimK)]);
  step.step.q = {step.q.data(), step.q.tokenStride, step.q.headStride};
  step.memory.read(step.q.data(), Step::bytesOf(step.q, inputs, total, heads, dimK));
  output.o = VerifyTensor(outputs, total, heads, dimV, random, source);
  step.step.o = {output.o.data(), output.o.tokenStride, output.o.headStride};
  step.memory.write(output.o.data(), Step::bytesOf(output.o, outputs, total, heads, dimV));
  output.lse.assign(spec.hasLse ? size_t(total * heads) : 0, NAN);
  step.step.lse = spec.hasLse ? output.lse.data() : nullptr;
  step.memory.write(output.lse.data(), int64_t(output.lse.size() * sizeof(float)));
  for (size_t i = 0; i < params.size(); ++i) {
    step.step.arguments[i] = {params[i].data(), int64_t(params[i].size()), {0, 0}};
    step.memory.read(params[i].data(), int64_t(params[i].size() * sizeof(float)));
  }
}

//===- kernels ---------------------------------------------------------------------------------------------------------------===//

static llvm::Error run(mlir::ModuleOp module, const std::string &symbol, const kv_step &step, const kv_item &item,
                       const KernelMemory &memory) {
  auto kernel = module.lookupSymbol<mlir::func::FuncOp>(symbol);
  if (!kernel)
    return llvm::createStringError("there is no kernel `" + symbol + "`");
  if (llvm::Error error = runKernel(kernel, step, item, memory))
    return llvm::createStringError(symbol + ": " + llvm::toString(std::move(error)));
  return llvm::Error::success();
}

llvm::Error Scene::appendTokens(mlir::ModuleOp module, const std::vector<int64_t> &from, const std::vector<int64_t> &to,
                                bool mapped, std::vector<uint8_t> &pages) {
  Step step;
  for (size_t b = 0; b < sequences.size(); ++b) {
    step.addSequence(to[b], to[b] - from[b]);
    for (int64_t token = from[b]; token < to[b]; ++token) {
      const kv_place place = kv_place_of(cache.tokens, token);
      step.slots.push_back(kv_slot_number(cache.tokens, memory(pages, b).table[size_t(place.entry)], place.slot));
    }
  }
  step.bind();
  bindPages(step, pages, /*writable=*/true);
  bindTokens(step, from, to);
  if (mapped) {
    step.step.slot_mapping = step.slots.data();
    step.memory.read(step.slots.data(), int64_t(step.slots.size() * sizeof(int64_t)));
  }
  for (size_t b = 0; b < sequences.size(); ++b)
    for (int64_t head = 0; head < cache.type.getHeads(); ++head) {
      kv_item item = {};
      item.seq = int64_t(b);
      item.head = head;
      item.num_heads = 1;
      item.query_end = to[b] - from[b];
      if (llvm::Error error = run(module, cache.name + "_append.append", step.step, item, step.memory))
        return error;
    }
  return llvm::Error::success();
}

std::optional<std::string> Scene::append(mlir::ModuleOp module) {
  std::vector<uint8_t> pages = poison;
  const std::vector<int64_t> none(sequences.size()), before = lengthsBefore(), after = lengths();
  if (llvm::Error error = appendTokens(module, none, before, /*mapped=*/true, pages))
    return llvm::toString(std::move(error));
  if (llvm::Error error = appendTokens(module, before, after, /*mapped=*/false, pages))
    return llvm::toString(std::move(error));
  for (size_t b = 0; b < sequences.size(); ++b)
    if (auto difference = image.compare(sequences[b].reference, memory(pages, b)))
      return fmt::format("sequence {}: {}", b, *difference);
  if (!filled.empty() && filled != pages)
    return "bytes between tokens differ";
  filled = std::move(pages);
  return std::nullopt;
}

/// Tokens in the ranges of an item's queries, laid end to end (kv_abi.h).
int64_t Scene::visibleTokens(size_t sequence, int64_t queryBegin, int64_t queryEnd, int64_t align) const {
  const SequenceShape &shape = sequences[sequence].shape;
  const int64_t past = shape.length - shape.queries;
  VisibleRuns<PlainNumbers> runs({}, spec.visible);
  int64_t total = 0;
  for (int64_t number = 0; number < spec.visible.getRuns(); ++number) {
    auto [low, end] = runs.range(number, past + queryBegin, past + queryEnd - 1, shape.length);
    if (low >= end)
      continue;
    const bool isLast = number + 1 == spec.visible.getRuns();
    total += (isLast ? end : int64_t(llvm::alignTo(uint64_t(end), uint64_t(align)))) - low / align * align;
  }
  return total;
}

/// As one, or in splits of so many visible tokens, joined head by head.
llvm::Error Scene::attendItem(mlir::ModuleOp module, const std::string &name, Step &step, kv_item item, int64_t split) {
  const int64_t total = item.token_end;
  if (!split || total <= split)
    return run(module, name + ".attend", step.step, item, step.memory);
  const int64_t splits = (total + split - 1) / split, group = spec.headsQ / cache.type.getHeads();
  const int64_t rows = (item.query_end - item.query_begin) * group;
  const int64_t size = rows * Partial::bytesOfRow(cache.type.getValueDim()) / int64_t(sizeof(float));
  std::vector<float> partials(size_t(item.num_heads * splits * size), NAN);
  KernelMemory memory = step.memory;
  memory.write(partials.data(), int64_t(partials.size() * sizeof(float)));
  item.num_partials = splits;
  for (int64_t number = splits; number-- > 0;) {
    item.token_begin = number * split;
    item.token_end = std::min(total, item.token_begin + split);
    item.partial = partials.data() + number * size;
    if (llvm::Error error = run(module, name + ".attend", step.step, item, memory))
      return error;
  }
  kv_item joined = item;
  joined.num_heads = 1;
  for (int64_t head = 0; head < item.num_heads; ++head) {
    joined.head = item.head + head;
    joined.partial = partials.data() + head * splits * size;
    if (llvm::Error error = run(module, name + ".merge", step.step, joined, memory))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error Scene::attendAll(mlir::ModuleOp module, const std::string &name, Step &step, Splits splits) {
  auto kernel = module.lookupSymbol<mlir::func::FuncOp>(name + ".attend");
  if (!kernel)
    return llvm::createStringError("there is no kernel of `" + name + "`");
  auto schedule = kernel->getAttrOfType<ScheduleAttr>("kv.schedule");
  const int64_t align = splitUnit(cache.type, schedule.getBlock().getTokens());
  const int64_t pairs = std::max(schedule.getItem().getHeads(), schedule.getItem().getQueries());
  for (size_t b = 0; b < sequences.size(); ++b) {
    const int64_t queries = sequences[b].shape.queries;
    for (int64_t begin = 0; begin < queries; begin += schedule.getItem().getQueries()) {
      kv_item item = {};
      item.seq = int64_t(b);
      item.query_begin = begin;
      item.query_end = std::min(queries, begin + schedule.getItem().getQueries());
      const int64_t heads = std::clamp<int64_t>(pairs / (item.query_end - begin), 1, schedule.getItem().getHeads());
      item.token_end = visibleTokens(b, item.query_begin, item.query_end, align);
      for (item.head = 0; item.head < cache.type.getHeads(); item.head += heads) {
        item.num_heads = std::min(heads, cache.type.getHeads() - item.head);
        if (llvm::Error error = attendItem(module, name, step, item, splits == Splits::some && b % 2 ? align : 0))
          return error;
      }
    }
  }
  return llvm::Error::success();
}

std::optional<std::string> Scene::attend(mlir::ModuleOp module, StepOutput &output) {
  Step step;
  for (const SequenceData &sequence : sequences)
    step.addSequence(sequence.shape.length, sequence.shape.queries);
  step.bind();
  bindPages(step, filled, /*writable=*/false);
  bindQueries(step, output);
  if (llvm::Error error = attendAll(module, spec.name, step, Splits::some))
    return llvm::toString(std::move(error));
  if (!output.o.gapsIntact())
    return "o: bytes between the rows were written";
  return std::nullopt;
}

std::optional<std::string> Scene::appendAttend(mlir::ModuleOp module, StepOutput &output) {
  const std::string attendName = spec.name.substr(cache.name.size() + 1), name = cache.name + "_append_" + attendName;
  std::vector<uint8_t> pages = poison;
  const std::vector<int64_t> none(sequences.size()), before = lengthsBefore(), after = lengths();
  if (llvm::Error error = appendTokens(module, none, before, /*mapped=*/false, pages))
    return llvm::toString(std::move(error));
  // What several query blocks share, and what attends append nothing of, is appended before.
  auto schedule = module.lookupSymbol<mlir::func::FuncOp>(name + ".attend")->getAttrOfType<ScheduleAttr>("kv.schedule");
  std::vector<int64_t> own = before;
  for (size_t b = 0; b < sequences.size(); ++b)
    if (!spec.visible.seesItself() || sequences[b].shape.queries > schedule.getItem().getQueries())
      own[b] = after[b];
  if (llvm::Error error = appendTokens(module, before, own, /*mapped=*/false, pages))
    return llvm::toString(std::move(error));
  Step step;
  for (const SequenceData &sequence : sequences)
    step.addSequence(sequence.shape.length, sequence.shape.queries);
  step.bind();
  bindPages(step, pages, /*writable=*/true);
  bindTokens(step, before, after);
  bindQueries(step, output);
  if (llvm::Error error = attendAll(module, name, step, Splits::none))
    return llvm::toString(std::move(error));
  if (pages != filled)
    return "what is stored is not what the append kernel stores";
  return std::nullopt;
}

std::optional<std::string> Scene::check(const StepOutput &output) const {
  VerifyRow row;
  return checkOutput(spec, InputKind::normal, sequences, output, row);
}

} // namespace kv
