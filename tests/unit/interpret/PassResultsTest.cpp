// Passes of level 1 by their results: kernels run on a batch before and after each pass, and give the same.
//
// The same to the bit, but for passes that move arithmetic; what those leave, and the end of level 1, is within the accuracy class
// of the reference interpreter. Append kernels store the reference's bytes.
#include "compiler/driver/KernelSpec.h"
#include "compiler/frontend/Frontend.h"
#include "tests/oracle/SpecGenerator.h"
#include "tests/unit/interpret/Scene.h"
#include "tests/unit/interpret/Snapshots.h"
#include "gtest/gtest.h"

namespace kv {
namespace {

/// Passes whose results may differ by rounding.
bool movesArithmetic(llvm::StringRef pass) { return pass == "kv-fold-scales" || pass == "kv-quantize-operands"; }

/// A `.kv` text as level 0.
struct File {
  explicit File(const std::string &text) : context(mlir::MLIRContext::Threading::DISABLED) {
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, "test.kv"), llvm::SMLoc());
    Diagnostics diagnostics(sources);
    level0 = parseFile(sources, context, {}, diagnostics);
    diagnostics.print(llvm::errs());
    if (level0)
      spec = readModule(*level0);
  }

  llvm::SourceMgr sources;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> level0;
  ModuleSpec spec;
};

/// Runs what each snapshot has changed since the one before, and holds it against what that one gave.
struct Comparison {
  Scene &scene;
  const CacheSpec &cache;
  const KernelSpec &kernel;
  mlir::ModuleOp last = {};
  StepOutput output = {};

  std::optional<std::string> run(const Snapshot &snapshot) {
    mlir::ModuleOp before = std::exchange(last, *snapshot.module);
    auto isNew = [&](const std::string &function) { return !before || !haveSame(before, last, function); };
    if (isNew(cache.name + "_append.append"))
      if (auto problem = scene.append(last))
        return problem;
    if (!isNew(kernel.name + ".attend") && !isNew(kernel.name + ".merge"))
      return std::nullopt;
    StepOutput own;
    if (auto problem = scene.attend(last, own))
      return problem;
    const bool isExact = before && !movesArithmetic(snapshot.pass);
    if (isExact && !(own == output))
      return "results are not what they were before";
    output = std::move(own);
    return isExact ? std::nullopt : scene.check(output);
  }

  /// What appends and attends in one calls the other kernels.
  std::optional<std::string> runFused() {
    StepOutput fused;
    if (auto problem = scene.appendAttend(last, fused))
      return problem;
    return scene.check(fused);
  }
};

/// Every attend of a file, on a target's schedule.
void comparePasses(const std::string &text, llvm::StringRef targetName, int64_t tokens, Unusual unusual, uint64_t seed = 1) {
  SCOPED_TRACE(text);
  File file(text);
  ASSERT_TRUE(file.level0);
  const Target *target = findTarget(targetName);
  ASSERT_TRUE(target) << targetName.str();
  std::vector<Snapshot> snapshots = takeSnapshots(*file.level0, *target, unusual);
  ASSERT_FALSE(snapshots.empty());
  for (const KernelSpec &kernel : file.spec.kernels) {
    if (kernel.kind != KV_OP_ATTEND)
      continue;
    Scene scene(*file.level0, file.spec.caches[kernel.cache], kernel, tokens, seed);
    Comparison comparison{scene, file.spec.caches[kernel.cache], kernel};
    auto say = [&](llvm::StringRef where, const std::string &problem) {
      ADD_FAILURE() << kernel.name << " on " << targetName.str() << ", " << where.str() << ": " << problem;
    };
    for (const Snapshot &snapshot : snapshots)
      if (auto problem = comparison.run(snapshot))
        return say("after " + snapshot.pass, *problem);
    if (auto problem = comparison.runFused())
      say("fused", *problem);
  }
}

/// A file of one cache, with these clauses, and one attend.
struct Spec {
  const char *name, *cache, *attend;
};

