// Level 0 in float64: against sums written out here, the laws, and the ops of score regions.
#include "tests/unit/reference/Support.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace kv;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

const char *mixedCache = R"(name = "c", heads = 2, keyDim = 16, valueDim = 8, key = #kv.codec<i8, group = 16, sym, scale = f32>,
  value = #kv.codec<u4, group = 8, asym, scale = f16>, layout = #kv.layout<paged 16, key = "[h, t, d]", value = "[h, t, d]">)";

/// One function `f` with an append, an attend, or both in turn or fused.
std::string moduleText(const std::string &body, const std::string &score, const std::string &mask) {
  std::string cache = std::string("!kv.cache<") + mixedCache + ">";
  std::string tail = " on %c scale(0.25) " + maskRegion(mask) + "accuracy(high) queries(1, 8) " + score;
  std::string kTypes = "tensor<?x2x16xf32>, tensor<?x2x8xf32>", results = " -> tensor<?x4x8xf32>, tensor<?x4xf32>";
  std::string text = "func.func @f(%c: " + cache + ", %q: tensor<?x4x16xf32>, %k: tensor<?x2x16xf32>, %v: tensor<?x2x8xf32>, " +
                     "%slope: tensor<4xf32>) -> (tensor<?x4x8xf32>, tensor<?x4xf32>) {\n";
  if (body == "both")
    text += "  kv.append %k, %v to %c : " + kTypes + ", " + cache + "\n";
  if (body == "fused")
    text += "  %o, %l = kv.append_attend %q, %k, %v" + tail + " : tensor<?x4x16xf32>, " + kTypes + ", " + cache + results + "\n";
  else
    text += "  %o, %l = kv.attend %q" + tail + " : tensor<?x4x16xf32>, " + cache + results + "\n";
  return text + "  return %o, %l : tensor<?x4x8xf32>, tensor<?x4xf32>\n}\n";
}

struct Inputs {
  int64_t tokens;
  std::vector<float> q, k, v;
  explicit Inputs(int64_t tokens, uint32_t seed = 7)
      : tokens(tokens), q(randomFloats(tokens * 64, seed)), k(randomFloats(tokens * 32, seed + 1)),
        v(randomFloats(tokens * 16, seed + 2)) {}
  std::vector<Tensor> arguments(std::vector<float> slope = {0.5f, 0.25f, 0.125f, 0.0625f}) const {
    return {tensorOf({tokens, 4, 16}, q), tensorOf({tokens, 2, 16}, k), tensorOf({tokens, 2, 8}, v), tensorOf({4}, slope)};
  }
};

std::vector<Tensor> run(const std::string &text, Reference &cache, const Inputs &inputs) {
  auto module = parseModule(text);
  EXPECT_TRUE(module);
  auto result = interpret(*module->getOps<mlir::func::FuncOp>().begin(), cache, inputs.arguments());
  if (!result) {
    ADD_FAILURE() << llvm::toString(result.takeError());
    return std::vector<Tensor>(2);
  }
  return *result;
}

/// The definition once more, one row, no blocking.
double expected(const Reference &cache, const Inputs &inputs, int64_t query, int64_t head, int64_t channel,
                bool (*sees)(int64_t i, int64_t j), double (*score)(double s, double i, double j, double slope),
                double *lse = nullptr) {
  double slopes[] = {0.5, 0.25, 0.125, 0.0625}, sum = 0, total = 0;
  int64_t i = cache.length() - inputs.tokens + query;
  for (int64_t j = 0; j < cache.length(); ++j) {
    if (!sees(i, j))
      continue;
    double s = 0;
    for (int64_t d = 0; d < 16; ++d)
      s += double(inputs.q[(query * 4 + head) * 16 + d]) * cache.key.decoded(j, head / 2)[d];
    double p = std::exp(score(s * 0.25, double(i), double(j), slopes[head]));
    sum += p;
    total += p * cache.value.decoded(j, head / 2)[channel];
  }
  if (lse)
    *lse = std::log(sum);
  return total / sum;
}

double plain(double s, double, double, double) { return s; }
bool causal(int64_t i, int64_t j) { return j <= i; }
bool all(int64_t, int64_t) { return true; }

