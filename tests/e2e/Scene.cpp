// Scene.cpp: see Scene.h.
#include "Scene.h"
#include "kv/kv_tokens.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>

namespace kv::e2e {
namespace {

/// The values of one row: multiples of 1/64 in (-4, 4), which f32, f16 and bf16 all hold exactly; some channels are outliers, as
/// keys have them.
class Values {
public:
  Values(uint64_t salt, uint64_t id, int64_t token, int64_t head)
      : state((salt * 0x9e3779b97f4a7c15u + id * 0xbf58476d1ce4e5b9u + token * 0x94d049bb133111ebu + head + 1) *
              0xd6e8feb86659fd93u) {
    state ^= state >> 32;
  }
  float at(int64_t channel) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const int32_t range = channel % 37 == 5 ? 511 : 121; // odd: symmetric around 0
    return static_cast<float>(static_cast<int32_t>((state >> 40) * range >> 24) - range / 2) / 64;
  }

private:
  uint64_t state;
};

/// Stores from element `index` on; exact for these values. Loops without branches: much of a run is spent here.
void store(void *memory, int64_t index, const std::vector<float> &values, int32_t type) {
  if (type == KV_TYPE_F32) {
    memcpy(static_cast<char *>(memory) + index * 4, values.data(), values.size() * 4);
    return;
  }
  auto *halves = static_cast<uint16_t *>(memory) + index;
  if (type == KV_TYPE_BF16) {
    for (size_t i = 0; i < values.size(); ++i)
      halves[i] = std::bit_cast<uint32_t>(values[i]) >> 16;
    return;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(values[i]);
    const uint32_t half = (bits >> 16 & 0x8000) | (((bits >> 23 & 0xff) - 112) << 10) | (bits >> 13 & 0x3ff);
    halves[i] = values[i] != values[i] ? 0x7e00 : values[i] == 0 ? 0 : half;
  }
}

int64_t bytesOf(int32_t type) { return type == KV_TYPE_F32 ? 4 : 2; }

} // namespace

void StepTensors::strides(int64_t heads, int64_t dim, int64_t &token, int64_t &head) const {
  head = spaced ? (dim + 3) * total : dim;
  token = spaced ? dim + 3 : heads * dim;
}

StepTensors::StepTensors(const Kernels &kernels, const std::vector<Sequence> &tokens, const Options &options)
    : kernel(*kernels.fused), spaced(options.spacedTensors), nanAt(options.nanAt) {
  starts.push_back(0);
  for (const Sequence &sequence : tokens)
    starts.push_back(starts.back() + sequence.queries);
  total = starts.back();
  const auto make = [&](const char *name, int64_t heads, int64_t dim, int64_t size) {
    int64_t token, head;
    strides(heads, dim, token, head);
    const int64_t last = total == 0 ? 0 : (total - 1) * token + (heads - 1) * head + dim;
    return Buffer(name, last * size, options.side, size);
  };
  const int64_t in = bytesOf(kernel.q_type);
  q = make("q", kernel.heads_q, kernel.dim_k, in);
  k = make("k", kernel.heads_kv, kernel.dim_k, in);
  v = make("v", kernel.heads_kv, kernel.dim_v, in);
  o = make("o", kernel.heads_q, kernel.dim_v, bytesOf(kernel.o_type));
  lse = Buffer("lse", kernel.has_lse ? total * kernel.heads_q * 4 : 0, options.side, 4);
  params = Buffer("params", kernel.num_arguments * kernel.heads_q * 4, options.side, 4);
  startLoc = Buffer("query_start_loc", starts.size() * 4, options.side, 4);
  lengths = Buffer("seq_lens", tokens.size() * 4, options.side, 4);

  // Gaps between rows of inputs are never read, either.
  for (const Buffer *buffer : {&q, &k, &v, &o, &lse})
    buffer->fill(options.poison);
  fillInput(q, tokens, kernel.heads_q, kernel.dim_k, 1);
  fillInput(k, tokens, kernel.heads_kv, kernel.dim_k, 2);
  fillInput(v, tokens, kernel.heads_kv, kernel.dim_v, 3);
  for (int64_t i = 0; i < kernel.num_arguments * kernel.heads_q; ++i)
    store(params.data(), i, {Values(4, 0, 0, i).at(0) / 16}, KV_TYPE_F32);
  for (size_t b = 0; b < starts.size(); ++b)
    static_cast<int32_t *>(startLoc.data())[b] = static_cast<int32_t>(starts[b]);
  for (size_t b = 0; b < tokens.size(); ++b)
    static_cast<int32_t *>(lengths.data())[b] = tokens[b].length;
  for (const Buffer *buffer : {&q, &k, &v, &params, &startLoc, &lengths})
    buffer->makeReadOnly();
}

