// The layout hash: equal exactly when pages are interchangeable.
#include "compiler/driver/Source.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

using namespace kv;

namespace {

/// The specs of the caches in a text.
std::vector<CacheSpec> caches(const std::string &text, std::vector<std::pair<std::string, int64_t>> params = {}) {
  std::string path = testing::TempDir() + "layout-hash.kv";
  std::ofstream(path) << text;
  Source source({path, std::move(params), ""});
  EXPECT_TRUE(source.read(llvm::errs())) << text;
  return source.spec().caches;
}

TEST(LayoutHash, ForgetsNamesAndQueryHeads) {
  auto both = caches("cache a(Hq = 4, Hkv = 2, D = 16) { k, v: i8  layout paged(16) }\n"
                     "cache b(Hq = 8, Hkv = 2, D = 16) { k, v: i8  layout paged(16) }\n");
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].layoutHash, both[1].layoutHash);
}

TEST(LayoutHash, TellsApartWhateverMovesAByte) {
  auto all = caches("cache a(Hq = 4, Hkv = 2, D = 16) { k, v: i8  layout paged(16) }\n"
                    "cache b(Hq = 4, Hkv = 2, D = 16) { k, v: u8  layout paged(16) }\n"
                    "cache c(Hq = 4, Hkv = 2, D = 16) { k, v: i8 group(d:8)  layout paged(16) }\n"
                    "cache d(Hq = 4, Hkv = 2, D = 16) { k, v: i8 asym  layout paged(16) }\n"
                    "cache e(Hq = 4, Hkv = 2, D = 16) { k, v: i8 scale f16  layout paged(16) }\n"
                    "cache f(Hq = 4, Hkv = 2, D = 16) { k, v: i8  layout paged(32) }\n"
                    "cache g(Hq = 4, Hkv = 2, D = 16) { k, v: i8  layout dense(16) }\n"
                    "cache h(Hq = 4, Hkv = 2, D = 16) { k, v: i8  layout paged(16) [h, t, d] }\n"
                    "cache i(Hq = 4, Hkv = 2, D = 16) { k, v: i8  layout paged(16) [t, h, d] }\n"
                    "cache j(Hq = 4, Hkv = 4, D = 16) { k, v: i8  layout paged(16) }\n"
                    "cache k(Hq = 4, Hkv = 2, D = 24) { k, v: i8  layout paged(16) }\n"
                    "cache l(Hq = 4, Hkv = 2, D = 16, Dv = 24) { k, v: i8  layout paged(16) }\n");
  std::set<uint64_t> hashes;
  for (const CacheSpec &cache : all)
    hashes.insert(cache.layoutHash);
  EXPECT_EQ(hashes.size(), all.size());
}

TEST(LayoutHash, FollowsParameters) {
  const char *text = "cache a(Hq = 4, Hkv = 2, D = 16) { k, v: i8  layout paged(16) }\n";
  EXPECT_EQ(caches(text)[0].layoutHash, caches(text, {{"Hq", 6}})[0].layoutHash);
  EXPECT_NE(caches(text)[0].layoutHash, caches(text, {{"D", 32}})[0].layoutHash);
}

} // namespace
