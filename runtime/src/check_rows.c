/* check_rows.c: whether a row of block_table names a page twice. Two positions would then lie in one slot: the later one is stored
 * over the earlier one. It is also what a table of 64-bit entries looks like, read as 32-bit ones: 0, 0, 1, 0, 2, 0.
 *
 * Exact, without memory of its own: a bitmap on the stack, of the pages of one window after the other. Windows are passes over the
 * row, so where pages are few and far between, one pass takes all windows, folded onto each other, and an entry that meets a bit
 * that is set is searched among those before it. */
#include "internal.h"

enum { mostBits = 1 << 18, bitsOfWord = 64, shortRow = 16 };

/* The entry before `entry` that names the same page, or -1. */
static int64_t earlier(const int32_t *row, int64_t begin, int64_t entry) {
  /* One pass without exits, so that it is vectorised. */
  const int32_t page = row[entry];
  int found = 0;
  for (int64_t i = begin; i < entry; ++i)
    found |= row[i] == page;
  for (int64_t i = begin; found && i < entry; ++i)
    if (row[i] == page)
      return i;
  return -1;
}

/* A bitmap that is cheap to clear beside the entries, and in which few of them meet. */
static int64_t bitsFor(int64_t entries) {
  int64_t bits = 1 << 10;
  while (bits < mostBits && bits < bitsOfWord * entries)
    bits *= 2;
  return bits;
}

/* Pages from `low` on, all windows on one bitmap. */
static int64_t findFolded(const int32_t *row, int64_t begin, int64_t end, int32_t low, int64_t bits, uint64_t *seen,
                          int64_t *first) {
  for (int64_t i = begin; i < end; ++i) {
    const uint64_t bit = (uint64_t)((int64_t)row[i] - low) & (uint64_t)(bits - 1), mask = 1ull << bit % bitsOfWord;
    if ((seen[bit / bitsOfWord] & mask) && (*first = earlier(row, begin, i)) >= 0)
      return i;
    seen[bit / bitsOfWord] |= mask;
  }
  return -1;
}

/* Pages [low, low + bits). Without branches: where pages are at random, a processor guesses wrong which of them are in the window.
 */
static int repeatsInWindow(const int32_t *row, int64_t begin, int64_t end, int64_t low, int64_t bits, uint64_t *seen) {
  uint64_t repeated = 0;
  for (int64_t i = begin; i < end; ++i) {
    const uint64_t page = (uint64_t)(row[i] - low), bit = page & (uint64_t)(bits - 1);
    const uint64_t mask = (uint64_t)(page < (uint64_t)bits) << bit % bitsOfWord, before = seen[bit / bitsOfWord];
    repeated |= before & mask;
    seen[bit / bitsOfWord] = before | mask;
  }
  return repeated != 0;
}

int64_t kvrt_find_repeat(const int32_t *row, int64_t begin, int64_t end, int64_t *first) {
  const int64_t entries = end - begin, bits = bitsFor(entries);
  int64_t repeat = -1;
  if (entries <= shortRow) {
    for (int64_t i = begin + 1; i < end && repeat < 0; ++i)
      repeat = (*first = earlier(row, begin, i)) >= 0 ? i : -1;
    return repeat;
  }
  int32_t low = row[begin], high = row[begin];
  for (int64_t i = begin; i < end; ++i) {
    low = row[i] < low ? row[i] : low;
    high = row[i] > high ? row[i] : high;
  }
  uint64_t seen[mostBits / bitsOfWord];
  const int64_t range = (int64_t)high - low + 1, windows = kvrt_ceil_div(range, bits);
  const size_t bytes = (size_t)kvrt_ceil_div(kvrt_min(range, bits), bitsOfWord) * sizeof *seen;
  /* Of pages at random, entries^2 / (2 * bits) meet another one's bit when folded; each search takes about entries / 8 steps. */
  const int folded = (double)entries * (double)entries < 16.0 * (double)bits * (double)windows;
  int repeated = folded;
  for (int64_t window = 0; window < windows && !repeated; ++window) {
    memset(seen, 0, bytes);
    repeated = repeatsInWindow(row, begin, end, low + window * bits, bits, seen);
  }
  if (repeated) { /* or not known yet */
    memset(seen, 0, bytes);
    repeat = findFolded(row, begin, end, low, bits, seen, first);
  }
  return repeat;
}
