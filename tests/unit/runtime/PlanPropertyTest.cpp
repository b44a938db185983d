// PlanPropertyTest.cpp: items and workspace of kernels and variants of any numbers, against plain enumeration.
#include "kv/kv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <tuple>
#include <vector>

namespace {

std::vector<std::pair<int, kv_item>> calls; // phase and item

template <int phase> void record(const kv_step *, const kv_item *item) { calls.emplace_back(phase, *item); }

struct Plan {
  explicit Plan(unsigned seed) : random(seed) {
    std::memset(&kernel, 0, sizeof kernel);
    kernel.struct_size = sizeof kernel;
    kernel.abi_version = KV_ABI_VERSION;
    kernel.name = kernel.cache = "any";
    kernel.op = int32_t(pick(0, 2));
    kernel.heads_kv = pick(1, 5);
    kernel.heads_q = kernel.op == KV_OP_APPEND ? 0 : kernel.heads_kv * pick(1, 7);
    kernel.dim_k = kernel.dim_v = pick(1, 9) * 8;
    kernel.tokens.page_tokens = std::vector<int64_t>{1, 3, 7, 13, 16, 100, 1000}[size_t(pick(0, 6))];
    kernel.page_bytes = 64;
    kernel.max_queries = pick(1, 3) == 1 ? 1 : pick(2, 70);
    kernel.min_queries = 1;
    causal = pick(0, 1) != 0;
    kernel.ranges = causal ? rangesOfCausal : rangesOfAll;
    kernel.num_streams = 2;
    kernel.stream_dims[0] = kernel.stream_dims[1] = kernel.dim_k;
    kernel.tokens.kind = KV_TOKENS_PAGED;
    kernel.step_bytes = offsetof(kv_step, flags);
    kernel.num_variants = 1;
    kernel.variant_size = sizeof variant;
    kernel.variants = &variant;
    std::memset(&variant, 0, sizeof variant);
    variant.target = "any";
    variant.run[KV_PHASE_APPEND] = record<KV_PHASE_APPEND>;
    variant.run[KV_PHASE_ATTEND] = record<KV_PHASE_ATTEND>;
    variant.run[KV_PHASE_MERGE] = record<KV_PHASE_MERGE>;
    variant.split_tokens = pick(1, 4) * pick(1, 40);
    variant.align_tokens = 1;
    variant.query_block = pick(1, 12);
    variant.item_heads = pick(1, 6);
    variant.scratch_bytes = pick(0, 3) * 50;
    variant.row_bytes = 4 * pick(1, 80);
    starts.push_back(0);
    for (int64_t b = pick(1, 6); b > 0; --b) {
      const int64_t queries = pick(0, kernel.max_queries), most = pick(0, 2) ? 200 : 9000;
      starts.push_back(int32_t(starts.back() + queries));
      lengths.push_back(int32_t(pick(queries, std::max(queries, most))));
    }
    kv_step_init(&step);
    step.num_seqs = int64_t(lengths.size());
    step.query_start_loc = starts.data();
    step.seq_lens = lengths.data();
  }
  int64_t pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }
  int64_t queriesOf(int64_t seq) const { return starts[size_t(seq) + 1] - starts[size_t(seq)]; }
  // Tokens that query block [.., end) of a sequence reads.
  int64_t tokensOf(int64_t seq, int64_t end) const {
    return causal ? lengths[size_t(seq)] - queriesOf(seq) + end : lengths[size_t(seq)];
  }
  bool fused(int64_t seq) const { return kernel.op == KV_OP_APPEND_ATTEND && queriesOf(seq) <= variant.query_block; }
  void run(int32_t parts) {
    calls.clear();
    for (int32_t phase = 0; phase < KV_NUM_PHASES; ++phase)
      for (int32_t part = 0; part < parts; ++part)
        ASSERT_EQ(kv_run_part(&kernel, &variant, &step, phase, part, parts), KV_OK) << kv_last_error();
  }

  static int32_t rangesOfAll(const kv_step *step, int64_t seq, int64_t, int64_t, int64_t out[KV_MAX_RANGES][2]) {
    out[0][0] = 0, out[0][1] = step->seq_lens[seq];
    return 1;
  }
  static int32_t rangesOfCausal(const kv_step *step, int64_t seq, int64_t, int64_t end, int64_t out[KV_MAX_RANGES][2]) {
    const int64_t queries = step->query_start_loc[seq + 1] - step->query_start_loc[seq];
    out[0][0] = 0, out[0][1] = step->seq_lens[seq] - queries + end;
    return 1;
  }

  std::mt19937 random;
  bool causal = false;
  kv_kernel kernel;
  kv_variant variant;
  kv_step step;
  std::vector<int32_t> starts, lengths;
  std::vector<float> workspace;
};

using Cell = std::tuple<int64_t, int64_t, int64_t>; // sequence, head, query or token

