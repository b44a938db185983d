// The engine of `kvcc verify`: right kernels pass, and each planted fault is found. A test that cannot fail tests nothing.
#include "tests/unit/reference/MockKernel.h"
#include "tests/unit/reference/VerifySpec.h"
#include "tools/kvcc/VerifyKernels.h"

#include "gtest/gtest.h"

using namespace kv;

namespace {

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
TEST(VerifyFinds, MaskIgnored) { expectFound({}, Fault::maskIgnored, "error of o is"); }
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
TEST(VerifyFinds, WrongHead) { expectFound({}, Fault::wrongHead, "error of o is"); }
TEST(VerifyFinds, WritesPastRow) { expectFound({}, Fault::writesPastRow, "between the rows"); }
TEST(VerifyFinds, IgnoresParameter) {
  Spec spec;
  spec.alibi = true;
  expectFound(spec, Fault::ignoresParameter, "tolerance");
}
