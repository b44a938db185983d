// RowsTest.cpp: pages that a row of block_table names twice, against a set, in rows of all lengths and pools of all sizes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <unordered_set>
#include <vector>

extern "C" int64_t kvrt_find_repeat(const int32_t *row, int64_t begin, int64_t end, int64_t *first);

namespace {

std::mt19937 engine(7);
int64_t pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); }

// `entries` different pages below `pages`, in one of the orders that allocators leave.
std::vector<int32_t> rowOf(int64_t entries, int64_t pages, int order) {
  std::vector<int32_t> row;
  std::unordered_set<int32_t> taken;
  const int64_t step = order == 0 ? 1 : std::max<int64_t>(pages / entries, 1);
  while (int64_t(row.size()) < entries) {
    const int64_t page = order < 2 ? int64_t(row.size()) * step : pick(0, pages - 1);
    if (taken.insert(int32_t(page)).second)
      row.push_back(int32_t(page));
  }
  if (pick(0, 1))
    std::shuffle(row.begin(), row.end(), engine);
  return row;
}

void expectRepeat(const std::vector<int32_t> &row, int64_t begin, int64_t end) {
  bool wanted = false;
  std::unordered_set<int32_t> seen;
  for (int64_t i = begin; i < end; ++i)
    wanted |= !seen.insert(row[i]).second;
  int64_t first = -1;
  const int64_t found = kvrt_find_repeat(row.data(), begin, end, &first);
  ASSERT_EQ(found >= 0, wanted) << end - begin << " entries";
  if (!wanted)
    return;
  ASSERT_TRUE(begin <= first && first < found && found < end);
  EXPECT_EQ(row[first], row[found]);
}

TEST(Rows, ARepeatIsFoundWhereverItIs) {
  for (int64_t entries : {1, 2, 3, 15, 16, 17, 31, 64, 100, 1000, 5000, 40000})
    for (int64_t pages : {entries, 3 * entries + 1, int64_t(1) << 17, int64_t(1) << 19, int64_t(INT32_MAX)})
      for (int order = 0; order < 3 && entries <= pages; ++order) {
        std::vector<int32_t> row = rowOf(entries, pages, order);
        expectRepeat(row, 0, entries);
        for (int round = 0; round < 3 && entries > 1; ++round) {
          std::vector<int32_t> spoilt = row;
          const int64_t from = pick(0, entries - 1), to = pick(0, entries - 1);
          spoilt[to] = spoilt[from];
          expectRepeat(spoilt, 0, entries);
          const int64_t begin = pick(0, entries - 1); // of some it is outside
          expectRepeat(spoilt, begin, pick(begin, entries));
        }
      }
}

// Pages that fall on one bit of any bitmap whose size is a power of two.
TEST(Rows, PagesThatMeetInABitmap) {
  for (int shift : {10, 12, 15, 17, 18, 20}) {
    std::vector<int32_t> row;
    for (int64_t page = 0; page < (int64_t(1) << 31) && row.size() < 3000; page += int64_t(1) << shift)
      row.push_back(int32_t(page));
    std::shuffle(row.begin(), row.end(), engine);
    expectRepeat(row, 0, int64_t(row.size()));
    row.back() = row[row.size() / 2];
    expectRepeat(row, 0, int64_t(row.size()));
  }
}

} // namespace