void StepTensors::fillInput(const Buffer &buffer, const std::vector<Sequence> &tokens, int64_t heads, int64_t dim,
                            uint64_t salt) const {
  int64_t tokenStride, headStride;
  strides(heads, dim, tokenStride, headStride);
  std::vector<float> row(static_cast<size_t>(dim));
  for (size_t b = 0; b < tokens.size(); ++b)
    for (int64_t i = 0; i < tokens[b].queries; ++i)
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t token = tokens[b].length - tokens[b].queries + i;
        Values values(salt, tokens[b].id, token, h);
        const bool isNan = nanAt && salt != 1 && token == tokens[b].whole - nanAt;
        for (int64_t d = 0; d < dim; ++d)
          row[static_cast<size_t>(d)] = isNan ? NAN : values.at(d);
        store(buffer.data(), (starts[b] + i) * tokenStride + h * headStride, row, kernel.q_type);
      }
}

void StepTensors::attach(kv_step &step) const {
  step.num_seqs = static_cast<int64_t>(starts.size()) - 1;
  step.query_start_loc = static_cast<const int32_t *>(startLoc.data());
  step.seq_lens = static_cast<const int32_t *>(lengths.data());
  step.q.data = q.data();
  step.k.data = k.data();
  step.v.data = v.data();
  step.o.data = o.data();
  step.lse = kernel.has_lse ? static_cast<float *>(lse.data()) : nullptr;
  strides(kernel.heads_q, kernel.dim_k, step.q.token_stride, step.q.head_stride);
  strides(kernel.heads_kv, kernel.dim_k, step.k.token_stride, step.k.head_stride);
  strides(kernel.heads_kv, kernel.dim_v, step.v.token_stride, step.v.head_stride);
  strides(kernel.heads_q, kernel.dim_v, step.o.token_stride, step.o.head_stride);
  for (int32_t i = 0; i < kernel.num_arguments; ++i)
    step.arguments[i] = {static_cast<const float *>(params.data()) + i * kernel.heads_q, kernel.heads_q, {0, 0}};
}

std::vector<uint8_t> StepTensors::outputOf(size_t sequence, bool wantLse) const {
  std::vector<uint8_t> result;
  const auto append = [&](const void *from, int64_t bytes) {
    const auto *begin = static_cast<const uint8_t *>(from);
    result.insert(result.end(), begin, begin + bytes);
  };
  int64_t tokenStride, headStride;
  strides(kernel.heads_q, kernel.dim_v, tokenStride, headStride);
  const int64_t bytes = bytesOf(kernel.o_type);
  for (int64_t row = starts[sequence]; row < starts[sequence + 1]; ++row)
    if (wantLse && kernel.has_lse)
      append(static_cast<const char *>(lse.data()) + row * kernel.heads_q * 4, kernel.heads_q * 4);
    else
      for (int64_t h = 0; !wantLse && h < kernel.heads_q; ++h)
        append(static_cast<const char *>(o.data()) + (row * tokenStride + h * headStride) * bytes, kernel.dim_v * bytes);
  return result;
}

