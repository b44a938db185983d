// The engine of `kvcc verify`: right kernels pass, and each planted fault is found. A test that cannot fail tests nothing.
#include "tests/unit/reference/MockKernel.h"
#include "tests/unit/reference/Support.h"
#include "tools/kvcc/VerifyKernels.h"

#include "gtest/gtest.h"

using namespace kv;

namespace {

struct Spec {
  int64_t headsQ = 4, heads = 2, dimK = 16, dimV = 8, leastQueries = 1, mostQueries = 5;
  std::string key = "#kv.codec<i8, group = 16, sym, scale = f16>", value = "#kv.codec<u4, group = 8, asym, scale = f32>";
  std::string layout = R"(paged 16, key = "[h, t, d]", value = "[t, h, d]")";
  std::string query = "f32", output = "f32", mask = "causal";
  bool alibi = false;

  std::string text() const {
    auto n = [](int64_t value) { return std::to_string(value); };
    auto tensor = [&](int64_t heads, int64_t dim, const std::string &type) { return "tensor<?x" + n(heads) + "x" + n(dim) + "x" + type + ">"; };
    std::string cache = "!kv.cache<name = \"c\", heads = " + n(heads) + ", keyDim = " + n(dimK) + ", valueDim = " + n(dimV) +
                        ", key = " + key + ", value = " + value + ", layout = #kv.layout<" + layout + ">>";
    std::string q = tensor(headsQ, dimK, query), k = tensor(heads, dimK, query), v = tensor(heads, dimV, query), o = tensor(headsQ, dimV, output);
    std::string lse = "tensor<?x" + n(headsQ) + "xf32>", slope = "tensor<" + n(headsQ) + "xf32>";
    std::string score = !alibi ? "" : R"(score { ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
      %m = tensor.extract %slope[%h] : )" + slope + R"(
      %n = arith.subi %j, %i : i32
      %d = arith.sitofp %n : i32 to f32
      %b = arith.mulf %m, %d : f32
      %y = arith.addf %s, %b : f32
      kv.yield %y : f32 })";
    std::string append = "  kv.append %k, %v to %c : " + k + ", " + v + ", " + cache + "\n";
    std::string attend = "  %o, %l = kv.attend %q on %c scale(0.25) mask(" + mask + ") accuracy(exact) queries(" + n(leastQueries) + ", " +
                         n(mostQueries) + ") " + score + " : " + q + ", " + cache + " -> " + o + ", " + lse + "\n  return %o, %l : " + o +
                         ", " + lse + "\n}\n";
    std::string extra = alibi ? ", %slope: " + slope : "", results = ") -> (" + o + ", " + lse + ") {\n";
    return "func.func @c_append(%c: " + cache + ", %k: " + k + ", %v: " + v + ") {\n" + append + "  return\n}\n" +
           "func.func @c_a(%c: " + cache + ", %q: " + q + extra + results + attend + "func.func @c_append_a(%c: " + cache + ", %q: " + q +
           ", %k: " + k + ", %v: " + v + extra + results + append + attend;
  }
};

VerifySummary runVerify(const Spec &spec, Fault fault, int64_t splitTokens = 64, int64_t queryBlock = 2, uint64_t seed = 1) {
  auto module = parseModule(spec.text());
  if (!module) {
    ADD_FAILURE() << "the module does not parse";
    return {};
  }
  ModuleSpec read = readModule(*module);
  mockKernels(read, fault, splitTokens, queryBlock);
  VerifyOptions options;
  options.quick = true;
  options.seed = seed;
  LocalExecution execution([](llvm::StringRef name) -> llvm::Expected<const kv_kernel *> {
    if (const kv_kernel *kernel = mockKernel(name))
      return kernel;
    return llvm::createStringError("no kernel " + name);
  });
  auto summary = verify(*module, read, execution, options);
  if (!summary) {
    ADD_FAILURE() << llvm::toString(summary.takeError());
    return {};
  }
  return *summary;
}

