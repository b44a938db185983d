// What kernels take for granted of where elements lie, for random orders, against counting: a load brings the elements that it
// says, strides hold wherever they are used, blocks lie on pages as fitBlocks says.
#include "compiler/schedule/ChooseLoad.h"
#include "tests/unit/RandomCache.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>

using namespace kv;

namespace {

/// One stream of a cache, with coordinates x along lanes and z along the contraction, of head `h`.
struct Plane {
  Plane(CacheType cache, Stream stream)
      : map(mapPage(cache)), isKey(stream == Stream::key), region(map.codes(stream)), bits(region.bits),
        xs(isKey ? map.slots : cache.getValueDim()), zs(isKey ? cache.getKeyDim() : map.slots), h(cache.getHeads() - 1) {}

  PageMap map;
  bool isKey;
  const Region &region;
  int64_t bits, xs, zs, h;

  int64_t bit(int64_t x, int64_t z) const { return (isKey ? region.element(h, x, z) : region.element(h, z, x)) * bits; }
};

/// Every load of `lanes` lanes and load.getPack() elements brings what lies there.
void checkLoad(const Plane &plane, LoadAttr load, int64_t lanes, int64_t alignment) {
  ASSERT_EQ(load.getLaneBits(), load.getPack() * plane.bits);
  ASSERT_EQ(alignment % load.getPack(), 0) << "a load of " << load.getPack() << " crosses the end of a range";
  bool together = load.getKind() <= LoadKind::halves;
  for (int64_t z = 0; z < plane.zs; z += load.getPack())
    for (int64_t x = 0; x < plane.xs; x += lanes) {
      ASSERT_TRUE(!together || plane.bit(x, z) % 8 == 0);
      for (int64_t lane = 0; lane < lanes && x + lane < plane.xs; ++lane) {
        int64_t start = together ? plane.bit(x, z) + lane * load.getLaneBits() : plane.bit(x + lane, z);
        ASSERT_TRUE(load.getKind() != LoadKind::rows || start % 8 == 0);
        for (int64_t e = 0; e < load.getPack() && z + e < plane.zs; ++e)
          ASSERT_EQ(plane.bit(x + lane, z + e), start + load.getElementBits()[e])
              << "lane " << lane << " of " << x << ", element " << e << " of " << z;
      }
    }
}

TEST(ChooseLoad, BringsTheElementsThatItSays) {
  std::set<std::pair<LoadKind, int64_t>> seen; // kind, pack
  forRandomCaches(1500, [&](CacheType cache) {
    for (Stream stream : {Stream::key, Stream::value})
      for (int64_t lanes : {1, 2, 4, 8, 16}) {
        if (stream == Stream::value && cache.getValueDim() % lanes)
          continue;
        SCOPED_TRACE(fmt::format("{} in {} lanes", stream == Stream::key ? "keys" : "values", lanes));
        LoadAttr load = productLoad(cache, stream, lanes);
        int64_t group = cache.getKey().isInteger() ? cache.getKey().getGroup() : cache.getKeyDim();
        checkLoad(Plane(cache, stream), load, lanes, stream == Stream::key ? group : 16);
        if (testing::Test::HasFatalFailure())
          return;
        seen.insert({load.getKind(), load.getPack()});
      }
  });
  for (int64_t pack : {1, 2, 4, 8})
    EXPECT_TRUE(seen.count({LoadKind::vector, pack})) << "no vector of " << pack;
  for (int64_t pack : {2, 4, 8})
    EXPECT_TRUE(seen.count({LoadKind::rows, pack})) << "no rows of " << pack;
  EXPECT_TRUE(seen.count({LoadKind::halves, 1}));
  EXPECT_TRUE(seen.count({LoadKind::single, 1}));
}

/// Elements from z to z + step, for every z that is a multiple of `step` in one run of `run` with it.
std::set<int64_t> countedStrides(const Region &region, char z, int64_t whole, int64_t step, int64_t run) {
  std::set<int64_t> strides;
  auto at = [&](int64_t c) { return z == 't' ? region.element(0, c, 0) : region.element(0, 0, c); };
  for (int64_t c = 0; c + step < whole; c += step)
    if (c / run == (c + step) / run)
      strides.insert(at(c + step) - at(c));
  return strides;
}

TEST(LinearStride, HoldsWhereverItIsUsed) {
  int64_t found = 0, missed = 0, none = 0;
  forRandomCaches(1500, [&](CacheType cache) {
    PageMap map = mapPage(cache);
    for (Stream stream : allStreams)
      for (char z : {'t', 'd'})
        for (int64_t step : {1, 2, 4, 8, 16})
          for (int64_t run : {16, 32, 64}) {
            int64_t whole = z == 't' ? map.slots : cache.getDim(stream);
            if (z == 'd')
              run = whole;
            if (run % step || (z == 't' && map.tile && map.tile < map.slots && map.tile % run))
              continue; // runs lie inside tiles
            int64_t stride = linearStride(map.codes(stream), z, step, run);
            std::set<int64_t> counted = countedStrides(map.codes(stream), z, whole, step, run);
            SCOPED_TRACE(fmt::format("{} of {}, step {}, run {}", z, map.codes(stream).title(), step, run));
            if (counted.empty())
              continue;
            ASSERT_TRUE(!stride || counted == std::set{stride})
                << "claimed " << stride << ", counted " << fmt::format("{}", fmt::join(counted, ", "));
            ++(stride ? found : counted.size() == 1 ? missed : none);
          }
  });
  EXPECT_GT(found, 20000);
  EXPECT_GT(none, 1000);
  EXPECT_LT(missed, found / 20) << "strides that hold are refused";
}

/// Elements that one load of a vector of rows takes from each row: `lanes` words, one after another.
void checkWholeRows(const Plane &plane, LoadAttr load, int64_t lanes, int64_t length) {
  ASSERT_EQ(load.getLaneBits(), 32);
  for (int64_t x = 0; x < plane.xs; ++x)
    for (int64_t begin = 0; begin < plane.zs; begin += length) // a product's range
      for (int64_t z = begin; z < begin + length; z += lanes * load.getPack()) {
        ASSERT_LE(z + lanes * load.getPack(), begin + length);
        for (int64_t word = 0; word < lanes; ++word)
          ASSERT_EQ(plane.bit(x, z + word * load.getPack()), plane.bit(x, z) + 32 * word) << "token " << x << ", channel " << z;
      }
}

TEST(ChooseLoad, TransposesOnlyWhereWordsLieOneAfterAnother) {
  int64_t rows = 0;
  forRandomCaches(1500, [&](CacheType cache) {
    int64_t length = cache.getKey().isInteger() ? cache.getKey().getGroup() : cache.getKeyDim();
    for (int64_t lanes : {1, 2, 4, 8, 16})
      if (LoadAttr load = productLoad(cache, Stream::key, lanes); load.getKind() == LoadKind::transposed) {
        checkWholeRows(Plane(cache, Stream::key), load, lanes, length);
        ++rows;
      }
  });
  EXPECT_GT(rows, 50);
}

TEST(FitBlocks, SaysHowBlocksLieOnPages) {
  OrderAttr none = OrderAttr::get(&context(), {});
  CodecAttr codec = CodecAttr::get(&context(), Element::f16, 0, ZeroPoint::sym, Element::f32);
  auto fit = [&](LayoutKind kind, int64_t page, int64_t block) {
    auto layout = LayoutAttr::get(&context(), kind, page, 0, none, none);
    return fitBlocks(CacheType::get(&context(), mlir::StringAttr::get(&context(), "c"), 1, 8, 8, codec, codec, layout), block);
  };
  for (int64_t page = 1; page <= 300; ++page)
    for (int64_t block = 16; block <= 256; block += 16) {
      // Blocks one after another over so many pages that the picture repeats.
      bool inOnePage = true, wholePages = true;
      for (int64_t token = 0; token < std::lcm(page, block); token += block) {
        inOnePage &= token / page == (token + block - 1) / page;
        wholePages &= token % page == 0 && (token + block) % page == 0;
      }
      BlockFit want = inOnePage ? BlockFit::even : wholePages && page % 16 == 0 ? BlockFit::whole : BlockFit::cut;
      EXPECT_EQ(fit(LayoutKind::paged, page, block), want) << "page " << page << ", block " << block;
      // A sequence has no second page: nothing of a block lies on one.
      EXPECT_EQ(fit(LayoutKind::dense, page, block), BlockFit::even) << "page " << page << ", block " << block;
    }
}

TEST(TokensInTile, NoRunCrossesATile) {
  for (int64_t tile : {16, 32, 48, 64, 96, 112})
    for (int64_t slots : {16, 20, 48, 64, 96, 128, 336})
      for (int64_t tokens : {16, 32, 48, 64, 128}) {
        PageMap map;
        map.slots = slots;
        map.tile = tile;
        int64_t run = tokensInTile(map, tokens);
        ASSERT_EQ(tokens % run, 0);
        for (int64_t first = 0; first + run <= slots; first += run)
          EXPECT_EQ(first / tile, (first + run - 1) / tile) << "tile " << tile << ", block " << tokens << ", run " << run;
      }
}

} // namespace
