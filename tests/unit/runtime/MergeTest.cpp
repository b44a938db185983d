// MergeTest.cpp: kv_merge_states against attention over all keys at once, and what its promises say.
#include "kv/kv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace {

constexpr float infinity = INFINITY;

/// Attention with known scores and values over keys [begin, end), in long double.
struct Attention {
  int64_t rows, dim, keys;
  std::vector<double> scores, values; // [rows][keys], [keys][dim]

  Attention(int64_t rows, int64_t dim, int64_t keys, uint32_t seed, double spread)
      : rows(rows), dim(dim), keys(keys), scores(rows * keys), values(keys * dim) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    for (double &score : scores)
      score = spread * normal(random);
    for (double &value : values)
      value = normal(random);
  }

  void run(int64_t begin, int64_t end, std::vector<double> &o, std::vector<double> &lse) const {
    o.assign(rows * dim, 0), lse.assign(rows, -INFINITY);
    for (int64_t row = 0; row < rows && begin < end; ++row) {
      long double greatest = -INFINITY, sum = 0;
      for (int64_t j = begin; j < end; ++j)
        greatest = std::max<long double>(greatest, scores[row * keys + j]);
      std::vector<long double> acc(dim);
      for (int64_t j = begin; j < end; ++j) {
        const long double p = expl(scores[row * keys + j] - greatest);
        sum += p;
        for (int64_t d = 0; d < dim; ++d)
          acc[d] += p * values[j * dim + d];
      }
      for (int64_t d = 0; d < dim; ++d)
        o[row * dim + d] = double(acc[d] / sum);
      lse[row] = double(greatest + logl(sum));
    }
  }
};

/// States of float, as attends give them.
struct States {
  std::vector<std::vector<float>> o, lse;

  void add(const std::vector<double> &from, const std::vector<double> &fromLse) {
    o.emplace_back(from.begin(), from.end());
    lse.emplace_back(fromLse.begin(), fromLse.end());
  }
  kv_status merge(int64_t rows, int64_t dim, float *merged, float *mergedLse) const {
    std::vector<const float *> os, lses;
    for (size_t i = 0; i < o.size(); ++i)
      os.push_back(o[i].data()), lses.push_back(lse[i].data());
    return kv_merge_states(rows, dim, int64_t(o.size()), os.data(), lses.data(), merged, mergedLse);
  }
};

TEST(Merge, EqualsAttentionOverAllKeys) {
  for (int64_t dim : {1, 40, 64, 65, 130, 256})
    for (double spread : {0.1, 3.0, 60.0}) {
      const Attention attention(7, dim, 50, uint32_t(dim), spread);
      std::vector<double> o, lse;
      States states;
      const int64_t cuts[] = {0, 1, 1, 20, 33, 50}; // the second one is empty
      for (int i = 0; i < 5; ++i) {
        attention.run(cuts[i], cuts[i + 1], o, lse);
        states.add(o, lse);
      }
      std::vector<float> merged(7 * dim), mergedLse(7);
      ASSERT_EQ(states.merge(7, dim, merged.data(), mergedLse.data()), KV_OK);
      attention.run(0, 50, o, lse);
      // An lse of float is off by 2^-25 of itself, a weight by as much: 60 * 5 / 2^25 of a row, at most.
      for (int64_t i = 0; i < 7 * dim; ++i)
        EXPECT_NEAR(merged[i], o[i], (spread < 10 ? 1e-6 : 2e-5) * (1 + std::fabs(o[i]))) << dim << " " << spread;
      for (int64_t row = 0; row < 7; ++row)
        EXPECT_NEAR(mergedLse[row], lse[row], 2e-7 * (1 + std::fabs(lse[row]))) << dim << " " << spread;
    }
}

TEST(Merge, IsExactWhereWeightsAre) {
  // exp(0) = 1 twice: the mean, and log 2.
  const float a[] = {1, -3, 1e-40f}, b[] = {2, 5, 3e-40f}, lse[] = {7};
  const float *o[] = {a, b}, *lses[] = {lse, lse};
  float merged[3], mergedLse[1];
  ASSERT_EQ(kv_merge_states(1, 3, 2, o, lses, merged, mergedLse), KV_OK);
  EXPECT_EQ(merged[0], 1.5f);
  EXPECT_EQ(merged[1], 1.0f);
  EXPECT_EQ(merged[2], float((double(a[2]) + double(b[2])) / 2)); // subnormal
  EXPECT_EQ(mergedLse[0], float(7 + std::log(2.0)));
}

/// The weight of a state that is x below the other: 1 / (1 + exp(-x)) and so on, against the machine's own.
TEST(Merge, WeightsAreThoseOfExp) {
  for (double x = 0; x < 80; x += 0.37) {
    const float zero[] = {0}, one[] = {1}, high[] = {float(x)}, low[] = {0};
    const float *o[] = {zero, one}, *lses[] = {high, low};
    float merged[1], mergedLse[1];
    ASSERT_EQ(kv_merge_states(1, 1, 2, o, lses, merged, mergedLse), KV_OK);
    const double weight = std::exp(-double(high[0]));
    EXPECT_EQ(merged[0], float(weight / (1 + weight))) << x;
    EXPECT_NEAR(mergedLse[0], high[0] + std::log1p(weight), 6e-8 * std::max(high[0], 1.0f)) << x;
  }
}

