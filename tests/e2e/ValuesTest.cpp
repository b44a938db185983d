// ValuesTest.cpp: results that are known beforehand. Two tokens, whose values decode to what was appended, and queries with a
// channel far above the others; values at both ends of what f16 and f32 hold.
#include "Targets.h"
#include "e2e_values.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

using namespace kv::e2e;

namespace {

/// Exact for the numbers of these tests: zero, or in f16's range of normal numbers and no longer than its fraction.
uint16_t toHalf(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return value == 0 ? 0 : uint16_t((bits >> 16 & 0x8000) | ((bits >> 23 & 0xff) - 112) << 10 | (bits >> 13 & 0x3ff));
}

double fromHalf(uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  const double size = exponent == 31 ? INFINITY : exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
  return half & 0x8000 ? -size : size;
}

/// One sequence of two tokens, both of which are new and see each other.
struct TwoTokens {
  const kv_kernel &kernel;
  std::vector<float> q, k, v; // [token][head][channel]
  std::vector<float> decoded; // values as the cache holds them

  using Number = std::function<float(int64_t token, int64_t head, int64_t channel)>;
  TwoTokens(const kv_kernel &kernel, const Number &query, const Number &key, const Number &value)
      : kernel(kernel), q(fill(kernel.heads_q, query)), k(fill(1, key)), v(fill(1, value)), decoded(v) {}

  std::vector<float> fill(int64_t heads, const Number &number) const {
    std::vector<float> numbers;
    for (int64_t token = 0; token < 2; ++token)
      for (int64_t head = 0; head < heads; ++head)
        for (int64_t channel = 0; channel < kernel.dim_k; ++channel)
          numbers.push_back(number(token, head, channel));
    return numbers;
  }

  int64_t rows() const { return 2 * kernel.heads_q; } // of queries and results

  /// What o of row `row` is, in float64.
  std::vector<double> expected(int64_t row) const {
    const int64_t dim = kernel.dim_k;
    double score[2] = {0, 0};
    for (int64_t token = 0; token < 2; ++token)
      for (int64_t d = 0; d < dim; ++d)
        score[token] += double(q[row * dim + d]) * k[token * dim + d] / std::sqrt(double(dim));
    const double first = 1 / (1 + std::exp(score[1] - score[0]));
    std::vector<double> o;
    for (int64_t d = 0; d < dim; ++d)
      o.push_back(first * decoded[d] + (1 - first) * decoded[dim + d]);
    return o;
  }

  std::vector<std::byte> stored(const std::vector<float> &numbers) const {
    std::vector<std::byte> bytes;
    for (float number : numbers) {
      const uint16_t half = kernel.q_type == KV_TYPE_F16 ? toHalf(number) : 0;
      const auto *from =
          kernel.q_type == KV_TYPE_F16 ? reinterpret_cast<const std::byte *>(&half) : reinterpret_cast<const std::byte *>(&number);
      bytes.insert(bytes.end(), from, from + (kernel.q_type == KV_TYPE_F16 ? 2 : 4));
    }
    return bytes;
  }

