// Where the elements of a region lie in a page, and what is stored there.
#ifndef KV_REFERENCE_PLACES_H
#define KV_REFERENCE_PLACES_H

#include "dialect/Storage.h"
#include "llvm/Support/Endian.h"

#include <vector>

namespace kv {

/// Element `index` of `bits` bits, 4, 8, 16 or 32, little endian whatever the host is. To store one of 4 leaves the other nibble.
inline uint32_t loadElement(const uint8_t *base, int64_t index, int64_t bits) {
  const uint8_t *first = base + index * bits / 8;
  switch (bits) {
  case 4:
    return *first >> (index % 2 * 4) & 15;
  case 8:
    return *first;
  case 16:
    return llvm::support::endian::read16le(first);
  default:
    return llvm::support::endian::read32le(first);
  }
}
inline void storeElement(uint8_t *base, int64_t index, int64_t bits, uint32_t stored) {
  uint8_t *first = base + index * bits / 8;
  const int64_t shift = index % 2 * 4;
  switch (bits) {
  case 4:
    *first = uint8_t((*first & ~(15u << shift)) | (stored & 15) << shift);
    return;
  case 8:
    *first = uint8_t(stored);
    return;
  case 16:
    return llvm::support::endian::write16le(first, uint16_t(stored));
  default:
    return llvm::support::endian::write32le(first, stored);
  }
}

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
  /// The first channel from `d` on that does not hold what is wanted of it; as many as there are when all do.
  int64_t findOther(const uint8_t *page, int64_t h, int64_t t, int64_t d, llvm::ArrayRef<uint32_t> wanted) const;
  void store(uint8_t *page, int64_t h, int64_t t, int64_t d, uint32_t stored) const {
    storeElement(page + offset, element(h, t, d), bits, stored);
  }
};

} // namespace kv

#endif
