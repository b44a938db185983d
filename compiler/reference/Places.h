// Where the elements of a region lie in a page, and what is stored there.
#ifndef KV_REFERENCE_PLACES_H
#define KV_REFERENCE_PLACES_H

#include "dialect/Storage.h"

#include <vector>

namespace kv {

/// Element `index` of `bits` bits, 4, 8, 16 or 32, little endian whatever the host is. To store one of 4 leaves the other nibble.
uint32_t loadElement(const uint8_t *base, int64_t index, int64_t bits);
void storeElement(uint8_t *base, int64_t index, int64_t bits, uint32_t stored);

/// An element's index is a sum of what head, slot and channel contribute; channels of scales and zeros are groups.
struct Places {
  int64_t offset = 0, bits = 0;
  std::vector<int64_t> head, slot, channel;

  Places() = default;
  Places(const Region &region, int64_t heads, int64_t slots, int64_t channels);

  int64_t element(int64_t h, int64_t t, int64_t d) const { return head[size_t(h)] + slot[size_t(t)] + channel[size_t(d)]; }
  int64_t byte(int64_t h, int64_t t, int64_t d) const { return offset + element(h, t, d) * bits / 8; }
  uint32_t load(const uint8_t *page, int64_t h, int64_t t, int64_t d) const {
    return loadElement(page + offset, element(h, t, d), bits);
  }
  void store(uint8_t *page, int64_t h, int64_t t, int64_t d, uint32_t stored) const {
    storeElement(page + offset, element(h, t, d), bits, stored);
  }
};

} // namespace kv

#endif