void expectAgrees(const std::string &score, const std::string &mask, double (*function)(double, double, double, double),
                  bool (*sees)(int64_t, int64_t) = causal) {
  Reference cache(cacheType(mixedCache));
  Inputs before(37, 100), step(5);
  cache.append(before.tokens, before.k.data(), before.v.data());
  auto result = run(moduleText("both", score, mask), cache, step);
  ASSERT_EQ(cache.length(), 42);
  for (int64_t query : {0, 3, 4})
    for (int64_t head = 0; head < 4; ++head) {
      double lse = 0, want = expected(cache, step, query, head, 3, sees, function, &lse);
      EXPECT_NEAR(result[0].data[(query * 4 + head) * 8 + 3], want, 1e-12);
      EXPECT_NEAR(result[1].data[query * 4 + head], lse, 1e-12);
    }
}

} // namespace

TEST(Interpreter, CausalMask) { expectAgrees("", "causal", plain); }
TEST(Interpreter, NoMask) { expectAgrees("", "all", plain, all); }
TEST(Interpreter, WindowAfterFirstTokens) {
  expectAgrees("", R"(%distance = arith.subi %i, %j : i32  %eight = arith.constant 8 : i32  %three = arith.constant 3 : i32
    %near = arith.cmpi slt, %distance, %eight : i32  %past = arith.cmpi sle, %j, %i : i32  %early = arith.cmpi slt, %j, %three : i32
    %kept = arith.ori %near, %early : i1  %seen = arith.andi %kept, %past : i1)",
               plain, [](int64_t i, int64_t j) { return j <= i && (i - j < 8 || j < 3); });
}

TEST(Interpreter, WhatIsNotSeenMayBeAnything) {
  Reference cache(cacheType(mixedCache));
  Inputs step(40);
  std::fill_n(step.k.begin(), 32 * 32, std::numeric_limits<float>::quiet_NaN()); // of 32 tokens
  std::fill_n(step.v.begin(), 32 * 16, std::numeric_limits<float>::infinity());
  auto result = run(moduleText("both", "", R"(%distance = arith.subi %i, %j : i32  %eight = arith.constant 8 : i32
    %near = arith.cmpi slt, %distance, %eight : i32  %past = arith.cmpi sle, %j, %i : i32  %seen = arith.andi %near, %past : i1)"),
                    cache, step);
  EXPECT_FALSE(std::isnan(result[0].data[39 * 32])); // sees tokens 32 to 39
  EXPECT_TRUE(std::isnan(result[0].data[38 * 32]));
}

TEST(Interpreter, RowThatSeesNothing) {
  Reference cache(cacheType(mixedCache));
  Inputs step(3);
  auto result = run(moduleText("both", "", "%seen = arith.cmpi slt, %j, %i : i32"), cache, step);
  EXPECT_EQ(result[0].data[0], 0);
  EXPECT_EQ(result[1].data[0], -infinity);
  EXPECT_GT(result[1].data[4], -infinity);
}

TEST(Interpreter, SoftCap) {
  expectAgrees(R"(score { ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %cap = arith.constant 2.0 : f32
    %x = arith.divf %s, %cap : f32
    %t = math.tanh %x : f32
    %y = arith.mulf %cap, %t : f32
    kv.yield %y : f32 })",
               "causal", [](double s, double, double, double) { return 2 * std::tanh(s / 2); });
}

TEST(Interpreter, AlibiWithADeclaredArray) {
  expectAgrees(R"(score { ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %m = tensor.extract %slope[%h] : tensor<4xf32>
    %n = arith.subi %j, %i : i32
    %d = arith.sitofp %n : i32 to f32
    %b = arith.mulf %m, %d : f32
    %y = arith.addf %s, %b : f32
    kv.yield %y : f32 })",
               "causal", [](double s, double i, double j, double slope) { return s + slope * (j - i); });
}

TEST(Interpreter, SelectsAndComparisons) {
  expectAgrees(R"(score { ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %c8 = arith.constant 8 : i32
    %n = arith.subi %i, %j : i32
    %near = arith.cmpi slt, %n, %c8 : i32
    %zero = arith.constant 0.0 : f32
    %neg = arith.negf %s : f32
    %x = arith.maximumf %neg, %zero : f32
    %y = arith.select %near, %s, %x : f32
    kv.yield %y : f32 })",
               "causal", [](double s, double i, double j, double) { return i - j < 8 ? s : std::max(-s, 0.0); });
}