namespace {

/// The cache's pages and the block table.
struct Cache {
  Cache(const kv_kernel &kernel, const std::vector<Sequence> &sequences, const Options &options);
  void attach(kv_step &step, const Options &options) const;
  void bury(const std::vector<Sequence> &sequences, const kv_variant &variant);
  void mapSlots(const std::vector<Sequence> &tokens, const Options &options, Buffer &slots) const;
  std::vector<uint8_t> pagesOf(size_t sequence) const;

  const kv_kernel &kernel;
  std::vector<std::vector<int32_t>> owned;
  int64_t count = 0, stride = 0, width = 1;
  std::unique_ptr<PageMemory> memory;
  Buffer table;
};

Cache::Cache(const kv_kernel &kernel, const std::vector<Sequence> &sequences, const Options &options) : kernel(kernel) {
  int64_t used = 0;
  for (const Sequence &sequence : sequences) {
    const int64_t pages = kv_entries(kernel.tokens, sequence.length);
    owned.emplace_back(pages);
    used += pages;
    width = std::max(width, pages);
  }
  const int64_t free = kernel.tokens.kind == KV_TOKENS_DENSE ? 1 : 5;
  std::vector<int32_t> order(used + free);
  const int64_t spread = std::min<int64_t>(options.pageSpread, INT32_MAX / (used + free)); // page numbers are 32 bits
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = static_cast<int32_t>(i * spread);
  std::mt19937 random(options.pageOrder);
  if (!options.noTable)
    std::shuffle(order.begin(), order.end(), random);
  count = (used + free - 1) * spread + 1;
  stride = (options.guarded ? PageMemory::guardedStride(kernel.page_bytes) : kernel.page_bytes) + options.extraStride;
  memory = std::make_unique<PageMemory>(kernel.page_bytes, stride, count, options.guarded, options.side);
  size_t next = 0;
  table = Buffer("block_table", static_cast<int64_t>(sequences.size()) * width * 4, options.side, 4);
  int32_t *entries = static_cast<int32_t *>(table.data());
  std::fill_n(entries, sequences.size() * width, -123456789); // entries past a sequence's length mean nothing
  for (size_t b = 0; b < sequences.size(); ++b)
    for (size_t i = 0; i < owned[b].size(); ++i) {
      entries[b * width + i] = owned[b][i] = order[next++];
      memory->open(owned[b][i]);
      if (!options.sparse)
        memory->fill(owned[b][i], options.poison);
    }
  for (; !options.guarded && !options.sparse && next < order.size(); ++next)
    memory->fill(order[next], options.poison);
  table.makeReadOnly();
}

void Cache::attach(kv_step &step, const Options &options) const {
  step.pages = memory->base();
  step.page_stride = stride;
  step.num_pages = count;
  if (options.noTable)
    return;
  step.block_table = static_cast<const int32_t *>(table.data());
  step.block_table_stride = width;
}

/// Takes away the pages that the step neither reads nor writes.
void Cache::bury(const std::vector<Sequence> &sequences, const kv_variant &variant) {
  Buffer left("block_table", table.size(), Side::right, 4);
  int32_t *entries = static_cast<int32_t *>(left.data());
  memcpy(entries, table.data(), table.size());
  for (size_t b = 0; b < sequences.size(); ++b) {
    const int32_t startLoc[] = {0, sequences[b].queries}, lengths[] = {sequences[b].length};
    kv_step step;
    kv_step_init(&step);
    step.query_start_loc = startLoc;
    step.seq_lens = lengths;
    int64_t ranges[KV_MAX_RANGES + 1][2];
    int32_t count = sequences[b].queries ? kernel.ranges(&step, 0, 0, sequences[b].queries, ranges) : 0;
    for (int32_t i = 0; i < count; ++i) {
      ranges[i][0] = ranges[i][0] / variant.align_tokens * variant.align_tokens;
      if (i + 1 < count)
        ranges[i][1] = std::min<int64_t>((ranges[i][1] + variant.align_tokens - 1) / variant.align_tokens * variant.align_tokens,
                                         sequences[b].length);
    }
    ranges[count][0] = sequences[b].length - sequences[b].queries; // new tokens
    ranges[count++][1] = sequences[b].length;
    const int64_t slots = kernel.tokens.page_tokens;
    for (int64_t entry = 0; entry < static_cast<int64_t>(owned[b].size()); ++entry) {
      bool used = false;
      for (int32_t i = 0; i < count; ++i)
        used |= ranges[i][0] < std::min(ranges[i][1], (entry + 1) * slots) && ranges[i][1] > entry * slots;
      if (used)
        continue;
      memory->fill(owned[b][entry], Poison::nan);
      memory->close(owned[b][entry]);
      entries[b * width + entry] = -123456789;
    }
  }
  table = std::move(left);
  table.makeReadOnly();
}

void Cache::mapSlots(const std::vector<Sequence> &tokens, const Options &options, Buffer &slots) const {
  std::vector<int64_t> mapping;
  for (size_t b = 0; b < tokens.size(); ++b)
    for (int64_t t = tokens[b].length - tokens[b].queries; t < tokens[b].length; ++t)
      mapping.push_back(options.prefix == Prefix::skipped
                            ? -1
                            : owned[b][t / kernel.tokens.page_tokens] * kernel.tokens.page_tokens + t % kernel.tokens.page_tokens);
  slots = Buffer("slot_mapping", static_cast<int64_t>(mapping.size()) * 8, options.side, 8);
  std::copy(mapping.begin(), mapping.end(), static_cast<int64_t *>(slots.data()));
  slots.makeReadOnly();
}

std::vector<uint8_t> Cache::pagesOf(size_t sequence) const {
  std::vector<uint8_t> result;
  for (int32_t page : owned[sequence])
    result.insert(result.end(), memory->page(page), memory->page(page) + kernel.page_bytes);
  return result;
}

/// Runs one kernel for `tokens`, whose tensors are `tensors`. False when it failed; the outcome says why.
bool runStep(const kv_kernel *kernel, const Cache &cache, const StepTensors &tensors, const std::vector<Sequence> &tokens,
             const Options &options, Outcome &outcome) {
  kv_step step;
  kv_step_init(&step);
  cache.attach(step, options);
  tensors.attach(step);
  Buffer slots;
  if ((options.slotMapping || options.prefix == Prefix::skipped) && kernel->op != KV_OP_ATTEND) {
    cache.mapSlots(tokens, options, slots);
    step.slot_mapping = static_cast<const int64_t *>(slots.data());
  }
  const kv_variant *variant = kv_select_target(kernel, options.target, &outcome.status);
  if (variant) {
    const int64_t bytes = kv_step_workspace_bytes(kernel, variant, &step, options.executor ? options.executor->threads : 1);
    Buffer workspace("workspace", std::max<int64_t>(bytes, 0), options.side, 64);
    workspace.fill(options.poison);
    step.workspace = workspace.data();
    step.workspace_bytes = bytes;
    const auto run = [&] { outcome.status = kv_run_variant(kernel, variant, &step, options.executor); };
    if (options.executor) // on other threads, a fault ends the program
      run();
    else
      outcome.error = faultOf(run);
    if (!outcome.error.empty())
      outcome.error = std::string(kernel->name) + " for " + options.target + " touched " + outcome.error;
  }
  if (outcome.status != KV_OK)
    outcome.error = kv_last_error();
  return outcome.error.empty();
}

} // namespace

