// Level 0 as the frontend emits it.
#include "Helpers.h"

#include "gtest/gtest.h"

namespace {

/// Expects that `text` holds the parts in this order.
void expectInOrder(const std::string &text, std::initializer_list<const char *> parts) {
  size_t at = 0;
  for (const char *part : parts) {
    size_t found = text.find(part, at);
    ASSERT_NE(found, std::string::npos) << "missing: " << part << "\n" << text;
    at = found + std::string(part).size();
  }
}

std::string emitScore(const std::string &score) {
  return Checked(std::string(plainCache) + "attend a(q: f16[1..8], b: f32[Hq]) on c -> (o: f16) { score b[h] + (" + score + ") }\n")
      .emitted();
}

TEST(Emit, OneAppendAndTwoFunctionsAnAttend) {
  std::string text =
      Checked("cache c(Hq = 8, Hkv = 4, D = 64, Dv = 32) {\n  k: i8 group(d:*)\n  v: u4 group(d:16)\n"
              "  layout paged(16) k [h, t/16, d/4, t%16, d%4], v [h, t, d]\n}\n"
              "attend a(q: f16[1..8], b: f32[Hq]) on c -> (o: bf16, lse: f32) {\n  mask true\n  scale 0.5\n  score s * b[h]\n}\n")
          .emitted();
  expectInOrder(
      text,
      {"func.func @c_append(%arg0: !kv.cache<name = \"c\", heads = 4, keyDim = 64, valueDim = 32, key = <i8, group = 64, sym, "
       "scale = f32>, value = <u4, group = 16, asym, scale = f16>, layout = <paged 16, key = \"[h, t/16, d/4, t%16, d%4]\", "
       "value = \"[h, t, d]\">>",
       "%arg1: tensor<?x4x64xf16>", "%arg2: tensor<?x4x32xf16>", "kv.append %arg1, %arg2 to %arg0", "return", "func.func @c_a(",
       "tensor<?x8x64xf16>", "tensor<8xf32>", "(tensor<?x8x32xbf16>, tensor<?x8xf32>)",
       "kv.attend %arg1 on %arg0 scale(5.000000e-01) accuracy(", "fast) queries(1, 8) score {", "tensor.extract %arg2[",
       "arith.mulf", "kv.yield", "func.func @c_append_a(", "kv.append %arg2, %arg3 to %arg0", "kv.attend %arg1 on %arg0",
       "tensor.extract %arg4["});
}

TEST(Emit, NoRegionWhenTheScoreIsS) {
  std::string attend = "attend a(q: f16[1..8]) on c -> (o: f16)";
  EXPECT_EQ(Checked(plainCache + attend).emitted().find("score {"), std::string::npos);
  EXPECT_EQ(Checked(plainCache + attend + " { score s }").emitted().find("score {"), std::string::npos);
}

TEST(Emit, DefaultScale) {
  expectInOrder(Checked(std::string(plainCache) + "attend a(q: f16[1..8]) on c -> (o: f16)").emitted(), {"scale(1.250000e-01)"});
}

TEST(Emit, LocationsPointIntoTheFile) {
  std::string text = Checked(std::string(plainCache) + "attend a(q: f16[1..8]) on c -> (o: f16) {\n  score tanh(s)\n}\n").emitted();
  expectInOrder(text, {"math.tanh", "loc("});
  for (const char *place : {"\"test.kv\":1:7", "\"test.kv\":5:8", "\"test.kv\":6:9"})
    EXPECT_NE(text.find(place), std::string::npos) << place << "\n" << text;
}

TEST(Emit, IntegersStayIntegersUntilTheyMeetANumber) {
  expectInOrder(emitScore("s * (j - i)"), {"arith.subi", "arith.sitofp", "arith.mulf"});
  expectInOrder(emitScore("(j - i) / 2"), {"arith.subi", "arith.sitofp", "arith.constant 2.000000e+00 : f32", "arith.divf"});
  expectInOrder(emitScore("h + 1"), {"arith.index_cast", "arith.constant 1 : i32", "arith.addi", "arith.sitofp"});
}

TEST(Emit, ConstantsAreFoldedInFloat64) {
  expectInOrder(emitScore("s * (192 ** -0.5)"), {"arith.constant 0.0721687824 : f32", "arith.mulf"});
  expectInOrder(emitScore("s * (1 / 2)"), {"arith.constant 5.000000e-01 : f32", "arith.mulf"});
}

TEST(Emit, Powers) {
  EXPECT_EQ(emitScore("s ** 2").find("powf"), std::string::npos);
  expectInOrder(emitScore("s ** -2"), {"arith.mulf", "arith.constant 1.000000e+00 : f32", "arith.divf"});
  expectInOrder(emitScore("s ** 0.5"), {"math.powf"});
  expectInOrder(emitScore("2 ** j"), {"arith.sitofp", "math.powf"});
}

TEST(Emit, FunctionsAndConditions) {
  expectInOrder(emitScore("select(i - j < 4 && !(s > 0), sigmoid(s), max(s, 0))"),
                {"arith.cmpi slt", "arith.cmpf ogt", "arith.xori", "arith.andi", "arith.negf", "math.exp", "arith.addf",
                 "arith.divf", "arith.maximumf", "arith.select"});
  expectInOrder(emitScore("abs(j - i)"), {"arith.subi", "arith.maxsi"});
  expectInOrder(emitScore("abs(s) + log(s)"), {"math.absf", "math.log"});
}

TEST(Emit, SchedulesAreADictionary) {
  std::string text = Checked(std::string(plainCache) + "attend a(q: f16[1..8]) on c -> (o: f16)\n"
                                                       "schedule a for x86-64-v4 { block 64; dot vpdpbusd }\n"
                                                       "schedule a for generic { unroll 2 }\n")
                         .emitted();
  expectInOrder(text, {"schedules = {generic = {unroll = 2 : i64}, \"x86-64-v4\" = {block = 64 : i64, dot = \"vpdpbusd\"}}"});
}

TEST(Emit, AppendTakesTheQueriesType) {
  expectInOrder(Checked(std::string(plainCache) + "attend a(q: bf16[1..8]) on c -> (o: f16)").emitted(),
                {"@c_append", "tensor<?x4x64xbf16>"});
  expectInOrder(Checked(plainCache).emitted(), {"@c_append", "tensor<?x4x64xf32>"});
}

} // namespace
