#include "compiler/reference/Places.h"

namespace kv {

Places::Places(const Region &region, int64_t heads, int64_t slots, int64_t channels) : offset(region.offset), bits(region.bits) {
  for (int64_t h = 0; h < heads; ++h)
    head.push_back(region.element(h, 0, 0));
  for (int64_t t = 0; t < slots; ++t)
    slot.push_back(region.element(0, t, 0));
  for (int64_t d = 0; d < channels; ++d)
    channel.push_back(region.element(0, 0, d));
}

uint32_t loadElement(const uint8_t *base, int64_t index, int64_t bits) {
  const uint8_t *first = base + index * bits / 8;
  if (bits == 4)
    return *first >> (index % 2 * 4) & 15;
  uint32_t stored = 0;
  for (int64_t i = 0; i < bits / 8; ++i)
    stored |= uint32_t(first[i]) << (8 * i);
  return stored;
}

void storeElement(uint8_t *base, int64_t index, int64_t bits, uint32_t stored) {
  uint8_t *first = base + index * bits / 8;
  if (bits == 4) {
    const int64_t shift = index % 2 * 4;
    *first = uint8_t((*first & ~(15u << shift)) | (stored & 15) << shift);
    return;
  }
  for (int64_t i = 0; i < bits / 8; ++i)
    first[i] = uint8_t(stored >> (8 * i));
}

} // namespace kv
