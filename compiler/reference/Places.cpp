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

} // namespace kv