void expectItems(const Plan &plan) {
  std::map<Cell, int> stored;
  std::map<Cell, std::vector<std::pair<int64_t, int64_t>>> read; // ranges of tokens
  for (const auto &[phase, item] : calls)
    for (int64_t head = item.head; head < item.head + item.num_heads; ++head) {
      const int64_t first = plan.lengths[size_t(item.seq)] - plan.queriesOf(item.seq);
      for (int64_t i = item.query_begin; phase == KV_PHASE_APPEND && i < item.query_end; ++i)
        ++stored[{item.seq, head, i}];
      for (int64_t i = item.query_begin; phase == KV_PHASE_ATTEND && i < item.query_end; ++i)
        read[{item.seq, head, i}].push_back({item.token_begin, item.token_end});
      for (int64_t t = std::max(first, item.token_begin); phase == KV_PHASE_ATTEND && plan.fused(item.seq) && t < item.token_end;
           ++t)
        ++stored[{item.seq, head, t - first}];
      ASSERT_LE(head, plan.kernel.heads_kv - 1);
    }
  for (int64_t seq = 0; seq < plan.step.num_seqs; ++seq)
    for (int64_t head = 0; head < plan.kernel.heads_kv; ++head)
      for (int64_t i = 0; i < plan.queriesOf(seq); ++i) {
        ASSERT_EQ((stored[{seq, head, i}]), plan.kernel.op == KV_OP_ATTEND ? 0 : 1) << "stores of a token";
        auto &ranges = read[{seq, head, i}];
        if (plan.kernel.op == KV_OP_APPEND) {
          ASSERT_TRUE(ranges.empty());
          continue;
        }
        std::sort(ranges.begin(), ranges.end());
        const int64_t block = i / plan.variant.query_block;
        int64_t token = 0;
        for (auto [begin, end] : ranges) {
          ASSERT_EQ(begin, token) << "tokens read twice, or left out";
          ASSERT_EQ(begin % plan.variant.split_tokens, 0);
          token = end;
        }
        ASSERT_EQ(token, plan.tokensOf(seq, std::min((block + 1) * plan.variant.query_block, plan.queriesOf(seq))));
      }
}

// Partial results: of each head and split a place of its own inside the workspace, and merges that read them all. Returns the
// bytes.
int64_t expectPartials(const Plan &plan, int32_t threads) {
  const int64_t group = plan.kernel.heads_q / plan.kernel.heads_kv;
  std::map<const char *, int64_t> written; // place -> bytes
  int64_t total = 0;
  for (const auto &[phase, item] : calls) {
    const int64_t bytes = (item.query_end - item.query_begin) * group * plan.variant.row_bytes;
    for (int64_t head = 0; phase == KV_PHASE_ATTEND && item.partial && head < item.num_heads; ++head) {
      EXPECT_TRUE(written.insert({static_cast<const char *>(item.partial) + head * item.num_partials * bytes, bytes}).second);
      total += bytes;
    }
  }
  const char *next = static_cast<const char *>(plan.step.workspace);
  for (auto [place, bytes] : written) {
    EXPECT_EQ(place, next) << "partial results lie one after another";
    next = place + bytes;
  }
  for (const auto &[phase, item] : calls)
    for (int64_t split = 0; phase == KV_PHASE_MERGE && split < item.num_partials; ++split)
      EXPECT_EQ(written.erase(static_cast<const char *>(item.partial) +
                              split * (item.query_end - item.query_begin) * group * plan.variant.row_bytes),
                1u);
  EXPECT_TRUE(written.empty()) << "nobody merges them";
  const int64_t scratch = (plan.variant.scratch_bytes + 63) / 64 * 64;
  for (const auto &[phase, item] : calls)
    EXPECT_TRUE(phase == KV_PHASE_APPEND || scratch == 0 || static_cast<const char *>(item.scratch) >= next);
  return (total + 63) / 64 * 64 + scratch * threads;
}

TEST(PlanProperty, ItemsAndWorkspaceOfAnyKernel) {
  for (unsigned seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    Plan plan(seed);
    const auto parts = int32_t(plan.pick(1, 9));
    const int64_t bytes = kv_step_workspace_bytes(&plan.kernel, &plan.variant, &plan.step, parts);
    ASSERT_GE(bytes, 0) << kv_last_error();
    plan.workspace.resize(size_t(bytes / 4 + 16));
    plan.step.workspace = plan.workspace.data();
    plan.step.workspace_bytes = bytes;
    plan.run(parts);
    expectItems(plan);
    ASSERT_EQ(bytes, expectPartials(plan, parts));
    kv_bounds bounds = {plan.step.num_seqs, plan.starts.back(), plan.kernel.max_queries,
                        *std::max_element(plan.lengths.begin(), plan.lengths.end())};
    ASSERT_LE(bytes, kv_workspace_bytes(&plan.kernel, &plan.variant, &bounds, parts)) << kv_last_error();
    if (testing::Test::HasFailure())
      return;
  }
}

} // namespace
