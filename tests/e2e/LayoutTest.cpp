// LayoutTest.cpp: the layout law, across kernels. What they append to caches that differ only in layout, they read back as the same
// values; from pages of many gigabytes too, of which only what is touched is there.
#include "Scene.h"
#include "Targets.h"
#include KV_LAYOUTS_HEADER

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

using namespace kv::e2e;

namespace {

#define KV_CACHE(name)                                                                                                             \
  Kernels { #name, &name##_append, &name##_read, &name##_append_read, false }

const std::vector<std::vector<Kernels>> families = {
    {KV_CACHE(plain_auto), KV_CACHE(plain_odd), KV_CACHE(plain_cut), KV_CACHE(plain_tile), KV_CACHE(plain_digits),
     KV_CACHE(plain_large), KV_CACHE(plain_rows), KV_CACHE(plain_largetile)},
    {KV_CACHE(codes_auto), KV_CACHE(codes_odd), KV_CACHE(codes_cut), KV_CACHE(codes_tile), KV_CACHE(codes_digits),
     KV_CACHE(codes_large), KV_CACHE(codes_rows), KV_CACHE(codes_largetile)}};

// Every token is read back: all but those of the second sequence's prefix, which the append kernel has stored alone.
const std::vector<Sequence> sequences = {{1, 61, 61}, {2, 97, 60}, {3, 1, 1}, {4, 48, 48}};

std::vector<float> floatsOf(const std::vector<uint8_t> &bytes) {
  std::vector<float> floats(bytes.size() / 4);
  memcpy(floats.data(), bytes.data(), bytes.size());
  return floats;
}

void expectNear(const std::vector<uint8_t> &got, const std::vector<uint8_t> &wanted, const char *what, size_t sequence) {
  const std::vector<float> x = floatsOf(got), y = floatsOf(wanted);
  ASSERT_EQ(x.size(), y.size());
  for (size_t i = 0; i < x.size(); ++i) // no codec's step is as small; a sum's rounding is
    ASSERT_LE(std::fabs(x[i] - y[i]), 2e-5f * std::fmax(1.0f, std::fabs(y[i])))
        << "number " << i << " of " << what << " of sequence " << sequence << ": " << x[i] << " and " << y[i];
}

class LayoutLaw : public testing::TestWithParam<std::string> {};

TEST_P(LayoutLaw, AllLayoutsHoldTheSameValues) {
  const std::string target = GetParam();
  Options options;
  options.target = target.c_str();
  options.sparse = true;
  for (const std::vector<Kernels> &family : families) {
    const Outcome first = play(family[0], sequences, options);
    ASSERT_EQ(first.error, "");
    for (const Kernels &other : family)
      for (bool fused : {true, false}) {
        SCOPED_TRACE(std::string(other.name) + (fused ? ", fused" : ", in turn"));
        options.fused = fused;
        const Outcome outcome = play(other, sequences, options);
        ASSERT_EQ(outcome.error, "");
        for (size_t b = 0; b < sequences.size(); ++b) {
          expectNear(outcome.sequences[b].o, first.sequences[b].o, "o", b);
          expectNear(outcome.sequences[b].lse, first.sequences[b].lse, "lse", b);
          if (HasFatalFailure())
            return;
        }
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Compiled, LayoutLaw, testing::ValuesIn(targetsOf(plain_auto_read)), nameOfTarget);

} // namespace
