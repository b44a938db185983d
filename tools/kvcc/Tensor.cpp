#include "tools/kvcc/Tensor.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

namespace kv {

int64_t typeBytes(kv_type type) { return type == KV_TYPE_F32 ? 4 : 2; }

static uint16_t toBf16(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static uint16_t toF16(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  float magnitude = std::fabs(value);
  if (std::isnan(value))
    return sign | 0x7e00;
  if (magnitude >= 65520.0f)
    return sign | 0x7c00;
  if (magnitude < 0x1p-14f) // subnormal: a multiple of 2^-24, rounded by the addition
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(magnitude + 0.5f) - std::bit_cast<uint32_t>(0.5f)));
  uint32_t rounded = (bits & 0x7fffffff) + 0xfff + (bits >> 13 & 1);
  return static_cast<uint16_t>(sign | ((rounded - (112u << 23)) >> 13));
}

std::vector<uint8_t> toBytes(const std::vector<float> &values, kv_type type) {
  std::vector<uint8_t> bytes(values.size() * static_cast<size_t>(typeBytes(type)));
  if (type == KV_TYPE_F32) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t half = type == KV_TYPE_F16 ? toF16(values[i]) : toBf16(values[i]);
    std::memcpy(bytes.data() + 2 * i, &half, 2);
  }
  return bytes;
}

std::vector<float> randomRows(int64_t rows, int64_t heads, int64_t channels, float outlier, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(rows * heads * channels));
  size_t at = 0;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t head = 0; head < heads; ++head)
      for (int64_t channel = 0; channel < channels; ++channel)
        values[at++] = normal(random) * (channel % 32 == (7 * head + 3) % 32 ? outlier : 1.0f);
  return values;
}

} // namespace kv
