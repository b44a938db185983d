// PlanTest.cpp: the items of a step: every (sequence, head, query, token) once, whatever the number of parts; and the workspace.
#include "Batch.h"

#include <gtest/gtest.h>

#include <map>
#include <tuple>

using kv::test::Batch;

namespace {

std::vector<fake_record> itemsOf(const kv_kernel &kernel, const kv_step &step, int32_t parts) {
  std::vector<fake_record> records(100000);
  fakeRecord(records.data(), records.size());
  const kv_variant *variant = Batch::variantOf(kernel);
  for (int32_t phase = 0; phase < KV_NUM_PHASES; ++phase) {
    const int64_t before = fakeRecorded();
    for (int32_t part = 0; part < parts; ++part)
      EXPECT_EQ(kv_run_part(&kernel, variant, &step, phase, part, parts), KV_OK);
    EXPECT_EQ(fakeRecorded() - before, kv_phase_items(&kernel, variant, &step, phase));
  }
  records.resize(fakeRecorded());
  fakeRecord(nullptr, 0);
  return records;
}

// What an item is, without the thread that ran it.
auto keyOf(const fake_record &record) {
  const kv_item &item = record.item;
  return std::make_tuple(record.phase, item.seq, item.head, item.query_begin, item.query_end, item.token_begin, item.token_end,
                         item.partial, item.num_partials);
}

using Cell = std::tuple<int64_t, int64_t, int64_t, int64_t>; // sequence, head, query, token

// Each query sees each token that it may see in one attend item; stores cover each new token of each head once.
void expectCoverage(const kv_kernel &kernel, const Batch &batch, const std::vector<fake_record> &records) {
  std::map<Cell, int> seen, stored;
  for (const fake_record &record : records) {
    const kv_item &item = record.item;
    const Batch::Sequence sequence = batch.sequences[item.seq];
    const int64_t first = sequence.length - sequence.queries;
    if (record.phase == KV_PHASE_APPEND)
      for (int64_t i = item.query_begin; i < item.query_end; ++i)
        ++stored[{item.seq, item.head, 0, first + i}];
    if (record.phase != KV_PHASE_ATTEND)
      continue;
    EXPECT_EQ(item.token_begin % FAKE_SPLIT, 0);
    EXPECT_LT(item.token_begin, item.token_end);
    EXPECT_LE(item.query_end - item.query_begin, FAKE_QUERY_BLOCK);
    for (int64_t token = item.token_begin; token < item.token_end; ++token) {
      for (int64_t i = item.query_begin; i < item.query_end; ++i)
        if (token <= first + i)
          ++seen[{item.seq, item.head, i, token}];
      const bool fused = kernel.op == KV_OP_APPEND_ATTEND && item.query_end - item.query_begin == sequence.queries;
      EXPECT_EQ(item.flags, fused ? KV_ITEM_STORE : 0);
      if (fused && token >= first)
        ++stored[{item.seq, item.head, 0, token}];
    }
  }
  int64_t pairs = 0, tokens = 0;
  for (const Batch::Sequence &sequence : batch.sequences)
    for (int64_t i = 0; i < sequence.queries; ++i) {
      pairs += FAKE_HEADS_KV * (sequence.length - sequence.queries + i + 1);
      tokens += FAKE_HEADS_KV;
    }
  EXPECT_EQ(static_cast<int64_t>(seen.size()), kernel.op == KV_OP_APPEND ? 0 : pairs);
  EXPECT_EQ(static_cast<int64_t>(stored.size()), kernel.op == KV_OP_ATTEND ? 0 : tokens);
  for (const auto &[cell, count] : seen)
    ASSERT_EQ(count, 1);
  for (const auto &[cell, count] : stored)
    ASSERT_EQ(count, 1);
}

const std::vector<std::vector<Batch::Sequence>> batches = {
    {{1, 1}},
    {{0, 0}},
    {{5, 0}, {0, 0}, {33, 1}, {7, 7}, {100, 0}},
    {{15, 1}, {16, 1}, {17, 1}, {31, 1}, {32, 1}, {33, 1}, {97, 1}, {997, 1}},
    {{200, 4}, {34, 4}, {4, 4}},       // new tokens on both sides of a split
    {{200, 5}, {64, 64}, {500, 9}},    // several query blocks
    {{5000, 1}, {300, 33}, {9000, 3}}, // more splits than KVRT_MAX_SPLITS
};

TEST(Plan, EveryPairOnceForAnyNumberOfParts) {
  for (const std::vector<Batch::Sequence> &sequences : batches)
    for (const kv_kernel &kernel : fakeKernels) {
      Batch batch(sequences);
      batch.sizeWorkspace(kernel, 61);
      ASSERT_EQ(kv_check(&kernel, Batch::variantOf(kernel), &batch.step, 61), KV_OK) << kv_last_error();
      std::vector<fake_record> alone = itemsOf(kernel, batch.step, 1);
      expectCoverage(kernel, batch, alone);
      for (int32_t parts : {2, 3, 4, 5, 6, 7, 8, 61}) {
        std::vector<fake_record> records = itemsOf(kernel, batch.step, parts);
        ASSERT_EQ(records.size(), alone.size());
        for (size_t i = 0; i < records.size(); ++i) // parts in order are the whole in order
          ASSERT_EQ(keyOf(records[i]), keyOf(alone[i])) << parts << " parts, item " << i;
      }
    }
}

TEST(Plan, MergesReadWhatAttendsWrote) {
  Batch batch(batches[6]);
  const kv_kernel &kernel = fakeKernels[KV_OP_APPEND_ATTEND];
  batch.sizeWorkspace(kernel, 2);
  std::map<char *, std::tuple<int64_t, int64_t, int64_t>> written;
  char *end = nullptr;
  for (const fake_record &record : itemsOf(kernel, batch.step, 2)) {
    const kv_item &item = record.item;
    const int64_t bytes = (item.query_end - item.query_begin) * FAKE_HEADS_Q / FAKE_HEADS_KV * FAKE_ROW_BYTES;
    char *partial = static_cast<char *>(item.partial);
    if (record.phase == KV_PHASE_ATTEND && partial) {
      end = std::max(end, partial + bytes);
      EXPECT_TRUE(written.insert({partial, {item.seq, item.head, item.query_begin}}).second) << "written twice";
    }
    for (int64_t i = 0; record.phase == KV_PHASE_MERGE && i < item.num_partials; ++i) {
      const auto found = written.find(partial + i * bytes);
      ASSERT_NE(found, written.end());
      EXPECT_EQ(found->second, std::make_tuple(item.seq, item.head, item.query_begin));
      written.erase(found);
    }
  }
  EXPECT_TRUE(written.empty());
  EXPECT_LE(end, static_cast<char *>(batch.step.workspace) + batch.step.workspace_bytes - 2 * 256);
}

TEST(Plan, NeighbouringHeadsShareCalls) {
  const auto mostHeads = [](const kv_kernel &kernel, const Batch &batch, int32_t parts) {
    static int64_t calls, most;
    calls = most = 0;
    kv_variant variant = *Batch::variantOf(kernel);
    variant.run[KV_PHASE_ATTEND] = [](const kv_step *, const kv_item *item) {
      ++calls;
      most = std::max(most, item->num_heads);
    };
    for (int32_t part = 0; part < parts; ++part)
      EXPECT_EQ(kv_run_part(&kernel, &variant, &batch.step, KV_PHASE_ATTEND, part, parts), KV_OK);
    return std::make_pair(calls, most);
  };
  const kv_kernel &kernel = fakeKernels[KV_OP_ATTEND];
  Batch one({{30, 1}}), half({{30, FAKE_QUERY_BLOCK / 2}}), whole({{30, FAKE_QUERY_BLOCK}});
  for (Batch *batch : {&one, &half, &whole})
    batch->sizeWorkspace(kernel, 2);
  EXPECT_EQ(mostHeads(kernel, one, 1), std::make_pair(int64_t(1), int64_t(2)));
  EXPECT_EQ(mostHeads(kernel, one, 2), std::make_pair(int64_t(2), int64_t(1)));
  EXPECT_EQ(mostHeads(kernel, half, 1), std::make_pair(int64_t(1), int64_t(2)));
  EXPECT_EQ(mostHeads(kernel, whole, 1), std::make_pair(int64_t(2), int64_t(1))); // as many rows as a head of a whole query block
}

TEST(Plan, ASequenceIsCutTheSameInAnyBatch) {
  const kv_kernel &kernel = fakeKernels[KV_OP_ATTEND];
  Batch alone({{997, 6}}), among({{40, 1}, {997, 6}, {2000, 2}});
  alone.sizeWorkspace(kernel, 3);
  among.sizeWorkspace(kernel, 3);
  const auto cuts = [&](const Batch &batch, int64_t seq) {
    std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t>> result;
    for (const fake_record &record : itemsOf(kernel, batch.step, 3))
      if (record.item.seq == seq && record.phase == KV_PHASE_ATTEND)
        result.emplace_back(record.item.head, record.item.query_begin, record.item.token_begin, record.item.token_end);
    return result;
  };
  EXPECT_EQ(cuts(alone, 0), cuts(among, 1));
}

TEST(Plan, PartsAreBalancedByTokens) {
  // One long sequence among short ones: eight parts differ by less than two splits of work.
  Batch batch({{2000, 1}, {30, 1}, {60, 1}, {10, 1}});
  const kv_kernel &kernel = fakeKernels[KV_OP_ATTEND];
  batch.sizeWorkspace(kernel, 8);
  std::vector<fake_record> records(10000);
  std::vector<int64_t> tokens;
  for (int32_t part = 0; part < 8; ++part) {
    fakeRecord(records.data(), records.size());
    ASSERT_EQ(kv_run_part(&kernel, Batch::variantOf(kernel), &batch.step, KV_PHASE_ATTEND, part, 8), KV_OK);
    tokens.push_back(0);
    for (int64_t i = 0; i < fakeRecorded(); ++i)
      tokens.back() += records[i].item.token_end - records[i].item.token_begin;
  }
  fakeRecord(nullptr, 0);
  EXPECT_LE(*std::max_element(tokens.begin(), tokens.end()) - *std::min_element(tokens.begin(), tokens.end()), 3 * FAKE_SPLIT);
}

TEST(Plan, ADecodeStepOfShortSequencesIsOnePhase) {
  Batch batch({{20, 1}, {7, 2}, {32, 1}});
  const kv_kernel &kernel = fakeKernels[KV_OP_APPEND_ATTEND];
  const kv_variant *variant = Batch::variantOf(kernel);
  EXPECT_EQ(kv_phase_items(&kernel, variant, &batch.step, KV_PHASE_APPEND), 0);
  EXPECT_EQ(kv_phase_items(&kernel, variant, &batch.step, KV_PHASE_ATTEND), 3 * FAKE_HEADS_KV);
  EXPECT_EQ(kv_phase_items(&kernel, variant, &batch.step, KV_PHASE_MERGE), 0);
}

// Two ranges that queries see are laid end to end, as kernels do: begins rounded down, inner ends up, empty ones left out.
TEST(Plan, VisibleTokensAreRangesLaidEndToEnd) {
  kv_kernel kernel = fakeKernels[KV_OP_ATTEND];
  static int64_t ranges[2][2];
  kernel.ranges = [](const kv_step *, int64_t, int64_t, int64_t, int64_t out[KV_MAX_RANGES][2]) {
    std::copy(&ranges[0][0], &ranges[0][0] + 4, &out[0][0]);
    return int32_t(2);
  };
  const auto visible = [&](int64_t a, int64_t b, int64_t c, int64_t d) {
    ranges[0][0] = a, ranges[0][1] = b, ranges[1][0] = c, ranges[1][1] = d;
    Batch batch({{997, 1}});
    batch.sizeWorkspace(kernel, 1);
    int64_t tokens = 0;
    for (const fake_record &record : itemsOf(kernel, batch.step, 1))
      if (record.phase == KV_PHASE_ATTEND && record.item.head == 0)
        tokens = std::max(tokens, record.item.token_end);
    return tokens;
  };
  static_assert(FAKE_ALIGN == 8);
  EXPECT_EQ(visible(0, 4, 900, 997), 8 + 101);
  EXPECT_EQ(visible(3, 16, 21, 33), 16 + 17);
  EXPECT_EQ(visible(0, 10, 17, 30), 30);
  EXPECT_EQ(visible(0, 3, 5, 6), 8 + 6);
  EXPECT_EQ(visible(9, 10, 20, 20), 8);
  EXPECT_EQ(visible(9, 9, 20, 20), 0); // one item, which writes what nothing gives
}

TEST(Plan, TheSelectPhaseIsEmpty) {
  Batch batch({{100, 1}});
  for (const kv_kernel &kernel : fakeKernels) {
    EXPECT_EQ(kv_phase_items(&kernel, Batch::variantOf(kernel), &batch.step, KV_PHASE_SELECT), 0);
    EXPECT_EQ(kv_run_part(&kernel, Batch::variantOf(kernel), &batch.step, KV_PHASE_SELECT, 0, 1), KV_OK);
  }
}

TEST(Plan, AppendCutsLargePagesInside) {
  kv_kernel kernel = fakeKernels[KV_OP_APPEND];
  kernel.tokens.page_tokens = 1000;
  Batch batch({{999, 700}});
  const kv_variant *variant = Batch::variantOf(kernel);
  EXPECT_EQ(kv_phase_items(&kernel, variant, &batch.step, KV_PHASE_APPEND), 3 * FAKE_HEADS_KV); // 299..512..768..999
}

TEST(Workspace, BoundsCoverEveryStepWithinThem) {
  std::mt19937 random(7);
  for (int round = 0; round < 100; ++round) {
    const auto pick = [&](int32_t low, int32_t high) { return std::uniform_int_distribution<int32_t>(low, high)(random); };
    const int32_t most = round % 3 == 0 ? FAKE_QUERY_BLOCK : FAKE_MAX_QUERIES, longest = pick(most, round % 2 ? 300 : 6000);
    std::vector<Batch::Sequence> sequences(pick(1, 5));
    kv_bounds bounds = {static_cast<int64_t>(sequences.size()), 0, most, longest};
    for (Batch::Sequence &sequence : sequences) {
      sequence.queries = pick(0, most);
      sequence.length = pick(sequence.queries, longest);
      bounds.num_tokens += sequence.queries;
    }
    bounds.num_tokens = std::max<int64_t>(bounds.num_tokens, bounds.max_queries);
    Batch batch(sequences);
    for (const kv_kernel &kernel : fakeKernels) {
      const kv_variant *variant = Batch::variantOf(kernel);
      const int64_t exact = kv_step_workspace_bytes(&kernel, variant, &batch.step, 3);
      const int64_t bound = kv_workspace_bytes(&kernel, variant, &bounds, 3);
      ASSERT_GE(exact, 3 * 256) << kv_last_error();
      ASSERT_GE(bound, exact) << kv_last_error();
    }
  }
}

// Each bound by itself: a kernel's own max_queries is one, however short the cache or few the tokens.
TEST(Workspace, BoundsMayExceedEachOther) {
  const kv_kernel &kernel = fakeKernels[KV_OP_APPEND_ATTEND];
  const kv_variant *variant = Batch::variantOf(kernel);
  for (int64_t tokens : {1, 3, 40, 200})
    for (int64_t length : {1, 20, 40, 100, 5000}) {
      const int64_t possible = std::min({tokens, length, kernel.max_queries});
      const kv_bounds loose = {2, tokens, kernel.max_queries, length}, tight = {2, tokens, possible, length};
      const int64_t bytes = kv_workspace_bytes(&kernel, variant, &loose, 2);
      ASSERT_GE(bytes, 0) << kv_last_error();
      EXPECT_EQ(bytes, kv_workspace_bytes(&kernel, variant, &tight, 2));
    }
}

TEST(Workspace, Arguments) {
  const kv_kernel &kernel = fakeKernels[KV_OP_ATTEND];
  const kv_variant *variant = Batch::variantOf(kernel);
  kv_bounds bounds = {4, 8, 2, 100};
  EXPECT_GT(kv_workspace_bytes(&kernel, nullptr, &bounds, 1), 0);
  EXPECT_EQ(kv_workspace_bytes(nullptr, variant, &bounds, 1), -1);
  EXPECT_EQ(kv_workspace_bytes(&kernel, variant, nullptr, 1), -1);
  EXPECT_EQ(kv_workspace_bytes(&kernel, variant, &bounds, 0), -1);
  EXPECT_EQ(kv_workspace_bytes(&kernel, variant, &bounds, KV_MAX_THREADS + 1), -1);
  bounds = {-1, 8, 2, 100};
  EXPECT_EQ(kv_workspace_bytes(&kernel, variant, &bounds, 1), -1);
  bounds = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
  kv_workspace_bytes(&kernel, variant, &bounds, KV_MAX_THREADS); // no overflow, whatever it says
  kv_step step;
  kv_step_init(&step);
  EXPECT_EQ(kv_step_workspace_bytes(&kernel, variant, &step, 2), 512);
  EXPECT_EQ(kv_step_workspace_bytes(&kernel, variant, nullptr, 2), -1);
  step.num_seqs = -1;
  EXPECT_EQ(kv_step_workspace_bytes(&kernel, variant, &step, 2), -1);
}

} // namespace