/// Every codec; pages shorter than blocks, as long and longer, in tiles and not; one query and several, of groups of heads; masks,
/// scores, sinks; every class of accuracy.
const Spec specs[] = {
    {"F32", "c(Hq = 3, Hkv = 3, D = 32) { k, v: f32 layout paged(16) }",
     "a(q: f32[1..12]) on c -> (o: f32, lse: f32) { accuracy exact }"},
    {"F16", "c(Hq = 4, Hkv = 2, D = 32) { k, v: f16 layout dense(200) }",
     "a(q: f16[1..12]) on c -> (o: f16, lse: f32) { mask j <= i }"},
    {"Bf16", "c(Hq = 4, Hkv = 2, D = 32, Dv = 48) { k, v: bf16 layout paged(64) }",
     "a(q: bf16[1..12]) on c -> (o: f32) { mask j <= i && i - j < 9 accuracy fast }"},
    {"F8", "c(Hq = 2, Hkv = 1, D = 64) { k, v: f8e4m3 layout paged(20) tile(16) }",
     "a(q: f32[1..8]) on c -> (o: f32, lse: f32) { mask j <= i }"},
    {"Bytes", "c(Hq = 8, Hkv = 2, D = 64) { k, v: i8 layout paged(128) }",
     "a(q: f16[1..12]) on c -> (o: f16, lse: f32) { mask j <= i accuracy fast }"},
    {"BytesHigh", "c(Hq = 4, Hkv = 2, D = 64) { k: i8 v: u8 asym layout paged(16) }",
     "a(q: f32[1..12]) on c -> (o: f32, lse: f32) { mask j <= i accuracy high score 30 * tanh(s / 30) }"},
    {"Groups", "c(Hq = 4, Hkv = 1, D = 64) { k: i8 group(d:16) asym v: i8 group(d:32) scale f16 layout paged(24) }",
     "a(q: f32[1]) on c -> (o: f32, lse: f32) { mask j <= i accuracy fast }"},
    {"Nibbles", "c(Hq = 4, Hkv = 2, D = 64) { k: u4 asym v: i4 group(d:16) layout paged(32) }",
     "a(q: f16[1..12], b: f32[Hq]) on c -> (o: f32, lse: f32) { mask j <= i && (j < 4 || i - j < 33) sinks b accuracy fast }"},
    {"NibblesExact", "c(Hq = 4, Hkv = 2, D = 32) { k: i4 group(d:8) v: u4 group(d:16) asym layout paged(48) [h, t, d] }",
     "a(q: f32[1..6], m: f32[Hq]) on c -> (o: f32, lse: f32) { mask j <= i score s + m[h] * (j - i) accuracy exact }"},
    {"Holes", "c(Hq = 6, Hkv = 2, D = 40) { k: f16 v: i8 layout paged(12) [t, h, d] }",
     "a(q: bf16[2..12]) on c -> (o: bf16, lse: f32) { mask j <= i && j != 5 && (j < 20 || j >= 70) }"},
};

void PrintTo(const Spec &spec, std::ostream *os) { *os << spec.name; }

class PassResults : public testing::TestWithParam<std::tuple<Spec, const char *>> {};

std::string nameOf(const testing::TestParamInfo<std::tuple<Spec, const char *>> &info) {
  std::string name = std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param);
  std::replace_if(
      name.begin(), name.end(), [](char letter) { return !std::isalnum(letter); }, '_');
  return name;
}

TEST_P(PassResults, AreTheSameBeforeAndAfter) {
  auto [spec, target] = GetParam();
  comparePasses(std::string("cache ") + spec.cache + "\nattend " + spec.attend + "\n", target, 110, {.masks = Masks::classes});
}

INSTANTIATE_TEST_SUITE_P(All, PassResults,
                         testing::Combine(testing::ValuesIn(specs),
                                          testing::Values("x86-64-v4+vnni", "generic", "aarch64+dotprod+fp16",
                                                          "aarch64+dotprod+fp16+i8mm+bf16", "sm_90")),
                         nameOf);

/// Loops that the state chains, in scratch and in registers, inside loops over ranges and under row tiles of two kinds.
TEST(ChainedLoops, GiveWhatOneLoopGives) {
  for (const Spec &spec : specs)
    for (const char *target : {"x86-64-v3", "sm_90"})
      if (llvm::StringRef name = spec.name; name == "F16" || name == "Bytes" || name == "Nibbles" || name == "Holes")
        comparePasses(std::string("cache ") + spec.cache + "\nattend " + spec.attend + "\n", target, 110, {.chained = true});
  comparePasses("cache c(Hq = 4, Hkv = 2, D = 32) { k, v: f16 layout paged(64) }\n" // whose state is in registers
                "attend a(q: f16[1]) on c -> (o: f16, lse: f32) { mask j <= i }\n",
                "sm_90", 110, {.chained = true});
}

class GeneratedSpecs : public testing::TestWithParam<uint64_t> {};

/// What the oracle draws, on a target each: its schedules say blocks, splits, heads and records that are not the targets' own.
TEST_P(GeneratedSpecs, AreTheSameBeforeAndAfter) {
  static const char *const targets[] = {
      "generic",        "x86-64-v3", "x86-64-v4+vnni+fastbf16", "aarch64+dotprod+fp16+i8mm", "x86-64-v4+vnni+bf16",
      "aarch64+sve256", "sm_80"};
  comparePasses(generateSpec(GetParam()), targets[GetParam() % std::size(targets)], 70, {}, GetParam());
}

// Quick ones, of every target.
INSTANTIATE_TEST_SUITE_P(Seeds, GeneratedSpecs, testing::Values(25, 30, 34, 35, 42, 44, 45, 50, 56, 64, 68, 75));

} // namespace
} // namespace kv