  /// What the variant makes of all rows; none where it failed.
  std::vector<double> run(const kv_variant &variant) const {
    const int64_t dim = kernel.dim_k;
    const std::vector<std::byte> queries = stored(q), keys = stored(k), values = stored(v);
    std::vector<std::byte> pages(kernel.page_bytes + 64), results(rows() * dim * 4), workspace;
    const int32_t starts[] = {0, 2}, length = 2, page = 0;
    const auto aligned = [](std::vector<std::byte> &bytes) { return &bytes[-reinterpret_cast<uintptr_t>(bytes.data()) % 64]; };
    kv_step step;
    kv_step_init(&step);
    step.pages = aligned(pages);
    step.page_stride = kernel.page_bytes;
    step.num_pages = step.num_seqs = step.block_table_stride = 1;
    step.query_start_loc = starts;
    step.seq_lens = &length;
    step.block_table = &page;
    step.q.data = queries.data();
    step.k.data = keys.data();
    step.v.data = values.data();
    step.o.data = results.data();
    step.q.token_stride = step.o.token_stride = kernel.heads_q * dim;
    step.q.head_stride = step.k.head_stride = step.v.head_stride = step.o.head_stride = dim;
    step.k.token_stride = step.v.token_stride = dim;
    step.workspace_bytes = kv_step_workspace_bytes(&kernel, &variant, &step, 1);
    workspace.resize(std::max<int64_t>(step.workspace_bytes, 0) + 64);
    step.workspace = aligned(workspace);
    if (kv_run_variant(&kernel, &variant, &step, nullptr) != KV_OK) {
      ADD_FAILURE() << kv_last_error();
      return {};
    }
    std::vector<double> o;
    for (int64_t i = 0; i < rows() * dim; ++i) {
      uint16_t half;
      float number;
      memcpy(&half, &results[i * 2], 2);
      memcpy(&number, &results[i * 4], 4);
      o.push_back(kernel.o_type == KV_TYPE_F16 ? fromHalf(half) : number);
    }
    return o;
  }
};

class Values : public testing::TestWithParam<std::string> {
protected:
  /// All results, on the variant for the test's target; each error within `bound` times `size`.
  void expectRight(const TwoTokens &tokens, double size, double bound) {
    const kv_variant *variant = kv_select_target(&tokens.kernel, GetParam().c_str(), nullptr);
    ASSERT_TRUE(variant);
    const std::vector<double> o = tokens.run(*variant);
    ASSERT_FALSE(o.empty());
    for (int64_t row = 0; row < tokens.rows(); ++row) {
      const std::vector<double> expected = tokens.expected(row);
      for (size_t d = 0; d < expected.size(); ++d)
        ASSERT_NEAR(o[row * expected.size() + d] / size, expected[d] / size, bound)
            << tokens.kernel.name << ", row " << row << ", channel " << d;
    }
  }
};

constexpr double fast = 1.5e-2, high = 1e-3; // language.md, Tolerances

/// Keys that differ in all channels but the first, where the outlier is: 1 and -1 for eight channels, less for more.
float oppositeKey(const kv_kernel &kernel, int64_t token, int64_t channel) {
  const float size = kernel.dim_k == 8 ? 1 : 0.25f;
  return channel == 0 ? 0 : token == 0 ? size : -size;
}

float firstIsOne(int64_t token, int64_t, int64_t) { return token == 0 ? 1 : 0; }

/// A score of 0.39 * 7 / sqrt(8) for one key and its negative for the other: o is 0.8733, or 0.5 where the outlier takes all bits.
TEST_P(Values, OutlierOfAQueryLeavesFewChannelsTheirBits) {
  TwoTokens tokens(
      values_few_append_fast, [](int64_t, int64_t, int64_t channel) { return channel == 0 ? 100 : 0.39f; },
      [](int64_t token, int64_t, int64_t channel) { return oppositeKey(values_few_append_fast, token, channel); }, firstIsOne);
  ASSERT_NEAR(tokens.expected(0)[0], 0.8733, 1e-4);
  expectRight(tokens, 1, high);
}

/// Below 32 channels `fast` rounds to two bytes: one would make 50.25 and 49.75 of its units the same number.
TEST_P(Values, FewChannelsHaveTwoBytes) {
  TwoTokens tokens(
      values_few_append_fast,
      [](int64_t, int64_t, int64_t channel) { return channel == 0 ? 1 : (channel % 2 ? 50.25f : 49.75f) / 127; },
      [](int64_t token, int64_t, int64_t channel) {
        const float size = channel == 0 || channel == 7 ? 0 : 200;
        return (channel % 2 ? size : -size) * (token == 0 ? 1 : -1);
      },
      firstIsOne);
  ASSERT_NEAR(tokens.expected(0)[0], 0.8416, 1e-4);
  expectRight(tokens, 1, 10 * high);
}

TEST_P(Values, OutlierOfAQueryLeavesManyChannelsTheirBits) {
  for (const kv_kernel *kernel : {&values_many_append_fast, &values_many_append_high})
    for (float times : {1.0f, 10.0f, 30.0f, 100.0f, 300.0f, 1000.0f}) {
      SCOPED_TRACE(times);
      // The second row of each head has an outlier of the other sign.
      TwoTokens tokens(
          *kernel,
          [&](int64_t token, int64_t head, int64_t channel) {
            const float others = 0.39f + 0.01f * float(head);
            return channel ? others : token == 0 ? others * times : -others * times;
          },
          [&](int64_t token, int64_t, int64_t channel) { return oppositeKey(*kernel, token, channel); }, firstIsOne);
      expectRight(tokens, 1, kernel == &values_many_append_fast ? fast : 4 * high);
    }
}

/// Under `high` channels keep two bytes and what these leave. Those of a row are 1 + d and 1 - d, which two bytes alone often round
/// to the same number; keys add the former and subtract the latter.
TEST_P(Values, OutlierOf300TimesLeavesTwoBytesAndTheRest) {
  constexpr float d = 0.0035f; // less than half of 300 / 32767
  const kv_kernel &kernel = values_many_append_high;
  TwoTokens tokens(
      kernel,
      [&](int64_t token, int64_t head, int64_t channel) {
        const float middle = 1 + 0.0011f * float(head) + 0.0005f * float(token);
        return channel == 0 ? 300 : channel % 2 ? middle + d : middle - d;
      },
      [&](int64_t token, int64_t, int64_t channel) {
        const float size = channel == 0 || channel == 63 ? 0 : 32;
        return (channel % 2 ? size : -size) * (token == 0 ? 1 : -1);
      },
      firstIsOne);
  ASSERT_NEAR(tokens.expected(0)[0], 0.8502, 1e-4);
  expectRight(tokens, 1, 10 * high); // rounding to 300 / 32767 / 256 moves scores by 1 %
}

/// A great channel moves the middle of the codes away from the other channels: sums of what these are less, over all channels, are
/// great, and cancel with what the zero adds. Keys are whole eighths, which their codes hold exactly.
TEST_P(Values, ZerosOfKeysCancelExactly) {
  const kv_kernel &kernel = values_zeros_append_exact;
  TwoTokens tokens(
      kernel,
      [](int64_t token, int64_t head, int64_t channel) {
        return channel < 2 ? 0 : 1 + float((channel * 389 + head * 97 + token * 53) % 1009) / 4096;
      },
      [](int64_t token, int64_t, int64_t channel) {
        if (channel < 2)
          return channel == 0 ? 30.875f : -1; // 255 eighths apart
        return float((channel * 7 + token * 3) % 11 - 5) / 8;
      },
      firstIsOne);
  expectRight(tokens, 1, 1e-5);
}

/// Probabilities that are rounded may add up to more than 1: not to infinity.
TEST_P(Values, GreatestNumbersOfF16StayNumbers) {
  const kv_kernel &kernel = values_half_append_fast;
  for (int step = 0; step < 64; ++step) {
    TwoTokens tokens(
        kernel, [&](int64_t, int64_t head, int64_t channel) { return channel ? float(8 * step + head + 1) / 1024 : 0; },
        [&](int64_t token, int64_t, int64_t channel) { return oppositeKey(kernel, token, channel); },
        [](int64_t, int64_t, int64_t channel) { return channel % 2 ? -65504 : 65504; });
    expectRight(tokens, 65504, fast);
    if (HasFatalFailure())
      return;
  }
}

/// Scales near the least numbers of f32.
TEST_P(Values, LeastNumbersOfF32KeepTheirBits) {
  for (const kv_kernel *kernel :
       {&values_many_append_fast, &values_many_append_high, &values_asym_append_fast, &values_asym_append_high}) {
    TwoTokens tokens(
        *kernel, [](int64_t, int64_t head, int64_t channel) { return channel ? 0.39f + 0.01f * float(head) : 0; },
        [&](int64_t token, int64_t, int64_t channel) { return oppositeKey(*kernel, token, channel); },
        [](int64_t token, int64_t, int64_t channel) { return channel % 2  ? 1e-36f
                                                             : token == 0 ? 2e-36f
                                                                          : 4e-36f; });
    expectRight(tokens, 1e-36, 4 * fast); // a quarter of it the codec's
    if (HasFatalFailure())
      return;
  }
}

/// Below 2.9e-39 a scale has no inverse in f32: codes are 0 and values the zero of their row, whatever is multiplied by the scale.
TEST_P(Values, ScalesWithoutAnInverseAddNothing) {
  for (const kv_kernel *kernel : {&values_asym_append_fast, &values_asym_append_high}) {
    TwoTokens tokens(
        *kernel, [](int64_t, int64_t head, int64_t channel) { return channel ? 0.39f + 0.01f * float(head) : 0; },
        [&](int64_t token, int64_t, int64_t channel) { return oppositeKey(*kernel, token, channel); },
        [](int64_t token, int64_t, int64_t channel) { return (token == 0 ? 1e-36f : 2e-36f) + (channel % 2 ? 0.6e-36f : 0); });
    tokens.decoded = tokens.fill(1, [](int64_t token, int64_t, int64_t) { return token == 0 ? 1e-36f : 2e-36f; });
    expectRight(tokens, 1e-36, 2 * fast);
    if (HasFatalFailure())
      return;
  }
}

/// A variant of another kernel for the same target; null where it has none.
const kv_variant *variantFor(const kv_kernel &kernel, const char *target) {
  for (int32_t i = 0; i < kernel.num_variants; ++i)
    if (strcmp(kernel.variants[i].target, target) == 0)
      return &kernel.variants[i];
  return nullptr;
}

/// Half of these values are subnormal numbers of f8e4m3, which a type without them would lose.
TEST_P(Values, SmallNumbersOfF8e4m3KeepTheirBits) {
  for (const auto &[kernel, bound] : {std::pair(&values_lanes_append_two_exact, 1e-5),
                                      {&values_lanes_append_two_high, high},
                                      {&values_lanes_append_two_fast, fast}}) {
    SCOPED_TRACE(kernel->name);
    TwoTokens tokens(
        *kernel, [](int64_t token, int64_t, int64_t channel) { return channel ? 0.05f + 0.01f * float(token) : 0; },
        [&](int64_t token, int64_t, int64_t channel) { return oppositeKey(*kernel, token, channel); },
        [](int64_t token, int64_t, int64_t channel) { return float((channel * 7 + token * 5) % 31 - 15) / 512; });
    expectRight(tokens, 0.02, bound); // their root of mean squares
    if (HasFatalFailure())
      return;
  }
}

/// A page of f8e4m3 whose first token holds every code, in channels of its values and one after another in its keys: one token's
/// output is its values, and lse its score.
TEST_P(Values, EveryCodeOfF8e4m3IsItsNumber) {
  constexpr int64_t dim = 256;
  struct Kernel {
    const kv_kernel &kernel;
    int64_t valueStep; // bytes from a channel of token 0 to the next
    int64_t keyStep;   // from four channels to the next four
  };
  for (const Kernel &each : {Kernel{values_lanes_exact, 4, 64}, {values_lanes_fast, 4, 64}, {values_rows_exact, 1, 4}}) {
    SCOPED_TRACE(each.kernel.name);
    const kv_variant *variant = variantFor(each.kernel, GetParam().c_str());
    ASSERT_TRUE(variant);
    const auto number = [](int64_t code) {
      const int64_t magnitude = code & 0x7f, exponent = std::max<int64_t>(magnitude >> 3, 1);
      const double size = std::ldexp(double((magnitude & 7) + (magnitude < 8 ? 0 : 8)), int(exponent) - 10);
      return magnitude == 0x7f ? NAN : code & 0x80 ? -size : size;
    };
    std::vector<std::byte> pages(size_t(each.kernel.page_bytes) + 64), workspace;
    const auto aligned = [](std::vector<std::byte> &bytes) { return &bytes[-reinterpret_cast<uintptr_t>(bytes.data()) % 64]; };
    std::byte *keys = aligned(pages), *values = keys + 16 * dim;
    for (int64_t code = 0; code < 256; ++code)
      values[code * each.valueStep] = std::byte(code);
    std::vector<float> q(dim), o(dim);
    float lse = 0;
    const int32_t starts[] = {0, 1}, length = 1, page = 0;
    kv_step step;
    kv_step_init(&step);
    step.pages = keys;
    step.page_stride = each.kernel.page_bytes;
    step.num_pages = step.num_seqs = step.block_table_stride = 1;
    step.query_start_loc = starts;
    step.seq_lens = &length;
    step.block_table = &page;
    step.q.data = q.data();
    step.o.data = o.data();
    step.q.token_stride = step.q.head_stride = step.o.token_stride = step.o.head_stride = dim;
    step.lse = &lse;
    step.workspace_bytes = kv_step_workspace_bytes(&each.kernel, variant, &step, 1);
    workspace.resize(size_t(std::max<int64_t>(step.workspace_bytes, 0)) + 64);
    step.workspace = aligned(workspace);
    for (int64_t code = 0; code < 256; ++code) {
      SCOPED_TRACE(code);
      std::byte &key = keys[code / 4 * each.keyStep + code % 4];
      key = std::byte(code);
      q[size_t(code)] = 0.25f;
      ASSERT_EQ(kv_run_variant(&each.kernel, variant, &step, nullptr), KV_OK) << kv_last_error();
      key = std::byte(0);
      q[size_t(code)] = 0;
      const double score = number(code) / 4;
      if (std::isnan(score)) {
        EXPECT_TRUE(std::isnan(lse));
        continue;
      }
      ASSERT_NEAR(lse, score, 1e-5 * std::max(1e-3, std::fabs(score)));
      for (int64_t other = 0; other < 256; ++other)
        if (std::isnan(number(other)))
          ASSERT_TRUE(std::isnan(o[size_t(other)])) << other;
        else
          ASSERT_EQ(o[size_t(other)], float(number(other))) << other;
    }
  }
}

// One token has most of the probability, the others a little each, which a running sum of all would round the same way every time.
TEST_P(Values, SmallWeightsBesideAGreatOneAddUp) {
  const kv_kernel &append = values_long_append, &attend = values_long_exact;
  constexpr int64_t tokens = 8192, dim = 8;
  const double gap = 17.25; // of scores
  std::vector<float> k(tokens * dim), v(tokens * dim, 3.0f), q(dim), o(dim);
  k[5 * dim] = float(gap);
  for (int64_t d = 0; d < dim; ++d)
    v[5 * dim + d] = 1;
  q[0] = 1;
  std::vector<std::byte> pages(size_t(attend.page_bytes) + 64), workspace;
  const auto aligned = [](std::vector<std::byte> &bytes) { return &bytes[-reinterpret_cast<uintptr_t>(bytes.data()) % 64]; };
  int32_t starts[] = {0, int32_t(tokens)}, length = int32_t(tokens);
  kv_step step;
  kv_step_init(&step);
  step.pages = aligned(pages);
  step.page_stride = attend.page_bytes;
  step.num_pages = step.num_seqs = 1;
  step.query_start_loc = starts;
  step.seq_lens = &length;
  step.q.data = q.data();
  step.k.data = k.data();
  step.v.data = v.data();
  step.o.data = o.data();
  step.q.token_stride = step.q.head_stride = step.k.token_stride = step.k.head_stride = dim;
  step.v.token_stride = step.v.head_stride = step.o.token_stride = step.o.head_stride = dim;
  ASSERT_EQ(kv_run_variant(&append, variantFor(append, GetParam().c_str()), &step, nullptr), KV_OK) << kv_last_error();
  starts[1] = 1;
  step.workspace_bytes = kv_step_workspace_bytes(&attend, variantFor(attend, GetParam().c_str()), &step, 1);
  workspace.resize(size_t(step.workspace_bytes) + 64);
  step.workspace = aligned(workspace);
  ASSERT_EQ(kv_run_variant(&attend, variantFor(attend, GetParam().c_str()), &step, nullptr), KV_OK) << kv_last_error();
  const double others = double(tokens - 1) * std::exp(-gap), right = (1 + 3 * others) / (1 + others);
  for (float number : o)
    EXPECT_NEAR(number, right, 1e-5 * right);
}

INSTANTIATE_TEST_SUITE_P(Compiled, Values, testing::ValuesIn(targetsOf(values_few_append_fast)), nameOfTarget);

} // namespace