Outcome play(const Kernels &kernels, const std::vector<Sequence> &asked, const Options &options) {
  Outcome outcome;
  std::vector<Sequence> sequences = asked;
  for (Sequence &sequence : sequences)
    sequence.whole = sequence.length;
  Cache cache(*kernels.fused, sequences, options);

  std::vector<Sequence> prefixes = sequences;
  int32_t longest = 0;
  for (Sequence &prefix : prefixes) {
    prefix.length -= prefix.queries;
    prefix.queries = prefix.length;
    longest = std::max(longest, prefix.length);
  }
  for (int32_t begin = 0; begin < longest && options.prefix != Prefix::none;) {
    const int32_t end = options.prefix == Prefix::tokenByToken ? begin + 1 : longest;
    std::vector<Sequence> chunk = prefixes;
    for (size_t b = 0; b < chunk.size(); ++b) {
      chunk[b].length = std::min(end, prefixes[b].length);
      chunk[b].queries = std::max(chunk[b].length - begin, 0);
    }
    const StepTensors tensors(kernels, chunk, options);
    if (!runStep(kernels.append, cache, tensors, chunk, options, outcome))
      return outcome;
    begin = end;
  }

  if (options.prefix == Prefix::skipped || options.prefix == Prefix::none) {
    for (size_t b = 0; b < sequences.size(); ++b)
      outcome.sequences.push_back({{}, {}, cache.pagesOf(b)});
    return outcome;
  }
  if (options.dead)
    if (const kv_variant *variant = kv_select_target(kernels.fused, options.target, nullptr))
      cache.bury(sequences, *variant);
  const StepTensors tensors(kernels, sequences, options);
  if (options.fused) {
    if (!runStep(kernels.fused, cache, tensors, sequences, options, outcome))
      return outcome;
  } else if (!runStep(kernels.append, cache, tensors, sequences, options, outcome) ||
             !runStep(kernels.attend, cache, tensors, sequences, options, outcome)) {
    return outcome;
  }
  for (size_t b = 0; b < sequences.size(); ++b)
    outcome.sequences.push_back({tensors.outputOf(b, false), tensors.outputOf(b, true),
                                 options.sparse || options.dead ? std::vector<uint8_t>() : cache.pagesOf(b)});
  return outcome;
}