TEST(Merge, WhatWasNotSeenAddsNothing) {
  const float nan = NAN;
  const float own[] = {3, nan, 5, infinity}, other[] = {nan, 4, nan, nan};
  const float ownLse[] = {1, -infinity, 2, -infinity}, otherLse[] = {-infinity, 9, -infinity, -infinity};
  const float *o[] = {own, other}, *lses[] = {ownLse, otherLse};
  float merged[4], mergedLse[4];
  ASSERT_EQ(kv_merge_states(4, 1, 2, o, lses, merged, mergedLse), KV_OK);
  const float wanted[] = {3, 4, 5, 0}, wantedLse[] = {1, 9, 2, -infinity};
  EXPECT_EQ(memcmp(merged, wanted, sizeof wanted), 0);
  EXPECT_EQ(memcmp(mergedLse, wantedLse, sizeof wantedLse), 0);
  ASSERT_EQ(kv_merge_states(4, 1, 0, nullptr, nullptr, merged, mergedLse), KV_OK);
  for (int i = 0; i < 4; ++i)
    EXPECT_TRUE(merged[i] == 0 && mergedLse[i] == -infinity);
}

TEST(Merge, NansStayInTheirRows) {
  const float a[] = {1, 1, 1}, b[] = {2, 2, 2}, lseA[] = {NAN, infinity, 0}, lseB[] = {0, 0, 0};
  const float *o[] = {a, b}, *lses[] = {lseA, lseB};
  float merged[3], mergedLse[3];
  ASSERT_EQ(kv_merge_states(3, 1, 2, o, lses, merged, mergedLse), KV_OK);
  EXPECT_TRUE(std::isnan(merged[0]) && std::isnan(mergedLse[0]));
  EXPECT_TRUE(std::isnan(merged[1]) && std::isnan(mergedLse[1]));
  EXPECT_EQ(merged[2], 1.5f);
}

TEST(Merge, MayStandWhereAStateDoes) {
  const Attention attention(5, 100, 30, 9, 2);
  States states;
  std::vector<double> o, lse;
  for (int64_t begin : {0, 10, 20}) {
    attention.run(begin, begin + 10, o, lse);
    states.add(o, lse);
  }
  std::vector<float> merged(500), mergedLse(5);
  ASSERT_EQ(states.merge(5, 100, merged.data(), mergedLse.data()), KV_OK);
  for (size_t place = 0; place < 3; ++place) {
    States own = states;
    ASSERT_EQ(own.merge(5, 100, own.o[place].data(), own.lse[place].data()), KV_OK);
    EXPECT_EQ(own.o[place], merged);
    EXPECT_EQ(own.lse[place], mergedLse);
  }
  std::vector<float> without(500);
  ASSERT_EQ(states.merge(5, 100, without.data(), nullptr), KV_OK);
  EXPECT_EQ(without, merged);
}

TEST(Merge, RefusesWithAReason) {
  float a[4] = {}, lse[4] = {}, merged[4] = {5, 5, 5, 5};
  const float *o[] = {a, nullptr}, *lses[] = {lse, lse};
  const auto says = [&](kv_status got, kv_status wanted, const char *sentence) {
    EXPECT_EQ(got, wanted);
    EXPECT_STREQ(kv_last_error(), sentence);
  };
  says(kv_merge_states(2, 2, 2, o, lses, merged, nullptr), KV_ERROR_NULL, "o of state 1 is null");
  says(kv_merge_states(2, 2, 1, o, lses, nullptr, nullptr), KV_ERROR_NULL, "merged is null");
  says(kv_merge_states(2, 2, 1, o, nullptr, merged, nullptr), KV_ERROR_NULL, "lse is null");
  says(kv_merge_states(-1, 2, 1, o, lses, merged, nullptr), KV_ERROR_SIZE,
       "1 states of -1 rows of 2 channels; expected 0 .. 2^31 states and rows, 1 .. 2^31 channels, together below 2^61");
  EXPECT_EQ(kv_merge_states(2, 0, 1, o, lses, merged, nullptr), KV_ERROR_SIZE);
  EXPECT_EQ(kv_merge_states(int64_t(1) << 31, int64_t(1) << 31, 1, o, lses, merged, nullptr), KV_ERROR_SIZE);
  const float *odd[] = {reinterpret_cast<const float *>(reinterpret_cast<const char *>(a) + 2)};
  EXPECT_EQ(kv_merge_states(1, 2, 1, odd, lses, merged, nullptr), KV_ERROR_ALIGNMENT);
  EXPECT_EQ(kv_merge_states(1, 2, 1, o, odd, merged, nullptr), KV_ERROR_ALIGNMENT);
  for (float value : merged)
    EXPECT_EQ(value, 5);
  EXPECT_EQ(kv_merge_states(0, 2, 1, o, lses, nullptr, nullptr), KV_OK);
}

} // namespace
