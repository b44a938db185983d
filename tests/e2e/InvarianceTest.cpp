// InvarianceTest.cpp: a sequence's bits do not depend on threads, on the order of pages, on its neighbours or on strides; and the
// three laws of the language that can be seen from here: batching, fusion, one layout for all variants.
#include "Fixture.h"

#include <algorithm>
#include <cmath>

using namespace kv;
using namespace kv::e2e;

namespace {

class Invariance : public EachVariant {};
KV_E2E(Invariance);

TEST_P(Invariance, Threads) {
  const Outcome alone = play(options());
  for (int32_t threads = 1; threads <= 8; ++threads) {
    kv_pool *pool;
    ASSERT_EQ(kv_pool_create(threads, &pool), KV_OK);
    const kv_executor executor = kv_pool_executor(pool);
    Options options = this->options();
    options.executor = &executor;
    expectSame(play(options), alone, (std::to_string(threads) + " threads").c_str());
    kv_pool_destroy(pool);
  }
  const kv_executor backwards = {[](void *, int32_t parts, kv_part_fn part, void *argument) {
                                   for (int32_t i = parts - 1; i >= 0; --i)
                                     part(argument, i);
                                 },
                                 nullptr, 13, 0};
  Options options = this->options();
  options.executor = &backwards;
  expectSame(play(options), alone, "13 parts in reverse order");
}

TEST_P(Invariance, OrderOfPages) {
  const Outcome first = play(options());
  for (unsigned order : {2u, 3u}) {
    Options options = this->options();
    options.pageOrder = order;
    expectSame(play(options), first, "another order of pages");
  }
}

TEST_P(Invariance, Neighbours) {
  const std::vector<Sequence> all = sequences();
  const Outcome together = play(options());
  ASSERT_EQ(together.error, "");
  for (size_t b = 0; b < all.size(); ++b) {
    Outcome alone = e2e::play(kernels(), {all[b]}, options()), picked;
    picked.sequences = {together.sequences[b]};
    expectSame(alone, picked, "a sequence alone");
  }
  std::vector<Sequence> reversed(all.rbegin(), all.rend());
  Outcome backwards = e2e::play(kernels(), reversed, options());
  std::reverse(backwards.sequences.begin(), backwards.sequences.end());
  expectSame(backwards, together, "the batch reversed");
}

TEST_P(Invariance, StridesAndSlotMapping) {
  const Outcome plain = play(options());
  Options spaced = options();
  spaced.spacedTensors = true;
  spaced.extraStride = 192;
  expectSame(play(spaced), plain, "larger strides");
  Options mapped = options();
  mapped.slotMapping = true;
  expectSame(play(mapped), plain, "slot_mapping");
}

TEST_P(Invariance, DenseWithoutATable) {
  if (fused().tokens.kind != KV_TOKENS_DENSE)
    return;
  Options bare = options();
  bare.noTable = true;
  expectSame(play(bare), play(options()), "block_table null");
}

TEST_P(Invariance, FusionLaw) {
  Options apart = options();
  apart.fused = false;
  expectSame(play(options()), play(apart), "append_attend against append, attend");
}

TEST_P(Invariance, BatchingLaw) {
  Options stepwise = options();
  stepwise.prefix = Prefix::tokenByToken;
  std::vector<Sequence> some = sequences();
  std::erase_if(some, [](const Sequence &sequence) { return sequence.length > 150; }); // one call of append for each token
  expectSame(e2e::play(kernels(), some, stepwise), e2e::play(kernels(), some, options()), "token by token");
}

TEST_P(Invariance, EveryVariantStoresTheSameBytes) {
  Options first = options();
  first.target = fused().variants[fused().num_variants - 1].target;
  if (fused().variants[fused().num_variants - 1].features & ~kv_cpu_features())
    GTEST_SKIP() << "[SKIP] the last variant does not run here";
  const Outcome got = play(options()), wanted = e2e::play(kernels(), sequences(), first);
  ASSERT_EQ(got.error, "");
  ASSERT_EQ(wanted.error, "");
  for (size_t b = 0; b < got.sequences.size(); ++b)
    EXPECT_EQ(got.sequences[b].pages, wanted.sequences[b].pages) << "sequence " << b;
}

TEST_P(Invariance, WhatNoQuerySeesIsNeitherReadNorChecked) {
  for (const bool fusedStep : {true, false}) {
    Options all = options(), some = options();
    all.guarded = some.guarded = some.dead = true;
    all.fused = some.fused = fusedStep;
    expectSame(play(some), play(all), "pages that no query sees are gone", /*pages=*/false);
  }
}

TEST_P(Invariance, NanOfATokenReachesThoseWhoSeeIt) {
  const std::vector<Sequence> all = sequences();
  const Outcome plain = play(options());
  ASSERT_EQ(plain.error, "");
  for (const int32_t nanAt : {1, 2, 5, 18, 41, 70, 130}) {
    Options options = this->options();
    options.nanAt = nanAt;
    const Outcome outcome = play(options);
    ASSERT_EQ(outcome.error, "");
    for (size_t b = 0; b < all.size(); ++b)
      for (int32_t query = 0; query < all[b].queries; ++query) {
        if (isSeen(fused(), all[b], query, all[b].length - nanAt))
          continue;
        const auto sameRow = [&](const std::vector<uint8_t> &got, const std::vector<uint8_t> &wanted) {
          const int64_t bytes = static_cast<int64_t>(wanted.size()) / all[b].queries;
          return std::equal(got.begin() + query * bytes, got.begin() + (query + 1) * bytes, wanted.begin() + query * bytes);
        };
        EXPECT_TRUE(sameRow(outcome.sequences[b].o, plain.sequences[b].o) &&
                    sameRow(outcome.sequences[b].lse, plain.sequences[b].lse))
            << "query " << query << " of sequence " << b << " of " << all[b].length << " tokens, NaN in token "
            << all[b].length - nanAt;
      }
  }
}

// All other tests compare bits: this one makes sure that the bits are something.
TEST_P(Invariance, OutputsAreNumbersAndNotAllZero) {
  const Outcome outcome = play(options());
  ASSERT_EQ(outcome.error, "");
  for (size_t b = 0; b < outcome.sequences.size(); ++b) {
    const std::vector<uint8_t> &o = outcome.sequences[b].o;
    bool something = o.empty();
    const size_t size = fused().o_type == KV_TYPE_F32 ? 4 : 2;
    for (size_t i = 0; i < o.size(); i += size) {
      const unsigned top = o[i + size - 1] << 8 | o[i + size - 2];
      const unsigned exponent = fused().o_type == KV_TYPE_F16 ? 0x7c00 : 0x7f80;
      ASSERT_NE(top & exponent, exponent) << "element " << i / size << " of sequence " << b << " is not finite";
      something |= (top & 0x7fff) != 0;
    }
    EXPECT_TRUE(something) << "sequence " << b;
    for (size_t i = 0; i < outcome.sequences[b].lse.size(); i += 4) {
      float value;
      memcpy(&value, &outcome.sequences[b].lse[i], 4);
      ASSERT_TRUE(std::isfinite(value));
    }
  }
}

} // namespace
