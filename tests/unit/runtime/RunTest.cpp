// RunTest.cpp: whole steps through kv_run and kv_run_part: the same bits on any number of threads, and the laws of fused steps.
#include "Batch.h"

#include <gtest/gtest.h>

#include <barrier>
#include <cmath>
#include <thread>

using kv::test::Batch;

namespace {

const std::vector<Batch::Sequence> mixed = {{5, 0}, {0, 0}, {33, 1}, {7, 7}, {997, 1}, {200, 4}, {300, 33}, {3000, 2}, {64, 64}};

// float64, without splits.
std::vector<double> expected(const Batch &batch) {
  std::vector<double> result(batch.o.size());
  const int64_t group = FAKE_HEADS_Q / FAKE_HEADS_KV;
  for (size_t b = 0; b < batch.sequences.size(); ++b)
    for (int64_t i = 0; i < batch.sequences[b].queries; ++i)
      for (int64_t head = 0; head < FAKE_HEADS_Q; ++head) {
        const int64_t row = (batch.starts[b] + i) * FAKE_HEADS_Q + head;
        double sum = 0;
        std::vector<double> acc(FAKE_DIM_V);
        for (int64_t t = 0; t <= batch.sequences[b].length - batch.sequences[b].queries + i; ++t) {
          const float *page = static_cast<const float *>(batch.step.pages) +
                              batch.table[b * batch.step.block_table_stride + t / FAKE_PAGE_TOKENS] * int64_t(FAKE_PAGE_BYTES / 4);
          const int64_t slot = head / group * FAKE_PAGE_TOKENS + t % FAKE_PAGE_TOKENS;
          double score = 0;
          for (int64_t d = 0; d < FAKE_DIM_K; ++d)
            score += double(batch.q[row * FAKE_DIM_K + d]) * page[slot * FAKE_DIM_K + d];
          sum += std::exp2(score);
          for (int64_t d = 0; d < FAKE_DIM_V; ++d)
            acc[d] += std::exp2(score) * page[FAKE_HEADS_KV * FAKE_PAGE_TOKENS * FAKE_DIM_K + slot * FAKE_DIM_V + d];
        }
        for (int64_t d = 0; d < FAKE_DIM_V; ++d)
          result[row * FAKE_DIM_V + d] = acc[d] / sum;
      }
  return result;
}

TEST(Run, SplitsAndMergesGiveAttention) {
  Batch batch(mixed);
  const kv_kernel &kernel = fakeKernels[KV_OP_APPEND_ATTEND];
  batch.sizeWorkspace(kernel, 1);
  ASSERT_EQ(kv_run(&kernel, &batch.step, nullptr), KV_OK) << kv_last_error();
  const std::vector<double> reference = expected(batch);
  for (size_t i = 0; i < reference.size(); ++i)
    ASSERT_NEAR(batch.o[i], reference[i], 1e-4) << i;
}

TEST(Run, SameBitsOnAnyNumberOfThreads) {
  for (const kv_kernel &kernel : fakeKernels) {
    Batch alone(mixed);
    alone.sizeWorkspace(kernel, 1);
    ASSERT_EQ(kv_run(&kernel, &alone.step, nullptr), KV_OK) << kv_last_error();
    for (int32_t threads = 1; threads <= 8; ++threads) {
      kv_pool *pool;
      ASSERT_EQ(kv_pool_create(threads, &pool), KV_OK);
      const kv_executor executor = kv_pool_executor(pool);
      for (int round = 0; round < 5; ++round) {
        Batch batch(mixed);
        batch.sizeWorkspace(kernel, threads);
        ASSERT_EQ(kv_run(&kernel, &batch.step, &executor), KV_OK) << kv_last_error();
        EXPECT_EQ(batch.o, alone.o);
        EXPECT_EQ(batch.lse, alone.lse);
        EXPECT_EQ(batch.cacheBytes(), alone.cacheBytes());
      }
      kv_pool_destroy(pool);
    }
  }
}

TEST(Run, FusedEqualsAppendThenAttend) {
  Batch fused(mixed), apart(mixed);
  fused.sizeWorkspace(fakeKernels[KV_OP_APPEND_ATTEND], 1);
  apart.sizeWorkspace(fakeKernels[KV_OP_ATTEND], 1);
  ASSERT_EQ(kv_run(&fakeKernels[KV_OP_APPEND_ATTEND], &fused.step, nullptr), KV_OK);
  ASSERT_EQ(kv_run(&fakeKernels[KV_OP_APPEND], &apart.step, nullptr), KV_OK) << kv_last_error(); // one step serves both
  ASSERT_EQ(kv_run(&fakeKernels[KV_OP_ATTEND], &apart.step, nullptr), KV_OK);
  EXPECT_EQ(fused.o, apart.o);
  EXPECT_EQ(fused.lse, apart.lse);
  EXPECT_EQ(fused.cacheBytes(), apart.cacheBytes());
}

TEST(Run, AnEnginesOwnThreads) {
  const kv_kernel &kernel = fakeKernels[KV_OP_APPEND_ATTEND];
  const kv_variant *variant = Batch::variantOf(kernel);
  Batch alone(mixed), batch(mixed);
  alone.sizeWorkspace(kernel, 1);
  ASSERT_EQ(kv_run(&kernel, &alone.step, nullptr), KV_OK);
  const int32_t parts = 5;
  batch.sizeWorkspace(kernel, parts);
  ASSERT_EQ(kv_check(&kernel, variant, &batch.step, parts), KV_OK) << kv_last_error();
  std::barrier barrier(parts);
  std::vector<std::thread> threads;
  for (int32_t part = 0; part < parts; ++part)
    threads.emplace_back([&, part] {
      for (int32_t phase = 0; phase < KV_NUM_PHASES; ++phase) {
        EXPECT_EQ(kv_run_part(&kernel, variant, &batch.step, phase, part, parts), KV_OK);
        barrier.arrive_and_wait();
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(batch.o, alone.o);
  EXPECT_EQ(batch.cacheBytes(), alone.cacheBytes());
}

TEST(Run, AForeignExecutor) {
  const kv_kernel &kernel = fakeKernels[KV_OP_APPEND_ATTEND];
  Batch alone(mixed), batch(mixed);
  alone.sizeWorkspace(kernel, 1);
  ASSERT_EQ(kv_run(&kernel, &alone.step, nullptr), KV_OK);
  batch.sizeWorkspace(kernel, 6);
  int calls = 0;
  const kv_executor backwards = {[](void *context, int32_t parts, kv_part_fn part, void *argument) {
                                   ++*static_cast<int *>(context);
                                   for (int32_t i = parts - 1; i >= 0; --i)
                                     part(argument, i);
                                 },
                                 &calls, 6, 0};
  ASSERT_EQ(kv_run(&kernel, &batch.step, &backwards), KV_OK) << kv_last_error();
  EXPECT_GE(calls, 1);
  EXPECT_EQ(batch.o, alone.o);
  EXPECT_EQ(batch.cacheBytes(), alone.cacheBytes());
}

TEST(Run, SkippedSlotsAreNotStored) {
  Batch batch({{40, 8}});
  const kv_kernel &kernel = fakeKernels[KV_OP_APPEND];
  std::vector<int64_t> slots;
  for (int64_t t = 32; t < 40; ++t)
    slots.push_back(t % 2 ? -1 : batch.table[t / 16] * int64_t(16) + t % 16);
  batch.step.slot_mapping = slots.data();
  batch.step.block_table = nullptr;
  batch.sizeWorkspace(kernel, 1);
  const std::vector<char> before = batch.cacheBytes();
  ASSERT_EQ(kv_run(&kernel, &batch.step, nullptr), KV_OK) << kv_last_error();
  const std::vector<char> after = batch.cacheBytes();
  for (int64_t slot = 0; slot < 8; ++slot) {
    const int64_t at = batch.table[2] * int64_t(FAKE_PAGE_BYTES) + slot * FAKE_DIM_K * 4;
    EXPECT_EQ(memcmp(&before[at], &after[at], FAKE_DIM_K * 4) == 0, slot % 2 == 1) << slot;
  }
}

TEST(Run, EmptySteps) {
  for (const kv_kernel &kernel : fakeKernels) {
    kv_step step;
    kv_step_init(&step);
    EXPECT_EQ(kv_run(&kernel, &step, nullptr), KV_OK) << kv_last_error();
    Batch batch({{0, 0}, {100, 0}});
    batch.step.pages = nullptr;
    EXPECT_EQ(kv_run(&kernel, &batch.step, nullptr), KV_OK) << kv_last_error();
  }
}

} // namespace
