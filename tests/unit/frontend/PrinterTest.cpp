// The printer: every default spelled out; print, parse, print is a fixpoint.
#include "Helpers.h"

#include "gtest/gtest.h"

namespace {

/// Prints, checks that printing again gives the same, and returns the text.
std::string fixpoint(llvm::StringRef text, const kv::ParseOptions &options = {}) {
  std::string once = Checked(text, options).printed();
  EXPECT_EQ(Checked(once).printed(), once);
  return once;
}

std::string scoreOf(const std::string &score) {
  std::string text =
      fixpoint(std::string(plainCache) + "attend a(q: f32[1..1], b: f32[Hq]) on c -> (o: f32) { score b[h] + (" + score + ") }\n");
  size_t begin = text.find("b[h] + ");
  return begin == std::string::npos ? text : text.substr(begin + 7, text.find('\n', begin) - begin - 7);
}

TEST(Printer, SpellsEveryDefault) {
  EXPECT_EQ(fixpoint("cache c(Hq = 8, Hkv = 4, D = 64) { k, v: i8  layout paged(16) }\n"
                     "attend a(q: f16[1..8]) on c -> (o: f16)\n"),
            "cache c(Hq = 8, Hkv = 4, D = 64, Dv = D) {\n"
            "  k, v: i8 group(d:*) sym scale f32\n"
            "  layout paged(16) auto\n"
            "  keep all\n"
            "}\n"
            "\n"
            "attend a(q: f16[1..8]) on c -> (o: f16) {\n"
            "  mask j <= i\n"
            "  scale D ** -0.5\n"
            "  score s\n"
            "  accuracy high\n"
            "}\n");
}

TEST(Printer, KeepsWhatIsWritten) {
  const char *text = "cache c(Hq = 2 * 4, Hkv = 4, D = 64, Dv = D / 2, P = 16) {\n"
                     "  k: i4 group(d:32) sym scale f16\n"
                     "  v: u4 group(d:Dv / 2) asym scale f32\n"
                     "  layout paged(P) k [h, t/P, d/8, t%P, d%4, d/4%2], v auto\n"
                     "  keep all\n"
                     "}\n"
                     "\n"
                     "attend a(q: bf16[1..P], b: f32[Hq]) on c -> (o: f32, lse: f32) {\n"
                     "  mask true\n"
                     "  scale 192 ** -0.5\n"
                     "  score b[h] * s\n"
                     "  accuracy exact\n"
                     "}\n"
                     "\n"
                     "schedule a for x86-64-v4+vnni { block 64; split 256; unroll 4; dot vpdpbusd; prefetch 0; heads 1 }\n";
  EXPECT_EQ(fixpoint(text), text);
}

TEST(Printer, ExactlySoManyQueries) {
  std::string text = fixpoint(std::string(plainCache) + "attend a(q: f16[4]) on c -> (o: f16)");
  EXPECT_NE(text.find("q: f16[4..4]"), std::string::npos) << text;
}

TEST(Printer, OverridesPrintTheirValue) {
  kv::ParseOptions options;
  options.params = {{"D", 128}, {"Dv", 32}};
  std::string text = fixpoint("cache c(Hq = 8, Hkv = 4, D = 64) { k, v: i4 group(d:D/4)  layout dense(64) }", options);
  EXPECT_NE(text.find("(Hq = 8, Hkv = 4, D = 128, Dv = 32)"), std::string::npos) << text;
  EXPECT_NE(text.find("group(d:D / 4)"), std::string::npos) << text;
}

TEST(Printer, FewestParentheses) {
  EXPECT_EQ(scoreOf("((s)) + (1 + 2)"), "(s + (1 + 2))");
  EXPECT_EQ(scoreOf("s * ((j - i) * 2)"), "s * ((j - i) * 2)");
  EXPECT_EQ(scoreOf("(-s) ** 2 + -s ** 2"), "((-s) ** 2 + -s ** 2)");
  EXPECT_EQ(scoreOf("(s ** 2) ** 3 ** 2"), "(s ** 2) ** 3 ** 2");
  EXPECT_EQ(scoreOf("s / (2 / 3) / 4"), "s / (2 / 3) / 4");
  EXPECT_EQ(scoreOf("select(!(i < j) && (h == 1 || j >= 2), s, --s)"), "select(!(i < j) && (h == 1 || j >= 2), s, --s)");
  EXPECT_EQ(scoreOf("min(max(abs(s), exp(s)), log(tanh(sigmoid(s))))"), "min(max(abs(s), exp(s)), log(tanh(sigmoid(s))))");
}

TEST(Printer, OneScheduleOfTwoAttends) {
  std::string text = fixpoint("cache a(Hq = 8, Hkv = 4, D = 64) { k, v: f16  layout paged(16) }\n"
                              "cache b(Hq = 8, Hkv = 4, D = 64) { k, v: f16  layout paged(16) }\n"
                              "attend x(q: f16[1..8]) on a -> (o: f16)\nattend x(q: f16[1..8]) on b -> (o: f16)\n"
                              "schedule x for generic { block 64 }\n");
  EXPECT_EQ(text.find("schedule"), text.rfind("schedule"));
}

} // namespace
