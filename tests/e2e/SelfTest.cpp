// SelfTest.cpp: kernels with planted faults, each of which the scenes must bring to light.
#include "Scene.h"
#include "fake.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace kv::e2e;

namespace {

volatile float sink;

/// The good kernels with one function of a variant replaced.
struct Broken {
  kv_variant variants[3];
  kv_kernel kernels[3];
  Kernels all;
  explicit Broken(kv_kernel_fn append = fakeAppend, kv_kernel_fn attend = fakeAppendAttend) {
    for (int op = 0; op < 3; ++op) {
      variants[op] = fakeVariants[op][1];
      kernels[op] = fakeKernels[op];
      kernels[op].variants = &variants[op];
      kernels[op].num_variants = 1;
    }
    variants[KV_OP_APPEND].run[KV_PHASE_APPEND] = variants[KV_OP_APPEND_ATTEND].run[KV_PHASE_APPEND] = append;
    variants[KV_OP_APPEND_ATTEND].run[KV_PHASE_ATTEND] = attend;
    all = {"broken", &kernels[0], &kernels[1], &kernels[2], false};
  }
};

const std::vector<Sequence> sequences = {{1, 40, 1}, {2, 16, 2}, {3, 90, 1}, {4, 20, 1}};

bool same(const Outcome &a, const Outcome &b) {
  for (size_t i = 0; i < a.sequences.size(); ++i)
    if (a.sequences[i].o != b.sequences[i].o || a.sequences[i].lse != b.sequences[i].lse)
      return false;
  return a.error.empty() && b.error.empty();
}

std::string guardedError(const Broken &broken, Side side) {
  Options options;
  options.guarded = true;
  options.side = side;
  return play(broken.all, sequences, options).error;
}

TEST(SelfTest, ReadsPastATensor) {
  const Broken broken(fakeAppend, [](const kv_step *step, const kv_item *item) {
    fakeAppendAttend(step, item);
    const float *q = static_cast<const float *>(step->q.data);
    sink = q[(step->query_start_loc[item->seq + 1] - 1) * step->q.token_stride + FAKE_HEADS_Q * FAKE_DIM_K];
  });
  EXPECT_EQ(guardedError(broken, Side::right), "fake_append_decode for generic touched q: 0 bytes after its end");
}

TEST(SelfTest, ReadsBeforeATable) {
  const Broken broken(fakeAppend, [](const kv_step *step, const kv_item *item) {
    sink = static_cast<float>(step->block_table[item->seq * step->block_table_stride - 1]);
    fakeAppendAttend(step, item);
  });
  EXPECT_EQ(guardedError(broken, Side::left), "fake_append_decode for generic touched block_table: 4 bytes before its start");
}

TEST(SelfTest, WritesAnInput) {
  const Broken broken([](const kv_step *step, const kv_item *item) {
    fakeAppend(step, item);
    const_cast<int32_t *>(step->seq_lens)[item->seq] = 1;
  });
  EXPECT_NE(guardedError(broken, Side::left).find("seq_lens: a write"), std::string::npos);
}

TEST(SelfTest, ReadsPastAPage) {
  const Broken broken(fakeAppend, [](const kv_step *step, const kv_item *item) {
    const int64_t page = step->block_table[item->seq * step->block_table_stride];
    sink = *reinterpret_cast<const float *>(static_cast<const char *>(step->pages) + page * step->page_stride + FAKE_PAGE_BYTES);
    fakeAppendAttend(step, item);
  });
  EXPECT_NE(guardedError(broken, Side::right), "");
}

TEST(SelfTest, ReadsASlotPastTheEnd) {
  const Broken broken(fakeAppend, [](const kv_step *step, const kv_item *item) {
    fakeAppendAttend(step, item);
    const int64_t token = step->seq_lens[item->seq]; // its weight is 0, but 0 * NaN is NaN
    const int64_t page = step->block_table[item->seq * step->block_table_stride + (token - 1) / FAKE_PAGE_TOKENS];
    const auto *key = reinterpret_cast<const float *>(static_cast<const char *>(step->pages) + page * step->page_stride);
    static_cast<float *>(const_cast<void *>(step->o.data))[step->query_start_loc[item->seq] * step->o.token_stride] +=
        0 * key[token % FAKE_PAGE_TOKENS * FAKE_DIM_K];
  });
  Options poisoned;
  poisoned.poison = Poison::nan;
  EXPECT_FALSE(same(play(broken.all, sequences, {}), play(broken.all, sequences, poisoned)));
  EXPECT_TRUE(same(play(Broken().all, sequences, {}), play(Broken().all, sequences, poisoned)));
}

TEST(SelfTest, CutsOffsetsToThirtyTwoBits) {
  const Broken broken(fakeAppend, [](const kv_step *step, const kv_item *item) {
    kv_step cut = *step;
    cut.page_stride = static_cast<int32_t>(cut.page_stride);
    fakeAppendAttend(&cut, item);
  });
  Options far;
  far.extraStride = (int64_t(1) << 32) + 64;
  EXPECT_FALSE(same(play(broken.all, sequences, {}), play(broken.all, sequences, far)));
  EXPECT_TRUE(same(play(Broken().all, sequences, {}), play(Broken().all, sequences, far)));
}

} // namespace