bool isSeen(const kv_kernel &kernel, const Sequence &sequence, int32_t query, int32_t token) {
  const int32_t startLoc[] = {0, sequence.queries}, lengths[] = {sequence.length};
  kv_step step;
  kv_step_init(&step);
  step.query_start_loc = startLoc;
  step.seq_lens = lengths;
  int64_t ranges[KV_MAX_RANGES][2];
  const int32_t count = kernel.ranges(&step, 0, query, query + 1, ranges);
  return std::any_of(ranges, ranges + count, [&](const int64_t *range) { return range[0] <= token && token < range[1]; });
}

std::vector<Sequence> typicalSequences(const Kernels &kernels, const char *target) {
  const kv_kernel &kernel = *kernels.fused;
  const kv_variant *variant = kv_select_target(&kernel, target, nullptr);
  const bool isDense = kernel.tokens.kind == KV_TOKENS_DENSE;
  const int64_t page = kernel.tokens.page_tokens, split = variant ? variant->split_tokens : 64;
  const int64_t block = variant ? variant->query_block : 1;
  std::vector<int64_t> lengths = {0, 1, 7, 61};
  if (page <= 256)
    lengths.insert(lengths.end(), {page - 1, page, page + 1, 2 * page + 3});
  if (split <= 256)
    lengths.push_back(2 * split + 5);
  else if (split <= 4096 && kernel.heads_kv * (kernel.dim_k + kernel.dim_v) <= 2048) // what takes a moment only
    lengths.push_back(split + 61);
  std::vector<Sequence> sequences;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const int64_t length = isDense ? std::min(lengths[i], page) : lengths[i];
    const int64_t choices[] = {kernel.min_queries, kernel.max_queries, 1, 0, block, block + 1, 3 * block + 1};
    int64_t queries = std::min({choices[i % std::size(choices)], length, kernel.max_queries});
    if (queries < kernel.min_queries)
      queries = 0;
    if (isDense && length == 0)
      continue; // without a table, every sequence has its page
    sequences.push_back({100 + i, static_cast<int32_t>(length), static_cast<int32_t>(queries)});
  }
  if (kernel.page_bytes > 4 << 20) // large dense pages: a few will do
    sequences = {sequences[0], sequences.back()};
  return sequences;
}

} // namespace kv::e2e
