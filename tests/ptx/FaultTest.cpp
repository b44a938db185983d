// FaultTest.cpp: the corpus is right under every schedule; each planted mistake is found under every schedule.
#include "Corpus.h"

using namespace kv::ptx;
using namespace kv::ptx::test;

namespace {

constexpr uint64_t seeds = 40;
constexpr FaultKind wrongNumbers = FaultKind::none; // no fault: the result differs

struct Planted {
  const char *name, *kernel, *from, *to;
  FaultKind expected;
  FaultKind orElse = FaultKind::trap; // what other schedules find
};

void PrintTo(const Planted &planted, std::ostream *out) { *out << planted.name; }

std::string replaced(std::string text, const std::string &from, const std::string &to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  EXPECT_EQ(text.find(from, at + 1), std::string::npos) << from << " occurs twice";
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

const Planted planted[] = {
    {"ReduceWithoutBarrier", "reduce", "  bar.sync 0;\n", "", FaultKind::race, FaultKind::uninitialised},
    {"ReduceOffByOne", "reduce", "setp.ge.u32 %p1, %r5, %r1", "setp.gt.u32 %p1, %r5, %r1", FaultKind::outOfBounds},
    {"ReduceUninitialisedSum", "reduce", "  mov.u32 %r7, 0;  ", "  ", FaultKind::uninitialised},
    {"ReduceSharedOverflow", "reduce", "add.u32 %r14, %r13, %r12", "mad.lo.u32 %r14, %r11, 8, %r13", FaultKind::outOfBounds},
    {"ReduceDivergentBarrier", "reduce", "  bar.sync 0;\n", "  @%p2 bar.sync 0;\n", FaultKind::divergence},
    {"ReducePlainStoreOfTheSum", "reduce", "@%p2 red.global.add.u32 [%rd2], %r17", "@%p2 st.global.u32 [%rd2], %r17",
     FaultKind::race},
    {"ReduceEveryLaneStores", "reduce", "@%p2 st.shared.u32", "st.shared.u32", FaultKind::race},
    {"ReduceShuffleOfAbsentLanes", "reduce", "%r17, 2, 31, 15", "%r17, 2, 31, -1", FaultKind::divergence},
    {"PipelineWithoutWait", "pipeline", "  cp.async.wait_group 1;\n", "", FaultKind::asyncHazard},
    {"PipelineWaitsForTooLittle", "pipeline", "cp.async.wait_group 1", "cp.async.wait_group 2", FaultKind::asyncHazard},
    {"PipelineWithoutBarrier", "pipeline", "  bar.sync 0;\n", "", FaultKind::race, FaultKind::asyncHazard},
    {"PipelineBarrierBeforeWait", "pipeline", "  cp.async.wait_group 1;\n  bar.sync 0;\n",
     "  bar.sync 0;\n  cp.async.wait_group 1;\n", FaultKind::race, FaultKind::asyncHazard},
    {"PipelineWithoutCommit", "pipeline",
     "%p2 cp.async.cg.shared.global.L2::128B [%r11], [%rd4+4096], 16;\n  cp.async.commit_group;\n",
     "%p2 cp.async.cg.shared.global.L2::128B [%r11], [%rd4+4096], 16;\n", FaultKind::asyncHazard},
    {"PipelineMissingTailPredicate", "pipeline", "@%p2 cp.async", "cp.async", FaultKind::outOfBounds},
    {"PipelineOneTileTooMany", "pipeline", "setp.lt.u32 %p1, %r7, %r1", "setp.le.u32 %p1, %r7, %r1", FaultKind::outOfBounds},
    {"PipelineWrongStage", "pipeline", "mov.u32 %r9, 4096", "mov.u32 %r9, 2048", FaultKind::asyncHazard, FaultKind::race},
    {"PipelineMisalignedVector", "pipeline", "add.u32 %r6, %r6, %r3;", "add.u32 %r6, %r6, %r3;\n  add.u32 %r6, %r6, 8;",
     FaultKind::misaligned},
    {"PipelineStagesTooSmall", "pipeline", "setp.eq.u32 %p3, %r9, 6144", "setp.eq.u32 %p3, %r9, 8192", FaultKind::outOfBounds},
    {"PipelineWritesTheSource", "pipeline", "st.global.v4.u32 [%rd5]", "st.global.v4.u32 [%rd4+2048]", FaultKind::asyncHazard,
     FaultKind::outOfBounds},
    {"GemmWithoutWarpBarrier", "gemm", "  bar.warp.sync -1;\n", "", FaultKind::race},
    {"GemmWithoutBarrierBeforeRefill", "gemm", "  bar.warp.sync 0xffffffff;\n", "", FaultKind::race},
    {"GemmSwappedFragment", "gemm", "{%r21, %r22, %r23, %r24}, {%r25, %r26}, {%r17",
     "{%r21, %r23, %r22, %r24}, {%r25, %r26}, {%r17", wrongNumbers},
    {"GemmUntransposed", "gemm", "x2.trans.shared", "x2.shared", wrongNumbers},
    {"GemmHalfTheWarp", "gemm", "  mma.sync", "  @%p1 mma.sync", FaultKind::divergence},
    {"GemmUninitialisedAccumulator", "gemm", "  mov.b32 %r20, 0f00000000;\n", "", FaultKind::uninitialised},
    {"GemmMatrixRowsMisaligned", "gemm", "shl.b32 %r16, %r12, 4", "shl.b32 %r16, %r12, 3", FaultKind::misaligned},
    {"MergeWithoutFirstFence", "merge", "  fence.acq_rel.gpu;\n", "", FaultKind::race},
    {"MergeWithoutSecondFence", "merge", "  membar.gl;\n", "", FaultKind::race},
    {"MergeFenceOfTheCta", "merge", "fence.acq_rel.gpu", "fence.acq_rel.cta", FaultKind::race},
    {"MergeWithoutBarrierBeforeArrival", "merge", "  st.global.u32 [%rd6], %r6;\n  bar.sync 0;\n", "  st.global.u32 [%rd6], %r6;\n",
     FaultKind::race},
    {"MergeReadsPartialsAsConstant", "merge", "ld.global.u32 %r16", "ld.global.nc.u32 %r16", FaultKind::race},
    {"MergeDoesNotResetTheCounter", "merge", "atom.global.inc.u32 %r11, [%rd4], %r10", "atom.global.add.u32 %r11, [%rd4], 1",
     wrongNumbers},
    {"MergeReadsUninitialisedPartials", "merge", "setp.lt.u32 %p4, %r15, %r4", "setp.le.u32 %p4, %r15, %r4",
     FaultKind::outOfBounds},
    {"MergeEarlyMerge", "merge", "add.u32 %r13, %r4, -1", "add.u32 %r13, %r4, -2", FaultKind::uninitialised, FaultKind::race},
    {"BulkWithoutWait", "bulk", "  @!%p3 bra $poll;\n", "", FaultKind::asyncHazard, FaultKind::race},
    {"BulkWrongParity", "bulk", "  shr.u32 %r8, %r5, 1;\n", "  add.u32 %r8, %r5, 1;\n", FaultKind::asyncHazard,
     FaultKind::deadlock},
    {"BulkExpectsTooMuch", "bulk", "arrive.expect_tx.shared.b64 %rd3, [%r4], 1024", "arrive.expect_tx.shared.b64 %rd3, [%r4], 2048",
     FaultKind::deadlock},
    {"BulkWithoutBarrierAfterInit", "bulk", "$ready:\n  bar.sync 0;\n", "$ready:\n", FaultKind::race, FaultKind::barrier},
    {"BulkRefillsWhatIsRead", "bulk", "  bar.sync 0;                         // before", "  // before", FaultKind::race,
     FaultKind::asyncHazard},
};

class CorpusTest : public testing::TestWithParam<const char *> {};
class PlantedTest : public testing::TestWithParam<Planted> {};

} // namespace

TEST_P(CorpusTest, IsRightUnderEverySchedule) {
  const std::string text = inputText(GetParam());
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    const Outcome outcome = runCorpus(GetParam(), text, seed);
    ASSERT_EQ(outcome.text, "") << "seed " << seed;
    ASSERT_TRUE(outcome.right) << "seed " << seed;
  }
}

TEST_P(PlantedTest, IsFound) {
  const Planted &fault = GetParam();
  const std::string text = replaced(inputText(fault.kernel), fault.from, fault.to);
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    const Outcome outcome = runCorpus(fault.kernel, text, seed);
    ASSERT_FALSE(outcome.right && outcome.text.empty()) << "seed " << seed;
    ASSERT_TRUE(outcome.kind == fault.expected || outcome.kind == fault.orElse) << "seed " << seed << " " << outcome.text;
  }
}

INSTANTIATE_TEST_SUITE_P(Ptx, CorpusTest, testing::Values("reduce", "pipeline", "gemm", "merge", "bulk"),
                         [](const auto &info) { return info.param; });
INSTANTIATE_TEST_SUITE_P(Ptx, PlantedTest, testing::ValuesIn(planted), [](const auto &info) { return info.param.name; });