void expectPasses(const Spec &spec, int64_t splitTokens = 64, int64_t queryBlock = 2) {
  VerifySummary summary = runVerify(spec, Fault::none, splitTokens, queryBlock);
  EXPECT_GT(summary.cases, 10);
  EXPECT_LE(summary.worstError, summary.tolerance);
  for (const std::string &failure : summary.failures)
    ADD_FAILURE() << failure;
}

/// The fault is reported, by a message that has `words` in it.
void expectFound(const Spec &spec, Fault fault, const std::string &words) {
  VerifySummary summary = runVerify(spec, fault);
  ASSERT_FALSE(summary.failures.empty());
  bool found = false;
  for (const std::string &failure : summary.failures)
    found |= failure.find(words) != std::string::npos;
  EXPECT_TRUE(found) << "no failure says `" << words << "`; the first: " << summary.failures.front();
}

} // namespace

TEST(Verify, RightKernelsPass) { expectPasses({}); }
TEST(Verify, RightKernelsPassInOneItem) { expectPasses({}, 1 << 20, 100); }

TEST(Verify, RightKernelsPassForOtherShapes) {
  Spec spec;
  spec.headsQ = 7;
  spec.heads = 1;
  spec.layout = "dense 300, key = auto, value = auto";
  spec.key = "#kv.codec<u4, group = 8, sym, scale = f16>";
  spec.value = "#kv.codec<bf16>";
  spec.query = "f16";
  spec.output = "bf16";
  spec.mask = "all";
  expectPasses(spec);
  spec.layout = R"(paged 7, key = "[h, t/4, d, t%4]", value = "[t, d, h]")";
  spec.mask = "causal";
  spec.leastQueries = 3;
  spec.alibi = true;
  expectPasses(spec, 16, 1);
}

TEST(Verify, SameSeedSameResult) {
  VerifySummary a = runVerify({}, Fault::none), b = runVerify({}, Fault::none);
  EXPECT_EQ(a.worstError, b.worstError);
  EXPECT_EQ(a.cases, b.cases);
}

TEST(VerifyFinds, TokenOfNextPage) { expectFound({}, Fault::tokenOfNextPage, "error of o is"); }
TEST(VerifyFinds, MaskIgnored) { expectFound({}, Fault::maskIgnored, "expected"); }
TEST(VerifyFinds, WrongScale) { expectFound({}, Fault::wrongScale, "tolerance"); }
TEST(VerifyFinds, LostSplit) { expectFound({}, Fault::lostSplit, "long"); }
TEST(VerifyFinds, SlackRead) { expectFound({}, Fault::slackRead, "o is"); }
TEST(VerifyFinds, WrongLse) { expectFound({}, Fault::wrongLse, "lse is"); }
TEST(VerifyFinds, NeighbourMatters) { expectFound({}, Fault::neighbourMatters, "alone, in other pages"); }
TEST(VerifyFinds, FusedDiffers) { expectFound({}, Fault::fusedDiffers, "append_attend: lse has other bits"); }
TEST(VerifyFinds, RoundsHalfUp) { expectFound({}, Fault::roundsHalfUp, "key code of token"); }
TEST(VerifyFinds, PageOffByOne) { expectFound({}, Fault::pageOffByOne, "of token"); }
TEST(VerifyFinds, ScaleNotRounded) { expectFound({}, Fault::scaleNotRounded, "key code of token"); }
TEST(VerifyFinds, WritesForeignPage) { expectFound({}, Fault::writesForeignPage, "belongs to no sequence"); }
TEST(VerifyFinds, NanHidden) { expectFound({}, Fault::nanHidden, "key scale of token"); }
TEST(VerifyFinds, WrongHead) { expectFound({}, Fault::wrongHead, "lse is"); }
TEST(VerifyFinds, WritesPastRow) { expectFound({}, Fault::writesPastRow, "between the rows"); }
TEST(VerifyFinds, IgnoresParameter) {
  Spec spec;
  spec.alibi = true;
  expectFound(spec, Fault::ignoresParameter, "tolerance");
}
