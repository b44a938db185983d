#include "tools/kvcc/BenchCase.h"

#include "tools/kvcc/Tensor.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace kv {

/// Most tokens appended at a time while filling.
static constexpr int64_t mostFillTokens = 512;
/// No more memory than this for copies of the caches.
static constexpr size_t mostPageBytes = size_t(3) << 30;

BenchCase::BenchCase(const BenchSetup &setup, size_t coldBytes) : setup(setup) {
  if (allocate(coldBytes))
    fill();
}

bool BenchCase::check(kv_status status, const char *doing) {
  if (status == KV_OK)
    return true;
  problem = fmt::format("{}: {}", doing, kv_last_error());
  return false;
}

double BenchCase::bytesPerStep() const {
  double perToken = bytesPerToken(setup.cache->type);
  double tokens = setup.spec->kind == KV_OP_APPEND ? 1.0 : static_cast<double>(setup.context);
  return perToken * tokens * static_cast<double>(setup.batch);
}

bool BenchCase::allocate(size_t coldBytes) {
  const kv_kernel &kernel = *setup.kernel;
  fillTokens = std::min(mostFillTokens, setup.context);
  pagesPerSequence = kernel.dense ? 1 : (setup.context + kernel.page_tokens - 1) / kernel.page_tokens;
  if (kernel.dense && setup.context > kernel.page_tokens) {
    problem = fmt::format("a context of {} does not fit `dense({})`", setup.context, kernel.page_tokens);
    return false;
  }
  auto stepPages = static_cast<size_t>(pagesPerSequence * setup.batch);
  size_t stepBytes = stepPages * static_cast<size_t>(kernel.page_bytes);
  double touched = bytesPerToken(setup.cache->type) * static_cast<double>(setup.context * setup.batch);
  copies = static_cast<int64_t>(static_cast<double>(coldBytes) / touched) + 1;
  copies = std::max<int64_t>(2, std::min<int64_t>(copies, static_cast<int64_t>(mostPageBytes / stepBytes)));
  pages = std::make_unique<HugeBuffer>(stepBytes * static_cast<size_t>(copies));

  // One query a sequence: a decode step.
  int64_t rows = setup.batch;
  int64_t headsQ = std::max<int64_t>(kernel.heads_q, 1);
  auto type = static_cast<kv_type>(kernel.q_type);
  q = toBytes(randomRows(rows, headsQ, kernel.dim_k, 2.0f, 1), type);
  k = toBytes(randomRows(std::max(rows, fillTokens), kernel.heads_kv, kernel.dim_k, 8.0f, 2), type);
  v = toBytes(randomRows(std::max(rows, fillTokens), kernel.heads_kv, kernel.dim_v, 2.0f, 3), type);
  o.resize(static_cast<size_t>(rows * headsQ * kernel.dim_v * 4));
  lse.resize(static_cast<size_t>(rows * headsQ));
  params.assign(static_cast<size_t>(headsQ), 0.01f);
  for (int64_t b = 0; b <= setup.batch; ++b)
    queryStartLoc.push_back(static_cast<int32_t>(b));
  seqLens.assign(static_cast<size_t>(setup.batch), static_cast<int32_t>(setup.context));
  blockTable.resize(stepPages * static_cast<size_t>(copies));
  for (size_t i = 0; i < blockTable.size(); ++i)
    blockTable[i] = static_cast<int32_t>(i);

  kv_bounds bounds = {setup.batch, std::max(setup.batch, fillTokens), fillTokens, setup.context};
  int64_t bytes = std::max(kv_workspace_bytes(setup.kernel, setup.variant, &bounds, setup.executor.threads),
                           kv_workspace_bytes(setup.append, setup.appendVariant, &bounds, setup.executor.threads));
  if (bytes < 0) {
    problem = fmt::format("workspace: {}", kv_last_error());
    return false;
  }
  workspace = std::make_unique<HugeBuffer>(static_cast<size_t>(bytes) + 64);
  if (!pages->data() || !workspace->data()) {
    problem = "the system has no memory for the caches";
    return false;
  }

  kv_step step;
  kv_step_init(&step);
  step.pages = pages->data();
  step.page_stride = kernel.page_bytes;
  step.num_pages = static_cast<int64_t>(blockTable.size());
  step.num_seqs = setup.batch;
  step.query_start_loc = queryStartLoc.data();
  step.seq_lens = seqLens.data();
  step.block_table_stride = pagesPerSequence;
  step.q = q.data();
  step.q_head_stride = kernel.dim_k;
  step.q_token_stride = kernel.dim_k * headsQ;
  step.k = k.data();
  step.k_head_stride = kernel.dim_k;
  step.k_token_stride = kernel.dim_k * kernel.heads_kv;
  step.v = v.data();
  step.v_head_stride = kernel.dim_v;
  step.v_token_stride = kernel.dim_v * kernel.heads_kv;
  step.o = o.data();
  step.o_head_stride = kernel.dim_v;
  step.o_token_stride = kernel.dim_v * headsQ;
  step.lse = kernel.has_lse ? lse.data() : nullptr;
  for (int32_t i = 0; i < kernel.num_params; ++i)
    step.params[i] = params.data();
  step.workspace = workspace->data();
  step.workspace_bytes = static_cast<int64_t>(workspace->size());
  for (int64_t copy = 0; copy < copies; ++copy) {
    step.block_table = blockTable.data() + copy * pagesPerSequence * setup.batch;
    steps.push_back(step);
  }
  return true;
}

bool BenchCase::fill() {
  // The first sequence, by append.
  kv_step step = steps[0];
  int32_t startLoc[2] = {0, 0}, length = 0;
  step.num_seqs = 1;
  step.query_start_loc = startLoc;
  step.seq_lens = &length;
  for (int64_t done = 0; done < setup.context; done += startLoc[1]) {
    startLoc[1] = static_cast<int32_t>(std::min(fillTokens, setup.context - done));
    length = static_cast<int32_t>(done + startLoc[1]);
    if (!check(kv_run_variant(setup.append, setup.appendVariant, &step, &setup.executor), "filling the cache"))
      return false;
  }
  // All others are copies of it.
  size_t bytes = static_cast<size_t>(pagesPerSequence * setup.kernel->page_bytes);
  for (int64_t i = 1; i < copies * setup.batch; ++i)
    std::memcpy(pages->data() + static_cast<size_t>(i) * bytes, pages->data(), bytes);
  return check(kv_run_variant(setup.kernel, setup.variant, &steps[0], &setup.executor), "running a step");
}

double BenchCase::run(int count, bool cold) {
  if (!cold) // what was measured in between has taken the cache's place
    for (int i = 0; i < 2; ++i)
      kv_run_variant(setup.kernel, setup.variant, &steps[0], &setup.executor);
  double start = now();
  for (int i = 0; i < count; ++i) {
    kv_run_variant(setup.kernel, setup.variant, &steps[static_cast<size_t>(cold ? nextCopy : 0)], &setup.executor);
    if (cold)
      nextCopy = (nextCopy + 1) % copies;
  }
  return (now() - start) / count;
}

} // namespace kv
