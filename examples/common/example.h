// What the example programs share: half-precision numbers, inputs as a model makes them, clocks and a read-bandwidth yardstick.
#ifndef KV_EXAMPLES_COMMON_EXAMPLE_H
#define KV_EXAMPLES_COMMON_EXAMPLE_H

#include "kv/kv.h"

#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

namespace example {

/// A float rounded to f16, as bits.
inline uint16_t toHalf(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  float magnitude = std::fabs(value);
  if (!(magnitude < 65520.0f))
    return static_cast<uint16_t>(sign | (std::isnan(value) ? 0x7e00 : 0x7c00));
  if (magnitude < 0x1p-14f) // a multiple of 2^-24; the addition rounds
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(magnitude + 0.5f) - std::bit_cast<uint32_t>(0.5f)));
  uint32_t rounded = (bits & 0x7fffffff) + 0xfff + (bits >> 13 & 1);
  return static_cast<uint16_t>(sign | ((rounded - (112u << 23)) >> 13));
}

inline float fromHalf(uint16_t half) {
  int exponent = half >> 10 & 31;
  auto mantissa = static_cast<float>(half & 1023);
  float magnitude = exponent == 0    ? std::ldexp(mantissa, -24)
                    : exponent == 31 ? (mantissa == 0 ? INFINITY : NAN)
                                     : std::ldexp(1024 + mantissa, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

/// `rows` x `heads` x `channels` f16 numbers from a normal distribution; of each 32 channels one is `outlier` times as large, as in
/// the keys of real models.
inline std::vector<uint16_t> randomHalves(int64_t rows, int64_t heads, int64_t channels, float outlier, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<uint16_t> values;
  values.reserve(static_cast<size_t>(rows * heads * channels));
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t head = 0; head < heads; ++head)
      for (int64_t channel = 0; channel < channels; ++channel)
        values.push_back(toHalf(normal(random) * (channel % 32 == (7 * head + 3) % 32 ? outlier : 1.0f)));
  return values;
}

/// Ends the program with the runtime's own words when a call failed.
inline void require(kv_status status, const char *what) {
  if (status == KV_OK)
    return;
  std::fprintf(stderr, "%s: %s\n", what, kv_last_error());
  std::exit(1);
}

inline double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

inline double relativeError(double squaredError, double squaredNorm) {
  return squaredNorm > 0 ? std::sqrt(squaredError / squaredNorm) : std::sqrt(squaredError);
}

/// Bytes a second at which `executor`'s threads read `memory` from end to end: the best of `passes`.
double readBandwidth(const void *memory, size_t bytes, const kv_executor &executor, int passes);

} // namespace example

#endif
