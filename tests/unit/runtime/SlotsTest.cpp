// SlotsTest.cpp: appends whose slot_mapping puts tokens anywhere. 4-bit codes of two slots may share a byte, which two threads must
// not store into, whichever sequences the tokens are of.
#include "Batch.h"

#include <gtest/gtest.h>

#include <map>
#include <sched.h>
#include <set>

using kv::test::Batch;

namespace {

enum { heads = FAKE_HEADS_KV };

// What `append` does: a code of 4 bits for each token and head, two slots to a byte, slot order; how often; on which part.
struct Nibbles {
  std::vector<uint8_t> bytes;
  std::map<std::pair<int64_t, int64_t>, int> stored;                // (token, head) -> times
  std::map<std::pair<int64_t, int64_t>, std::set<int32_t>> partsOf; // (byte, head) -> parts
  std::vector<int64_t> order;                                       // tokens of head 0
  int64_t pageTokens = 0, items = 0;
  int32_t part = 0;
  bool parallel = false;
} nibbles;

int64_t byteOf(int64_t slot, int64_t head, int64_t pageTokens) {
  const int64_t bytesOfPage = heads * ((pageTokens + 1) / 2);
  return slot / pageTokens * bytesOfPage + head * ((pageTokens + 1) / 2) + slot % pageTokens / 2;
}

void appendNibbles(const kv_step *step, const kv_item *item) {
  for (int64_t i = item->query_begin; i < item->query_end; ++i) {
    const int64_t token = step->query_start_loc[item->seq] + i, slot = step->slot_mapping[token];
    if (!nibbles.parallel) {
      ++nibbles.stored[{token, item->head}];
      if (item->head == 0)
        nibbles.order.push_back(token);
    }
    if (slot < 0)
      continue;
    const int64_t at = byteOf(slot, item->head, nibbles.pageTokens);
    if (!nibbles.parallel)
      nibbles.partsOf[{at, item->head}].insert(nibbles.part);
    volatile uint8_t *byte = &nibbles.bytes[at];
    const int shift = slot % nibbles.pageTokens % 2 * 4;
    const uint8_t kept = *byte & (0xf0 >> shift);
    if (nibbles.parallel && i % 8 == 0)
      sched_yield(); // another thread's chance to be between
    *byte = kept | (token % 15 + 1) << shift;
  }
  if (!nibbles.parallel)
    ++nibbles.items;
}

struct Appends {
  Appends(const Appends &) = delete;
  Appends(std::vector<Batch::Sequence> sequences, int64_t pageTokens, int64_t numPages, unsigned seed, int64_t skips)
      : batch(std::move(sequences), seed), random(seed) {
    kernel.tokens.page_tokens = pageTokens;
    variant.run[KV_PHASE_APPEND] = appendNibbles;
    variant.scratch_bytes = 0;
    kernel.variants = &variant;
    kernel.num_variants = 1;
    const int64_t tokens = batch.starts.back();
    for (int64_t slot = 0; slot < numPages * pageTokens; ++slot)
      slots.push_back(slot);
    std::shuffle(slots.begin(), slots.end(), random);
    EXPECT_GE(int64_t(slots.size()), tokens);
    slots.resize(tokens);
    for (int64_t i = 0; i < skips && tokens > 0; ++i)
      slots[random() % tokens] = -1;
    batch.step.slot_mapping = slots.data();
    batch.step.num_pages = numPages;
    batch.step.block_table = nullptr;
    nibbles = {};
    nibbles.pageTokens = pageTokens;
    nibbles.bytes.assign(byteOf(numPages * pageTokens, 0, pageTokens) + 1, 0);
  }
  std::vector<uint8_t> expected() const {
    std::vector<uint8_t> bytes(nibbles.bytes.size());
    for (size_t token = 0; token < slots.size(); ++token)
      for (int64_t head = 0; head < heads && slots[token] >= 0; ++head)
        bytes[byteOf(slots[token], head, kernel.tokens.page_tokens)] |= (token % 15 + 1)
                                                                        << slots[token] % kernel.tokens.page_tokens % 2 * 4;
    return bytes;
  }
  Batch batch;
  std::mt19937 random;
  kv_kernel kernel = fakeKernels[KV_OP_APPEND];
  kv_variant variant = fakeVariants[KV_OP_APPEND][1];
  std::vector<int64_t> slots;
};

const std::vector<Batch::Sequence> some = {{33, 1}, {7, 7}, {100, 0}, {997, 41}, {200, 4}, {0, 0}, {64, 64}, {5, 1}};

TEST(Slots, BytesAreOfOnePart) {
  for (unsigned seed = 1; seed <= 40; ++seed)
    for (int64_t pageTokens : {1, 3, 7, 15, 16, 20, 64, 100, 1000}) {
      Appends appends(some, pageTokens, 200 / pageTokens + 2, seed, seed % 3 ? 9 : 0);
      const int32_t parts = 1 + seed % 9;
      for (nibbles.part = 0; nibbles.part < parts; ++nibbles.part)
        ASSERT_EQ(kv_run_part(&appends.kernel, &appends.variant, &appends.batch.step, KV_PHASE_APPEND, nibbles.part, parts), KV_OK);
      EXPECT_EQ(kv_phase_items(&appends.kernel, &appends.variant, &appends.batch.step, KV_PHASE_APPEND), nibbles.items);
      EXPECT_EQ(nibbles.bytes, appends.expected());
      for (const auto &[byte, of] : nibbles.partsOf)
        ASSERT_EQ(of.size(), 1u) << "a byte of two parts; pages of " << pageTokens << ", " << parts << " parts";
      for (int64_t token = 0; token < int64_t(appends.slots.size()); ++token)
        for (int64_t head = 0; head < heads; ++head) {
          const int times = nibbles.stored[std::make_pair(token, head)];
          ASSERT_TRUE(times == 1 || (times == 0 && appends.slots[token] < 0));
        }
      if (parts == 1)
        EXPECT_TRUE(std::is_sorted(nibbles.order.begin(), nibbles.order.end()));
    }
}

TEST(Slots, NothingIsLostOnThreads) {
  kv_pool *pool;
  ASSERT_EQ(kv_pool_create(4, &pool), KV_OK);
  const kv_executor executor = kv_pool_executor(pool);
  for (unsigned seed = 1; seed <= 50; ++seed) {
    Appends appends(some, 16, 10, seed, 3);
    nibbles.parallel = true;
    ASSERT_EQ(kv_run_variant(&appends.kernel, &appends.variant, &appends.batch.step, &executor), KV_OK) << kv_last_error();
    ASSERT_EQ(nibbles.bytes, appends.expected()) << "seed " << seed;
  }
  kv_pool_destroy(pool);
}

// Pages one after the other, as a fresh pool gives them: no part waits for another.
TEST(Slots, PartsAreBalanced) {
  for (int64_t pageTokens : {16, 64, 1024}) {
    Appends appends({{4096, 4096}}, pageTokens, 4096 / pageTokens, 1, 0);
    for (int64_t i = 0; i < 4096; ++i)
      appends.slots[i] = i;
    std::vector<int64_t> tokens;
    for (int32_t part = 0; part < 8; ++part) {
      nibbles.stored.clear();
      ASSERT_EQ(kv_run_part(&appends.kernel, &appends.variant, &appends.batch.step, KV_PHASE_APPEND, part, 8), KV_OK);
      tokens.push_back(int64_t(nibbles.stored.size()));
    }
    EXPECT_LE(*std::max_element(tokens.begin(), tokens.end()), 4096 * heads / 8 * 5 / 4);
  }
}

} // namespace
