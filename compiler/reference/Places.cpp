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

/// A loop for each number of bits: a run of `kvcc verify` compares every element of every page many times.
template <int64_t bits>
static int64_t findOtherOf(const uint8_t *base, int64_t first, const int64_t *channel, int64_t d, llvm::ArrayRef<uint32_t> wanted) {
  while (d < int64_t(wanted.size()) && loadElement(base, first + channel[d], bits) == wanted[size_t(d)])
    ++d;
  return d;
}

int64_t Places::findOther(const uint8_t *page, int64_t h, int64_t t, int64_t d, llvm::ArrayRef<uint32_t> wanted) const {
  const auto find = bits == 4 ? findOtherOf<4> : bits == 8 ? findOtherOf<8> : bits == 16 ? findOtherOf<16> : findOtherOf<32>;
  return find(page + offset, head[size_t(h)] + slot[size_t(t)], channel.data(), d, wanted);
}

} // namespace kv
