#include "tools/kvcc/BenchCase.h"

#include "tools/kvcc/Tensor.h"

#include <fmt/format.h>

#include <algorithm>

namespace kv {

/// Most tokens appended at a time while filling.
static constexpr int64_t mostFillTokens = 512;
/// No more memory than this for copies of the caches.
static constexpr size_t mostPageBytes = size_t(3) << 30;

BenchCase::BenchCase(const BenchSetup &setup, size_t coldBytes) : setup(setup) {
  allocate(coldBytes);
  if (error().empty())
    fill();
}

uint8_t *BenchCase::place(size_t bytes, const void *from) {
  memory.push_back(setup.machine->allocate(std::max<size_t>(bytes, 64)));
  if (from && error().empty())
    setup.machine->write(memory.back().get(), from, bytes);
  return memory.back().get();
}

double BenchCase::bytesPerStep() const {
  double perToken = bytesPerToken(setup.cache->type);
  int64_t tokens = setup.spec->kind == KV_OP_APPEND ? setup.queries : setup.context;
  return perToken * static_cast<double>(tokens * setup.batch);
}

double BenchCase::flopsPerStep() const {
  if (setup.spec->kind == KV_OP_APPEND)
    return 0;
  const kv_kernel &kernel = *setup.row.kernel;
  // A causal query sees the keys up to its own: the last one all of them.
  auto queries = static_cast<double>(setup.queries);
  double seen = queries * static_cast<double>(setup.context) - (kernel.causal ? queries * (queries - 1) / 2 : 0);
  return 2 * static_cast<double>((kernel.dim_k + kernel.dim_v) * kernel.heads_q * setup.batch) * seen;
}

void BenchCase::allocate(size_t coldBytes) {
  const kv_kernel &kernel = *setup.row.kernel;
  fillTokens = std::min(mostFillTokens, setup.context);
  pagesPerSequence = kernel.dense ? 1 : (setup.context + kernel.page_tokens - 1) / kernel.page_tokens;
  if (kernel.dense && setup.context > kernel.page_tokens) {
    problem = fmt::format("a context of {} does not fit `dense({})`", setup.context, kernel.page_tokens);
    return;
  }
  auto stepPages = static_cast<size_t>(pagesPerSequence * setup.batch);
  size_t stepBytes = stepPages * static_cast<size_t>(kernel.page_bytes);
  double touched = bytesPerToken(setup.cache->type) * static_cast<double>(setup.context * setup.batch);
  copies = static_cast<int64_t>(static_cast<double>(coldBytes) / touched) + 1;
  copies = std::max<int64_t>(2, std::min<int64_t>(copies, static_cast<int64_t>(mostPageBytes / stepBytes)));

  int64_t rows = setup.batch * setup.queries, fillRows = std::max(rows, fillTokens);
  int64_t headsQ = std::max<int64_t>(kernel.heads_q, 1);
  auto type = static_cast<kv_type>(kernel.q_type);
  bounds = {setup.batch, rows, setup.queries, setup.context};
  fillBounds = {1, fillTokens, fillTokens, setup.context};
  std::vector<int32_t> queryStartLoc, seqLens(static_cast<size_t>(setup.batch), static_cast<int32_t>(setup.context));
  for (int64_t b = 0; b <= setup.batch; ++b)
    queryStartLoc.push_back(static_cast<int32_t>(b * setup.queries));
  std::vector<int32_t> blockTable(stepPages * static_cast<size_t>(copies));
  for (size_t i = 0; i < blockTable.size(); ++i)
    blockTable[i] = static_cast<int32_t>(i);

  kv_step step;
  kv_step_init(&step);
  step.pages = place(stepBytes * static_cast<size_t>(copies));
  step.page_stride = kernel.page_bytes;
  step.num_pages = static_cast<int64_t>(blockTable.size());
  step.num_seqs = setup.batch;
  step.query_start_loc = place(queryStartLoc);
  step.seq_lens = place(seqLens);
  step.block_table = place(blockTable);
  step.block_table_stride = pagesPerSequence;
  step.q = place(toBytes(randomRows(rows, headsQ, kernel.dim_k, 2.0f, 1), type));
  step.q_head_stride = kernel.dim_k;
  step.q_token_stride = kernel.dim_k * headsQ;
  step.k = place(toBytes(randomRows(fillRows, kernel.heads_kv, kernel.dim_k, 8.0f, 2), type));
  step.k_head_stride = kernel.dim_k;
  step.k_token_stride = kernel.dim_k * kernel.heads_kv;
  step.v = place(toBytes(randomRows(fillRows, kernel.heads_kv, kernel.dim_v, 2.0f, 3), type));
  step.v_head_stride = kernel.dim_v;
  step.v_token_stride = kernel.dim_v * kernel.heads_kv;
  step.o = place(static_cast<size_t>(rows * headsQ * kernel.dim_v * 4));
  step.o_head_stride = kernel.dim_v;
  step.o_token_stride = kernel.dim_v * headsQ;
  step.lse = kernel.has_lse ? reinterpret_cast<float *>(place(static_cast<size_t>(rows * headsQ * 4))) : nullptr;
  const float *param = place(std::vector<float>(static_cast<size_t>(headsQ), 0.01f));
  for (int32_t i = 0; i < kernel.num_params; ++i)
    step.params[i] = param;
  if (!error().empty())
    return;
  step.workspace_bytes = std::max(setup.machine->workspaceBytes(setup.row, step, bounds),
                                  setup.machine->workspaceBytes(setup.append, step, fillBounds));
  if (error().empty())
    step.workspace = place(static_cast<size_t>(std::max<int64_t>(step.workspace_bytes, 0)));
  for (int64_t copy = 0; copy < copies; ++copy) {
    steps.push_back(step);
    step.block_table += pagesPerSequence * setup.batch;
  }
}

void BenchCase::fill() {
  BenchMachine &machine = *setup.machine;
  // The first sequence, by append.
  kv_step step = steps[0];
  std::vector<int32_t> startLoc = {0, 0}, length = {0};
  int32_t *startLocThere = place(startLoc), *lengthThere = place(length);
  step.num_seqs = 1;
  step.query_start_loc = startLocThere;
  step.seq_lens = lengthThere;
  for (int64_t done = 0; done < setup.context && error().empty(); done += startLoc[1]) {
    startLoc[1] = static_cast<int32_t>(std::min(fillTokens, setup.context - done));
    length[0] = static_cast<int32_t>(done + startLoc[1]);
    machine.write(startLocThere, startLoc.data(), 2 * sizeof(int32_t));
    machine.write(lengthThere, length.data(), sizeof(int32_t));
    machine.time(setup.append, {&step}, fillBounds);
  }
  // All others are copies of it.
  auto *first = static_cast<uint8_t *>(step.pages);
  size_t sequence = static_cast<size_t>(pagesPerSequence * setup.row.kernel->page_bytes);
  size_t all = sequence * static_cast<size_t>(copies * setup.batch);
  for (size_t done = sequence; done < all && error().empty(); done *= 2)
    machine.copy(first + done, first, std::min(done, all - done));
  if (error().empty())
    machine.time(setup.row, {&steps[0]}, bounds);
}

double BenchCase::run(int count, bool cold) {
  if (!cold) // what was measured in between has taken the cache's place
    setup.machine->time(setup.row, {&steps[0], &steps[0]}, bounds);
  order.clear();
  for (int i = 0; i < count; ++i) {
    order.push_back(&steps[static_cast<size_t>(cold ? nextCopy : 0)]);
    if (cold)
      nextCopy = (nextCopy + 1) % copies;
  }
  return setup.machine->time(setup.row, order, bounds) / count;
}

} // namespace kv
