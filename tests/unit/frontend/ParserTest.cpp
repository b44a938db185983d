// Grammar, recovery, overrides, schedule files, and how errors print. Wrong files by kind are in CorpusTest.
#include "Helpers.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

namespace {

std::string cacheWith(const std::string &parameters, const std::string &codec, const std::string &layout) {
  return "cache c(" + parameters + ") { k, v: " + codec + "  layout " + layout + " }\n";
}

TEST(Parser, ClausesShareALine) {
  EXPECT_EQ(Checked(cacheWith("Hq = 8, Hkv = 4, D = 64", "i8", "paged(16) keep all")).errors(), "");
}

TEST(Parser, TheLanguageExample) {
  Checked checked("cache llama3(Hq = 32, Hkv = 8, D = 128) {\n"
                  "  k, v: i8 group(d:*)                  // one scale for each token and kv head\n"
                  "  layout paged(16) [h, t, d]\n"
                  "  keep   all\n"
                  "}\n"
                  "attend decode(q: f16[1..8]) on llama3 -> (o: f16, lse: f32) {\n"
                  "  mask j <= i\n"
                  "}\n");
  ASSERT_EQ(checked.errors(), "");
  EXPECT_EQ(checked.file->caches[0].key.group, 128);
  EXPECT_EQ(checked.file->caches[0].keyOrder.size(), 3u);
  EXPECT_TRUE(checked.file->attends[0].hasLse());
}

TEST(Parser, ParametersAreExpressionsOverEarlierOnes) {
  Checked checked(cacheWith("Hkv = 2 + 2, Hq = Hkv * 2 ** 3, D = 64*2, Dv = D / 2", "f16", "paged(max(Hkv, 16))"));
  ASSERT_EQ(checked.errors(), "");
  EXPECT_EQ(checked.file->caches[0].queryHeads, 32);
  EXPECT_EQ(checked.file->caches[0].keyDim, 128);
  EXPECT_EQ(checked.file->caches[0].valueDim, 64);
}

TEST(Parser, OverridesReplaceDefaultsAndWhatFollowsFromThem) {
  kv::ParseOptions options;
  options.params = {{"D", 256}, {"Dv", 64}};
  Checked checked(cacheWith("Hq = 8, Hkv = 4, D = 128", "i8 group(d:D/8)", "paged(16)"), options);
  ASSERT_EQ(checked.errors(), "");
  EXPECT_EQ(checked.file->caches[0].key.group, 32);
  EXPECT_EQ(checked.file->caches[0].valueDim, 64);
}

TEST(Parser, LevelMapsNest) {
  Checked checked(cacheWith("Hq = 8, Hkv = 4, D = 64", "i4", "paged(16) k [h, t/16, d/8, t%16, d%4, d/4%2], v [h, t/4, d, t%4]"));
  ASSERT_EQ(checked.errors(), "");
  EXPECT_EQ(checked.file->caches[0].keyOrder.back(), (kv::Digit{'d', 4, 2}));
}

TEST(Parser, DefaultsOfCodecs) {
  Checked checked("cache c(Hq = 8, Hkv = 4, D = 64) { k: u8  v: i4  layout dense(64) }");
  ASSERT_EQ(checked.errors(), "");
  const kv::CheckedCache &cache = checked.file->caches[0];
  EXPECT_EQ(cache.key.group, 64);
  EXPECT_EQ(cache.key.zero, kv::ZeroPoint::asym);
  EXPECT_EQ(cache.key.scale, kv::Element::f32);
  EXPECT_EQ(cache.value.group, 32);
  EXPECT_EQ(cache.value.zero, kv::ZeroPoint::sym);
  EXPECT_EQ(cache.value.scale, kv::Element::f16);
}

TEST(Parser, AccuracyIsFastAtFourBits) {
  std::string attend = "attend a(q: f32[1..1]) on c -> (o: f32)\n";
  EXPECT_EQ(Checked(cacheWith("Hq = 8, Hkv = 4, D = 64", "i4", "paged(16)") + attend).file->attends[0].accuracy,
            kv::Accuracy::fast);
  EXPECT_EQ(Checked(plainCache + attend).file->attends[0].accuracy, kv::Accuracy::high);
}

TEST(Parser, AScheduleFileReplacesASchedule) {
  std::string text = std::string(plainCache) + "attend a(q: f32[1..1]) on c -> (o: f32)\nschedule a for generic { block 64 }\n";
  Checked checked(text, {}, "schedule a for generic { block 32 }\nschedule a for x86-64-v4 { split 256 }\n");
  ASSERT_EQ(checked.errors(), "");
  ASSERT_EQ(checked.file->attends[0].schedules.size(), 2u);
  EXPECT_EQ(checked.file->attends[0].schedules[0].entries[0].value, 32);
}

TEST(Parser, ErrorsHaveACaretANoteAndAHelp) {
  Checked checked("cache c(Hq = 8, Hkv = 4, D = 64) {\n\tk, v: i4\n\tlayout paged(15) [h, d, t]\n}\n");
  EXPECT_EQ(
      checked.errors(),
      "test.kv:3:26: error: the fastest digit of keys has 15 elements; rows of 4-bit codes fill whole bytes, so it must be even\n"
      "    3 | \tlayout paged(15) [h, d, t]\n"
      "      | \t                        ^\n"
      "test.kv:2:8: note: `i4` set here\n"
      "test.kv:3:26: help: use `paged(16)`\n");
}

TEST(Parser, ErrorsAsJson) {
  Checked checked("cache c(Hq = 8, Hkv = 4, D = 64) {\n  k, v: i4\n  layout paged(15) [h, d, t]\n}\n");
  std::string text;
  llvm::raw_string_ostream os(text);
  checked.diagnostics.printJson(os);
  auto json = llvm::json::parse(text);
  ASSERT_TRUE(bool(json)) << text;
  const llvm::json::Object &error = *(*json->getAsArray())[0].getAsObject();
  EXPECT_EQ(*error.getString("kind"), "odd_nibbles");
  EXPECT_EQ(*error.getString("file"), "test.kv");
  EXPECT_EQ(*error.getInteger("line"), 3);
  EXPECT_EQ(*error.getInteger("column"), 27);
  EXPECT_EQ(*error.getString("help"), "use `paged(16)`");
  EXPECT_EQ(*(*error.getArray("notes"))[0].getAsObject()->getInteger("line"), 2);
}

TEST(Parser, AtMostTwentyErrors) {
  std::string text = "cache c(Hq = 8, Hkv = 4, D = 64) {\n";
  for (int i = 0; i < 30; ++i)
    text += "  wrong\n";
  Checked checked(text + "}\n");
  EXPECT_EQ(checked.diagnostics.errorCount(), 20u);
  EXPECT_NE(checked.errors().find("stopped after 20 errors\n"), std::string::npos);
}

TEST(Parser, GoesOnAfterErrors) {
  Checked checked("cache c(Hq = 8 Hkv = 4) {\n  k: f17\n  layout paged(\n  keep most\n}\nattend a(q: f16[1..8] on c -> (o: f16) {\n"
                  "  mask j <\n  accuracy low\n}\n");
  EXPECT_EQ(checked.diagnostics.errorCount(), 7u) << checked.errors();
}

TEST(Parser, NothingHangsOrCrashes) {
  const char *const texts[] = {"",
                               "{",
                               "}",
                               "cache",
                               "cache c",
                               "cache c(",
                               "cache c()",
                               "cache c() {",
                               "cache c() { k",
                               "attend",
                               "attend a(q",
                               "schedule",
                               "schedule a for",
                               "schedule a for x {",
                               "cache c() { layout paged(1) [",
                               "cache c() { k:",
                               "schedule s for ;",
                               "cache c(D = ((((",
                               "attend a(q: f16[1..",
                               "\xff\xfe",
                               "cache c() { k, v { ;",
                               "\xef\xbb\xbf"};
  for (const char *text : texts)
    EXPECT_TRUE(Checked(text).diagnostics.hasErrors()) << text;
}

TEST(Parser, LongChainsAreBounded) {
  std::string chain = "1";
  for (int i = 0; i < 100000; ++i)
    chain += "+1";
  Checked checked(cacheWith("Hq = 8, Hkv = 4, D = " + chain, "f16", "paged(16)"));
  EXPECT_NE(checked.errors().find("nests deeper than 200 levels"), std::string::npos);
}

TEST(Parser, ByteOrderMarkAndCarriageReturns) {
  EXPECT_EQ(Checked("\xef\xbb\xbf"
                    "cache c(Hq = 8, Hkv = 4, D = 64) {\r\n  k, v: f16\r\n  layout paged(16)\r\n}\r\n")
                .errors(),
            "");
}

} // namespace
