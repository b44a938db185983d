// ForkTest.cpp: what a child of fork() may do with its parent's pools: run, destroy, allocate, whatever the parent's other threads
// were doing at that moment. The child has none of them.
#include "Batch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using kv::test::Batch;

namespace {

const kv_kernel &kernel = fakeKernels[KV_OP_APPEND_ATTEND];

// Runs `body` in a child, which ends with its status, or by a signal after five seconds.
template <typename Body> int inChild(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(5);
    _exit(body());
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

struct Fork : testing::Test {
  void SetUp() override {
    ASSERT_EQ(kv_pool_create(4, &pool), KV_OK);
    ASSERT_EQ(kv_pages_create(256, 64, &pages), KV_OK);
    batch.sizeWorkspace(kernel, 4);
    executor = kv_pool_executor(pool);
  }
  void TearDown() override {
    stop = true;
    if (other.joinable())
      other.join();
    kv_pages_destroy(pages);
    kv_pool_destroy(pool);
  }
  // Another thread keeps both pools busy.
  void keepBusy() {
    other = std::thread([this] {
      Batch mine({{3000, 1}, {2000, 1}});
      mine.sizeWorkspace(kernel, 4);
      std::vector<int32_t> some(20);
      while (!stop) {
        kv_run(&kernel, &mine.step, &executor);
        for (int round = 0; round < 50; ++round)
          if (kv_pages_allocate(pages, 20, some.data()) == KV_OK)
            kv_pages_free(pages, 20, some.data());
        ++rounds;
      }
    });
    while (rounds == 0)
      std::this_thread::yield();
  }
  int run(kv_pool *on) {
    const kv_executor executor = kv_pool_executor(on);
    for (int round = 0; round < 5; ++round)
      if (kv_run(&kernel, &batch.step, &executor) != KV_OK)
        return 1;
    return 0;
  }
  int allocate() {
    std::vector<int32_t> some(20);
    return kv_pages_allocate(pages, 20, some.data()) != KV_OK || kv_pages_free(pages, 20, some.data()) != KV_OK;
  }
  int ownPool() {
    kv_pool *own;
    if (kv_pool_create(3, &own) != KV_OK)
      return 2;
    const int failed = run(own);
    kv_pool_destroy(own);
    return failed;
  }
  void everything() {
    for (int round = 0; round < 20; ++round) {
      ASSERT_EQ(inChild([&] { return run(pool); }), 0);
      ASSERT_EQ(inChild([&] { return kv_pool_destroy(pool), 0; }), 0);
      ASSERT_EQ(inChild([&] { return run(pool) + ownPool() + (kv_pool_destroy(pool), 0); }), 0);
      ASSERT_EQ(inChild([&] { return allocate(); }), 0);
      // A child's child.
      ASSERT_EQ(inChild([&] { return inChild([&] { return run(pool) + (kv_pool_destroy(pool), 0); }) != 0; }), 0);
    }
    EXPECT_EQ(run(pool), 0) << "the parent's own workers are still there";
  }

  Batch batch{{{997, 1}, {33, 1}, {200, 4}}};
  kv_pool *pool = nullptr;
  kv_pages *pages = nullptr;
  kv_executor executor;
  std::thread other;
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
};

TEST_F(Fork, OfAnIdleProcess) { everything(); }

TEST_F(Fork, WhileAnotherThreadUsesThePools) {
  keepBusy();
  everything();
}

TEST_F(Fork, AChildComputesTheSame) {
  Batch alone{{{997, 1}, {33, 1}, {200, 4}}};
  alone.sizeWorkspace(kernel, 1);
  ASSERT_EQ(kv_run(&kernel, &alone.step, nullptr), KV_OK);
  EXPECT_EQ(inChild([&] { return run(pool) || batch.o != alone.o; }), 0);
}

} // namespace
