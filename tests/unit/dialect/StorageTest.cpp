// Where elements lie, for random orders, against the words of compiler/frontend/language.md: each has one place, its own, and no
// two threads store into one byte.
#include "tests/unit/RandomCache.h"

#include <gtest/gtest.h>

using namespace kv;

namespace {

/// What the language says of an order: digits, slowest first, of a box whose outermost digits round up.
struct Order {
  std::vector<Digit> digits;
  int64_t heads, tokens, dim;

  int64_t whole(char coordinate) const { return coordinate == 'h' ? heads : coordinate == 't' ? tokens : dim; }
  int64_t extent(const Digit &digit) const {
    return digit.extent ? digit.extent : (whole(digit.coordinate) + digit.divisor - 1) / digit.divisor;
  }
  int64_t index(int64_t h, int64_t t, int64_t d) const {
    int64_t index = 0;
    for (const Digit &digit : digits) {
      int64_t coordinate = digit.coordinate == 'h' ? h : digit.coordinate == 't' ? t : d;
      index = index * extent(digit) + coordinate / digit.divisor % extent(digit);
    }
    return index;
  }
  int64_t count() const {
    int64_t count = 1;
    for (const Digit &digit : digits)
      count *= extent(digit);
    return count;
  }
};

/// Bit of the first element of kind `region` in a page, counted by hand: tiles lie in the order [t/T, h].
int64_t placeByHand(CacheType cache, const PageMap &map, const Region &region, const Order &order, int64_t h, int64_t t,
                    int64_t d) {
  int64_t tile = cache.getLayout().getTile();
  int64_t start = tile ? (t / tile * cache.getHeads() + h) * map.tileBytes : 0;
  return (start + region.offset) * 8 + (tile ? order.index(0, t % tile, d) : order.index(h, t, d)) * region.bits;
}

struct Kind {
  const Region *region;
  Order order;
};

/// All kinds of element that a page holds, in its order.
std::vector<Kind> kindsOf(CacheType cache, const PageMap &map) {
  LayoutAttr layout = cache.getLayout();
  int64_t tokens = layout.getTile() ? layout.getTile() : layout.getSlots();
  auto order = [&](llvm::ArrayRef<Digit> digits, int64_t dim) {
    return Order{{digits.begin(), digits.end()}, cache.getHeads(), tokens, dim};
  };
  std::vector<Digit> scales = {{'h', 1, 0}, {'t', 16, 0}, {'d', 1, 0}, {'t', 1, 16}};
  if (layout.getTile())
    scales.erase(scales.begin());
  std::vector<Kind> kinds = {{&map.codes(Stream::key), order(layout.getKey().getDigits(), cache.getKeyDim())},
                             {&map.codes(Stream::value), order(layout.getValue().getDigits(), cache.getValueDim())}};
  auto parameters = [&](Stream stream, RegionRole role) {
    if (const Region *region = map.find(stream, role))
      kinds.push_back({region, order(scales, cache.getDim(stream) / cache.getCodec(stream).getGroup())});
  };
  for (Stream stream : allStreams)
    for (RegionRole role : {RegionRole::scale, RegionRole::zero})
      parameters(stream, role);
  EXPECT_EQ(kinds.size(), map.regions.size());
  return kinds;
}

void countThrough(CacheType cache) {
  PageMap map = mapPage(cache);
  int64_t tile = cache.getLayout().getTile(), slots = cache.getLayout().getSlots(), tileEnd = 0;
  ASSERT_EQ(map.bytes % 64, 0);
  ASSERT_EQ(map.bytes, map.tileBytes * (tile ? (slots + tile - 1) / tile * cache.getHeads() : 1));
  std::vector<int32_t> owner(map.bytes * 2, -1); // of a nibble: the run of tokens and the head, which one thread stores
  for (const auto &[region, order] : kindsOf(cache, map)) {
    ASSERT_EQ(region->offset % 64, 0);
    ASSERT_GE(region->offset, tileEnd) << "regions overlap";
    tileEnd = region->offset + (order.count() * region->bits + 7) / 8;
    ASSERT_EQ(map.endInTile(*region), tileEnd);
    ASSERT_LE(tileEnd, map.tileBytes);
    for (int64_t h = 0; h < cache.getHeads(); ++h)
      for (int64_t t = 0; t < slots; ++t)
        for (int64_t d = 0; d < order.dim; ++d) {
          int64_t bit = placeByHand(cache, map, *region, order, h, t, d);
          ASSERT_EQ(region->offset * 8 + region->element(h, t, d) * region->bits, bit)
              << "head " << h << " token " << t << " at " << d;
          ASSERT_EQ(region->byte(h, t, d), bit / 8);
          int32_t thread = int32_t(t / storedRun * cache.getHeads() + h);
          for (int64_t nibble = bit / 4; nibble < (bit + region->bits) / 4; ++nibble) {
            ASSERT_EQ(owner[nibble], -1) << "two elements share the place of head " << h << " token " << t << " at " << d;
            owner[nibble] = thread;
          }
        }
  }
  for (int64_t byte = 0; byte < map.bytes; ++byte)
    if (owner[2 * byte] >= 0 && owner[2 * byte + 1] >= 0)
      ASSERT_EQ(owner[2 * byte], owner[2 * byte + 1]) << "two threads store into byte " << byte;
}

TEST(Storage, EveryElementHasAPlaceOfItsOwn) {
  int padded = 0;
  forRandomCaches(400, [&](CacheType cache) {
    countThrough(cache);
    for (const Axis &axis : mapPage(cache).codes(Stream::key).axes)
      padded += axis.modulus != 0;
  });
  EXPECT_GT(padded, 10) << "digits that pad their tile are hardly drawn";
}

TEST(Storage, AutoOrdersToo) {
  forRandomCaches(100, [](CacheType drawn) {
    OrderAttr none = OrderAttr::get(&context(), {});
    LayoutAttr layout = drawn.getLayout();
    CacheType cache = resolveAuto(CacheType::get(
        &context(), drawn.getName(), drawn.getHeads(), drawn.getKeyDim(), drawn.getValueDim(), drawn.getKey(), drawn.getValue(),
        LayoutAttr::get(&context(), layout.getKind(), layout.getSlots(), layout.getTile(), none, none)));
    SCOPED_TRACE(textOf(cache));
    countThrough(cache);
  });
}

} // namespace
