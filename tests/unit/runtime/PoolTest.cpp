// PoolTest.cpp: the thread pool as an executor.
#include "kv/kv.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace {

struct Counts {
  std::vector<std::atomic<int>> of;
  explicit Counts(size_t parts) : of(parts) {}
  static void part(void *argument, int32_t index) { ++static_cast<Counts *>(argument)->of[index]; }
};

TEST(Pool, RunsEveryPartOnce) {
  for (int32_t threads : {1, 2, 5, 8}) {
    kv_pool *pool;
    ASSERT_EQ(kv_pool_create(threads, &pool), KV_OK);
    const kv_executor executor = kv_pool_executor(pool);
    EXPECT_EQ(executor.threads, threads);
    for (int round = 0; round < 500; ++round) {
      const int32_t parts = 1 + round % 11;
      Counts counts(parts);
      executor.run(executor.context, parts, Counts::part, &counts);
      for (std::atomic<int> &count : counts.of)
        ASSERT_EQ(count, 1);
    }
    kv_pool_destroy(pool);
  }
}

TEST(Pool, NullPoolRunsOnTheCaller) {
  const kv_executor executor = kv_pool_executor(nullptr);
  EXPECT_EQ(executor.threads, 0);
  Counts counts(3); // of a caller who sets `threads` himself
  executor.run(executor.context, 3, Counts::part, &counts);
  for (std::atomic<int> &count : counts.of)
    EXPECT_EQ(count, 1);
}

TEST(Pool, WakesAfterSleeping) {
  kv_pool *pool;
  ASSERT_EQ(kv_pool_create(4, &pool), KV_OK);
  const kv_executor executor = kv_pool_executor(pool);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    Counts counts(64);
    executor.run(executor.context, 64, Counts::part, &counts);
    for (std::atomic<int> &count : counts.of)
      ASSERT_EQ(count, 1);
  }
  kv_pool_destroy(pool);
}

TEST(Pool, PartsRunAtTheSameTime) {
  kv_pool *pool;
  ASSERT_EQ(kv_pool_create(3, &pool), KV_OK);
  const kv_executor executor = kv_pool_executor(pool);
  std::atomic<int> arrived{0};
  // Each part waits for the other two: this ends only when three threads take part.
  executor.run(
      executor.context, 3,
      [](void *argument, int32_t) {
        auto &arrived = *static_cast<std::atomic<int> *>(argument);
        ++arrived;
        while (arrived < 3)
          std::this_thread::yield();
      },
      &arrived);
  EXPECT_EQ(arrived, 3);
  kv_pool_destroy(pool);
}

TEST(Pool, CallersOnSeveralThreadsAndNestedCalls) {
  kv_pool *pool;
  ASSERT_EQ(kv_pool_create(3, &pool), KV_OK);
  const kv_executor executor = kv_pool_executor(pool);
  std::atomic<int> total{0};
  struct Nested {
    const kv_executor &executor;
    std::atomic<int> &total;
  } nested{executor, total};
  const auto outer = [](void *argument, int32_t) {
    auto &nested = *static_cast<Nested *>(argument);
    nested.executor.run(
        nested.executor.context, 4, [](void *total, int32_t) { ++*static_cast<std::atomic<int> *>(total); }, &nested.total);
  };
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i)
    callers.emplace_back([&] {
      for (int round = 0; round < 100; ++round)
        executor.run(executor.context, 5, outer, &nested);
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(total, 3 * 100 * 5 * 4);
  kv_pool_destroy(pool);
}

TEST(Pool, Arguments) {
  kv_pool *pool;
  EXPECT_EQ(kv_pool_create(1, nullptr), KV_ERROR_NULL);
  EXPECT_EQ(kv_pool_create(-1, &pool), KV_ERROR_THREADS);
  EXPECT_EQ(kv_pool_create(KV_MAX_THREADS + 1, &pool), KV_ERROR_THREADS);
  EXPECT_EQ(pool, nullptr);
  ASSERT_EQ(kv_pool_create(0, &pool), KV_OK);
  EXPECT_GE(kv_pool_executor(pool).threads, 1);
  kv_pool_destroy(pool);
  kv_pool_destroy(nullptr);
  EXPECT_EQ(kv_pool_executor(nullptr).threads, 0); // which kv_run refuses
}

} // namespace
