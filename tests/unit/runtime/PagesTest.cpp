// PagesTest.cpp: the page pool.
#include "kv/kv.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <thread>
#include <vector>

namespace {

struct Pages : testing::Test {
  void SetUp() override { ASSERT_EQ(kv_pages_create(256, 8, &pool), KV_OK); }
  void TearDown() override { kv_pages_destroy(pool); }
  char *page(int32_t index) { return static_cast<char *>(kv_pages_base(pool)) + index * kv_pages_stride(pool); }
  kv_pages *pool = nullptr;
};

TEST_F(Pages, GivesEachPageOnceAndOnlyZeros) {
  std::vector<int32_t> pages(8);
  ASSERT_EQ(kv_pages_allocate(pool, 3, pages.data()), KV_OK);
  EXPECT_EQ(kv_pages_available(pool), 5);
  ASSERT_EQ(kv_pages_allocate(pool, 5, pages.data() + 3), KV_OK);
  EXPECT_EQ(std::set<int32_t>(pages.begin(), pages.end()), (std::set<int32_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  for (int32_t index : pages) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(page(index)) % 64, 0u);
    for (int i = 0; i < 256; ++i)
      ASSERT_EQ(page(index)[i], 0);
    memset(page(index), 0x55, 256);
  }
  int32_t one;
  EXPECT_EQ(kv_pages_allocate(pool, 1, &one), KV_ERROR_OUT_OF_PAGES);
  EXPECT_STREQ(kv_last_error(), "1 pages asked for; 0 of 8 are free");
  ASSERT_EQ(kv_pages_free(pool, 2, pages.data() + 4), KV_OK);
  ASSERT_EQ(kv_pages_allocate(pool, 1, &one), KV_OK);
  EXPECT_TRUE(one == pages[4] || one == pages[5]);
  for (int i = 0; i < 256; ++i)
    ASSERT_EQ(page(one)[i], 0);
}

TEST_F(Pages, AFreeThatFailsFreesNothing) {
  int32_t pages[3];
  ASSERT_EQ(kv_pages_allocate(pool, 3, pages), KV_OK);
  const int32_t twice[] = {pages[0], pages[1], pages[0]};
  EXPECT_EQ(kv_pages_free(pool, 3, twice), KV_ERROR_PAGE_STATE);
  const int32_t outside[] = {pages[0], 8};
  EXPECT_EQ(kv_pages_free(pool, 2, outside), KV_ERROR_PAGE_NUMBER);
  const int32_t negative = -1;
  EXPECT_EQ(kv_pages_free(pool, 1, &negative), KV_ERROR_PAGE_NUMBER);
  const int32_t never = 7;
  EXPECT_EQ(kv_pages_free(pool, 1, &never), KV_ERROR_PAGE_STATE);
  EXPECT_EQ(kv_pages_available(pool), 5);
  EXPECT_EQ(kv_pages_free(pool, 3, pages), KV_OK);
  EXPECT_EQ(kv_pages_free(pool, 1, pages), KV_ERROR_PAGE_STATE);
  EXPECT_EQ(kv_pages_available(pool), 8);
}

TEST_F(Pages, Arguments) {
  int32_t page;
  EXPECT_EQ(kv_pages_allocate(nullptr, 1, &page), KV_ERROR_NULL);
  EXPECT_EQ(kv_pages_allocate(pool, 1, nullptr), KV_ERROR_NULL);
  EXPECT_EQ(kv_pages_allocate(pool, 0, nullptr), KV_OK);
  EXPECT_EQ(kv_pages_allocate(pool, -1, &page), KV_ERROR_SIZE);
  EXPECT_EQ(kv_pages_free(nullptr, 1, &page), KV_ERROR_NULL);
  EXPECT_EQ(kv_pages_free(pool, 1, nullptr), KV_ERROR_NULL);
  EXPECT_EQ(kv_pages_free(pool, -1, &page), KV_ERROR_SIZE);
  kv_pages *other;
  EXPECT_EQ(kv_pages_create(256, 8, nullptr), KV_ERROR_NULL);
  EXPECT_EQ(kv_pages_create(0, 8, &other), KV_ERROR_SIZE);
  EXPECT_EQ(kv_pages_create(96, 8, &other), KV_ERROR_SIZE);
  EXPECT_EQ(kv_pages_create(256, 0, &other), KV_ERROR_SIZE);
  EXPECT_EQ(kv_pages_create(int64_t(1) << 60, 1 << 20, &other), KV_ERROR_SIZE);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_EQ(kv_pages_create(int64_t(1) << 50, 1 << 10, &other), KV_ERROR_MEMORY);
#endif
  EXPECT_EQ(other, nullptr);
  EXPECT_EQ(kv_pages_base(nullptr), nullptr);
  EXPECT_EQ(kv_pages_count(pool), 8);
}

TEST(PagesThreads, NoPageHasTwoOwners) {
  kv_pages *pool;
  ASSERT_EQ(kv_pages_create(64, 64, &pool), KV_OK);
  char *base = static_cast<char *>(kv_pages_base(pool));
  std::vector<std::thread> threads;
  std::vector<int> faults(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int round = 0; round < 500; ++round) {
        int32_t pages[8];
        if (kv_pages_allocate(pool, 8, pages) != KV_OK)
          continue;
        for (int32_t page : pages) {
          for (int i = 0; i < 64; ++i)
            faults[t] += base[page * 64 + i] != 0;
          memset(base + page * 64, t + 1, 64);
        }
        for (int32_t page : pages)
          faults[t] += base[page * 64] != t + 1;
        faults[t] += kv_pages_free(pool, 8, pages) != KV_OK;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(faults, std::vector<int>(4));
  EXPECT_EQ(kv_pages_available(pool), 64);
  kv_pages_destroy(pool);
}

} // namespace