TEST(Interpreter, IntegersWrapAt32Bits) {
  expectAgrees(R"(score { ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %big = arith.constant 2147483647 : i32
    %n = arith.addi %big, %j : i32
    %zero = arith.constant 0 : i32
    %wrapped = arith.cmpi slt, %n, %zero : i32
    %neg = arith.negf %s : f32
    %y = arith.select %wrapped, %s, %neg : f32
    kv.yield %y : f32 })",
               "causal", [](double s, double, double j, double) { return j > 0 ? s : -s; });
}

TEST(Interpreter, FusedIsAppendThenAttend) {
  Inputs step(6);
  Reference a(cacheType(mixedCache)), b(cacheType(mixedCache));
  auto one = run(moduleText("both", "", "causal"), a, step), two = run(moduleText("fused", "", "causal"), b, step);
  EXPECT_EQ(one[0].data, two[0].data);
  EXPECT_EQ(one[1].data, two[1].data);
  EXPECT_EQ(a.length(), b.length());
}

TEST(Interpreter, RowsThatSeeNoKeyAreZero) {
  Reference cache(cacheType(mixedCache));
  std::string score = R"(score { ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %no = arith.constant 0xFF800000 : f32
    kv.yield %no : f32 })";
  auto result = run(moduleText("both", score, "causal"), cache, Inputs(2));
  for (double o : result[0].data)
    EXPECT_EQ(o, 0);
  for (double lse : result[1].data)
    EXPECT_EQ(lse, -infinity);
}

TEST(Interpreter, NonFiniteKeyGivesNaNWhereItIsSeen) {
  Reference cache(cacheType(mixedCache));
  Inputs step(2);
  step.k[32] = INFINITY; // second token, first head
  auto result = run(moduleText("both", "", "causal"), cache, step);
  EXPECT_FALSE(std::isnan(result[0].data[0]));
  EXPECT_TRUE(std::isnan(result[0].data[4 * 8]));
  EXPECT_FALSE(std::isnan(result[0].data[4 * 8 + 2 * 8])); // the other kv head
}

TEST(Interpreter, UnknownOpIsAnError) {
  Reference cache(cacheType(mixedCache));
  auto module = parseModule(moduleText("both", R"(score { ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %y = math.cos %s : f32
    kv.yield %y : f32 })",
                                       "causal"));
  auto result = interpret(*module->getOps<mlir::func::FuncOp>().begin(), cache, Inputs(1).arguments());
  ASSERT_FALSE(result);
  EXPECT_NE(llvm::toString(result.takeError()).find("math.cos"), std::string::npos);
}

TEST(Attention, MergeOfDisjointKeysIsTheWhole) {
  Reference whole(cacheType(mixedCache)), left(cacheType(mixedCache)), right(cacheType(mixedCache));
  Inputs tokens(23);
  whole.append(23, tokens.k.data(), tokens.v.data());
  left.append(9, tokens.k.data(), tokens.v.data());
  right.append(14, tokens.k.data() + 9 * 32, tokens.v.data() + 9 * 16);
  std::vector<double> query(tokens.q.begin(), tokens.q.begin() + 64);
  AttendProblem problem{.queries = 1, .headsQ = 4, .query = query.data(), .scale = 0.25, .mask = {}, .score = {}};
  AttendResult want = attend(whole, problem), seen = merge(attend(left, problem), attend(right, problem));
  for (size_t i = 0; i < want.output.size(); ++i)
    EXPECT_NEAR(seen.output[i], want.output[i], 1e-13);
  for (size_t i = 0; i < want.lse.size(); ++i)
    EXPECT_NEAR(seen.lse[i], want.lse[i], 1e-13);
  AttendResult nothing{std::vector<double>(32), std::vector<double>(4, -infinity)};
  EXPECT_EQ(merge(nothing, nothing).output, nothing.output);
  EXPECT_EQ(merge(nothing, nothing).lse, nothing.lse);
  EXPECT_EQ(merge(want, nothing).output, want.output);
}
