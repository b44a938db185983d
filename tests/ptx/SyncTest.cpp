// SyncTest.cpp: barriers, asynchronous copies, mbarriers and atomics one at a time: what they order, and what they do not.
#include "Harness.h"

#include <fmt/format.h>

using namespace kv::ptx;
using namespace kv::ptx::test;

namespace {

const std::string head =
    ".extern .shared .align 16 .b8 s[];\n.visible .entry f(.param .u64 p) {\n.reg .b64 %a<8>;\n.reg .b32 %r<16>;\n"
    ".reg .pred %q<8>;\nld.param.u64 %a0, [p];\nmov.u32 %r0, %tid.x;\nmov.u32 %r1, s;\nmad.lo.u32 %r2, %r0, 4, %r1;\n"
    "mad.wide.u32 %a1, %r0, 4, %a0;\nmad.wide.u32 %a2, %r0, 16, %a0;\nmad.lo.u32 %r3, %r0, 16, %r1;\n"
    "setp.eq.u32 %q0, %r0, 0;\nsetp.lt.u32 %q1, %r0, 32;\n";

struct Trial {
  Trial(const std::string &body, unsigned threads = 64, uint64_t seed = 0, unsigned ctas = 1, int64_t shared = 4096)
      : scene(head + body + "ret;\n}\n") {
    std::vector<uint32_t> content(1024);
    for (uint32_t i = 0; i < 1024; ++i)
      content[i] = i;
    const uint64_t address = scene.buffer(content);
    scene.pass(address);
    text = scene.run({ctas}, {threads}, shared, seed);
    kind = scene.fault ? scene.fault->kind : FaultKind::none;
    result = scene.read<uint32_t>(address, 1024);
  }
  Scene scene;
  std::string text;
  FaultKind kind;
  std::vector<uint32_t> result;
};

/// The kinds of fault over some schedules; `none` only if all were clean.
FaultKind worst(const std::string &body, unsigned threads = 64, unsigned ctas = 1) {
  FaultKind kind = FaultKind::none;
  for (uint64_t seed = 0; seed < 12; ++seed)
    if (const Trial trial(body, threads, seed, ctas); trial.kind != FaultKind::none)
      kind = trial.kind;
  return kind;
}

const std::string neighbour =
    "xor.b32 %r4, %r0, 32;\nmad.lo.u32 %r4, %r4, 4, %r1;\nld.shared.u32 %r5, [%r4];\n";                     // of the other warp
const std::string mate = "xor.b32 %r4, %r0, 1;\nmad.lo.u32 %r4, %r4, 4, %r1;\nld.shared.u32 %r5, [%r4];\n"; // of the same warp

} // namespace

TEST(Sync, BarriersOrderWarpsAndLanes) {
  const std::string write = "st.shared.u32 [%r2], %r0;\n";
  EXPECT_EQ(worst(write + "bar.sync 0;\n" + neighbour), FaultKind::none);
  EXPECT_EQ(worst(write + "barrier.sync.aligned 3, 64;\n" + neighbour), FaultKind::none);
  EXPECT_EQ(worst(write + "bar.warp.sync -1;\n" + mate), FaultKind::none);
  EXPECT_EQ(worst(write + mate, 32), FaultKind::race); // a warp in step orders nothing
  EXPECT_EQ(worst(write + "shfl.sync.bfly.b32 %r6, %r0, 1, 31, -1;\n" + mate, 32), FaultKind::race);
  EXPECT_EQ(worst(write + "membar.cta;\n" + mate, 32), FaultKind::race);
  EXPECT_NE(worst(write + "bar.warp.sync -1;\n" + neighbour), FaultKind::none);
  EXPECT_EQ(worst("st.shared.u32 [%r1], 5;\n", 2), FaultKind::race); // of the same value
  EXPECT_EQ(worst("st.global.u8 [%a0], 5;\n", 1, 2), FaultKind::race);
  EXPECT_EQ(worst("add.u64 %a3, %a0, 1;\n@%q0 st.global.u8 [%a0], 5;\n@!%q0 st.global.u8 [%a3], 5;\n", 2),
            FaultKind::none); // other bytes of a word
}

TEST(Sync, NamedBarriersHandOver) {
  // Warp 0 fills and arrives; warp 1 waits and reads.
  const std::string body = "add.u32 %r6, %r2, -128;\n@%q1 bra $fill;\nbar.sync 1, 64;\nld.shared.u32 %r5, [%r6];\nst.global.u32 "
                           "[%a1], %r5;\nret;\n$fill:\n"
                           "st.shared.u32 [%r2], %r0;\nbar.arrive 1, 64;\n";
  EXPECT_EQ(worst(body), FaultKind::none);
  EXPECT_EQ(Trial(body).result[40], 8u);
  EXPECT_EQ(worst("bar.sync 1, 48;\n"), FaultKind::barrier);
  EXPECT_EQ(worst("bar.sync 16;\n"), FaultKind::barrier);
  EXPECT_EQ(worst("@%q1 bar.sync 1, 64;\n@!%q1 bar.sync 1;\n"), FaultKind::barrier);
}

TEST(Sync, BarrierReductions) {
  const Trial trial(
      "setp.lt.u32 %q2, %r0, 37;\nbar.red.popc.u32 %r5, 0, %q2;\nbar.red.and.pred %q3, 1, %q2;\nbar.red.or.pred %q4, 1, %q2;\n"
      "selp.u32 %r6, 100, 0, %q3;\nselp.u32 %r7, 1000, 0, %q4;\nadd.u32 %r5, %r5, %r6;\nadd.u32 %r5, %r5, %r7;\nst.global.u32 "
      "[%a1], %r5;\n");
  EXPECT_EQ(trial.text, "");
  EXPECT_EQ(trial.result[63], 1037u);
}

TEST(Sync, CopiesOfEverySizeAndZeroFill) {
  for (unsigned bytes : {4u, 8u, 16u})
    for (unsigned size = 0; size <= bytes; ++size) {
      const Trial trial(fmt::format("mov.u32 %r4, {};\ncp.async.ca.shared.global [%r3], [%a2], {}, "
                                    "%r4;\ncp.async.wait_all;\nld.shared.u32 %r5, [%r3+{}];\n"
                                    "st.global.u32 [%a2], %r5;\n",
                                    size, bytes, bytes - 4),
                        8);
      ASSERT_EQ(trial.text, "");
      const uint32_t last = 3 * 4 + bytes / 4 - 1, kept = size + 4 <= bytes ? 0 : (size + 4 - bytes) * 8;
      EXPECT_EQ(trial.result[12], kept ? lowBits(last, kept) : 0u) << bytes << " " << size;
    }
  EXPECT_EQ(worst("cp.async.cg.shared.global [%r3], [%a2], 16, 17;\n"), FaultKind::outOfBounds);
  EXPECT_EQ(worst("cp.async.cg.shared.global [%r3+8], [%a2], 16;\n"), FaultKind::misaligned);
  EXPECT_EQ(worst("cp.async.ca.shared.global [%r3], [%a2+2], 4;\n"), FaultKind::misaligned);
  EXPECT_EQ(worst("mov.u64 %a3, 16;\ncp.async.cg.shared.global [%r3], [%a3], 16, 0;\ncp.async.wait_all;\n"), FaultKind::none);
}

TEST(Sync, CopiesBelongToTheirThread) {
  const std::string copy = "cp.async.ca.shared.global [%r2], [%a1], 4;\ncp.async.commit_group;\n";
  EXPECT_EQ(worst(copy + "cp.async.wait_group 0;\nld.shared.u32 %r5, [%r2];\n"), FaultKind::none);
  EXPECT_EQ(worst(copy + "ld.shared.u32 %r5, [%r2];\n"), FaultKind::asyncHazard);
  EXPECT_EQ(worst(copy + "st.shared.u32 [%r2], %r0;\n"), FaultKind::asyncHazard);
  EXPECT_EQ(worst(copy + "st.global.u32 [%a1], %r0;\n"), FaultKind::asyncHazard);
  EXPECT_EQ(worst(copy + "cp.async.wait_group 0;\nst.global.u32 [%a1], %r0;\n"), FaultKind::none);
  EXPECT_EQ(worst(copy + "cp.async.wait_group 0;\n" + mate, 32), FaultKind::race);
  EXPECT_EQ(worst(copy + "cp.async.wait_group 0;\nbar.warp.sync -1;\n" + mate, 32), FaultKind::none);
  EXPECT_NE(worst(copy + "bar.sync 0;\ncp.async.wait_group 0;\n" + neighbour), FaultKind::none);
  EXPECT_EQ(worst(copy + "cp.async.ca.shared.global [%r2], [%a1+64], 4;\n"), FaultKind::asyncHazard); // over the first one
  EXPECT_EQ(worst("cp.async.ca.shared.global [%r2], [%a1], 4;\ncp.async.wait_group 0;\nld.shared.u32 %r5, [%r2];\n"),
            FaultKind::asyncHazard);
  EXPECT_EQ(worst("st.shared.u32 [%r2], 1;\nbar.sync 0;\n" + neighbour + copy + "cp.async.wait_all;\n"), FaultKind::race);
}

TEST(Sync, MBarrierArrivals) {
  const std::string init = "@%q0 mbarrier.init.shared.b64 [%r1+1024], 64;\nbar.sync 0;\n";
  const std::string wait = "$poll:\nmbarrier.test_wait.shared.b64 %q2, [%r1+1024], %a3;\n@!%q2 bra $poll;\n";
  const std::string arrive = "mbarrier.arrive.shared.b64 %a3, [%r1+1024];\n";
  EXPECT_EQ(worst(init + "st.shared.u32 [%r2], %r0;\n" + arrive + wait + neighbour), FaultKind::none);
  EXPECT_NE(worst(init + "st.shared.u32 [%r2], %r0;\n" + arrive + neighbour), FaultKind::none);
  EXPECT_NE(worst(init + arrive + "st.shared.u32 [%r2], %r0;\n" + wait + neighbour), FaultKind::none);
  EXPECT_EQ(worst(init + "@%q1 bra $end;\n" + arrive + wait + "$end:\n"), FaultKind::deadlock);
  EXPECT_EQ(worst(init + "mov.u32 %r4, 33;\nmbarrier.arrive.shared.b64 %a3, [%r1+1024], %r4;\n"), FaultKind::barrier);
  EXPECT_EQ(worst(init + "ld.shared.u32 %r4, [%r1+1028];\n"), FaultKind::barrier);
  EXPECT_EQ(worst("mbarrier.arrive.shared.b64 %a3, [%r1+1024];\n"), FaultKind::barrier);
  EXPECT_EQ(worst("mbarrier.init.shared.b64 [%r1+1028], 1;\n", 1), FaultKind::misaligned);
  const std::string inval = "bar.sync 0;\n@%q0 mbarrier.inval.shared.b64 [%r1+1024];\nbar.sync 0;\nst.shared.u32 [%r2+960], %r0;\n";
  EXPECT_EQ(worst(init + arrive + wait + inval), FaultKind::none);
}

TEST(Sync, MBarrierFollowsCopies) {
  const std::string init = "@%q0 mbarrier.init.shared.b64 [%r1+1024], 64;\nbar.sync 0;\n";
  const std::string copy = "cp.async.ca.shared.global [%r2], [%a1], 4;\n";
  const std::string wait = "$poll:\nmbarrier.try_wait.parity.shared.b64 %q2, [%r1+1024], 0;\n@!%q2 bra $poll;\n";
  EXPECT_EQ(worst(init + copy + "cp.async.mbarrier.arrive.noinc.shared.b64 [%r1+1024];\n" + wait + neighbour), FaultKind::none);
  EXPECT_EQ(worst(init + copy + "cp.async.mbarrier.arrive.shared.b64 [%r1+1024];\nmbarrier.arrive.shared.b64 %a3, [%r1+1024];\n" +
                  wait + neighbour),
            FaultKind::none);
  EXPECT_NE(worst(init + copy + "mbarrier.arrive.shared.b64 %a3, [%r1+1024];\n" + wait + neighbour), FaultKind::none);
  EXPECT_NE(worst(init + "cp.async.mbarrier.arrive.noinc.shared.b64 [%r1+1024];\n" + copy + wait + neighbour), FaultKind::none);
}

TEST(Sync, BulkCopiesNeedTheirFences) {
  const std::string init = "@%q0 mbarrier.init.shared.b64 [%r1+1024], 1;\nbar.sync 0;\n";
  const std::string copy =
      "@%q0 mbarrier.arrive.expect_tx.shared.b64 %a3, [%r1+1024], 256;\n"
      "@%q0 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%a0], 256, [%r1+1024];\n";
  const std::string wait =
      "$poll:\nmbarrier.try_wait.parity.shared.b64 %q2, [%r1+1024], 0;\n@!%q2 bra $poll;\nld.shared.u32 %r5, [%r2];\n";
  EXPECT_EQ(worst(init + copy + wait), FaultKind::none);
  EXPECT_EQ(worst(init + copy), FaultKind::asyncHazard); // nobody waits
  EXPECT_EQ(worst(init + copy + "bar.sync 0;\nld.shared.u32 %r5, [%r2];\n" + wait), FaultKind::asyncHazard);
  const std::string write = "st.global.u32 [%a1], %r0;\n";
  EXPECT_EQ(worst(write + init + copy + wait), FaultKind::race);
  EXPECT_EQ(worst(write + "fence.proxy.async;\n" + init + copy + wait), FaultKind::none);
  EXPECT_EQ(worst(write + init + "fence.proxy.async.global;\n" + copy + wait), FaultKind::none);
}

TEST(Sync, AtomicsCountAndOrder) {
  const Trial trial(
      "atom.global.add.u32 %r5, [%a0+2048], 3;\nred.global.max.s32 [%a0+2052], %r0;\natom.global.inc.u32 %r6, [%a0+2056], 600;\n"
      "atom.global.cas.b32 %r7, [%a0+2060], 515, 9;\natom.shared.exch.b32 %r8, [%r1], 1;\n",
      64, 3, 2);
  EXPECT_EQ(trial.kind, FaultKind::uninitialised); // the exchange reads shared memory that nobody wrote
  const Trial counted(
      "atom.global.add.u32 %r5, [%a0+2048], 3;\nred.global.max.s32 [%a0+2052], %r0;\natom.global.inc.u32 %r6, [%a0+2056], 600;\n"
      "atom.global.cas.b32 %r7, [%a0+2060], 515, 9;\nred.global.add.f32 [%a0], 0f3F800000;\n",
      64, 3, 2);
  EXPECT_EQ(counted.text, "");
  EXPECT_EQ(counted.result[512], 512u + 3 * 128);
  EXPECT_EQ(counted.result[513], 513u);
  EXPECT_EQ(counted.result[514], (514u + 128) % 601);
  EXPECT_EQ(counted.result[515], 9u);
  EXPECT_EQ(floatOf(counted.result[0]), 128.0f);
  EXPECT_EQ(worst("red.global.add.u32 [%a0], 1;\nld.global.u32 %r5, [%a0];\n", 1, 2), FaultKind::race);
  EXPECT_EQ(worst("red.global.add.u32 [%a0], 1;\nld.relaxed.gpu.global.u32 %r5, [%a0];\n", 1, 2), FaultKind::none);
  EXPECT_EQ(worst("red.cta.global.add.u32 [%a0], 1;\n", 1, 2), FaultKind::race); // not each other's scope
  EXPECT_EQ(worst("red.cta.global.add.u32 [%a0], 1;\n", 64, 1), FaultKind::none);
}

TEST(Sync, ReleaseAndAcquire) {
  // CTA 0 writes, then raises a flag; CTA 1 waits for it and reads.
  auto message = [](const std::string &raise, const std::string &look, const std::string &after = "") {
    return "mov.u32 %r4, %ctaid.x;\nsetp.ne.u32 %q2, %r4, 0;\n@%q2 bra $reader;\nst.global.u32 [%a0+64], 77;\n" + raise +
           "ret;\n$reader:\n$spin:\n" + look + "setp.ne.u32 %q3, %r5, 1;\n@%q3 bra $spin;\n" + after +
           "ld.global.u32 %r6, [%a0+64];\nst.global.u32 [%a0+68], %r6;\n";
  };
  const std::string release = "st.release.gpu.global.u32 [%a0], 1;\n", acquire = "ld.acquire.gpu.global.u32 %r5, [%a0];\n";
  const std::string relaxedStore = "st.relaxed.gpu.global.u32 [%a0], 1;\n", relaxedLoad = "ld.relaxed.gpu.global.u32 %r5, [%a0];\n";
  EXPECT_EQ(worst(message(release, acquire), 1, 2), FaultKind::none);
  EXPECT_EQ(Trial(message(release, acquire), 1, 5, 2).result[17], 77u);
  EXPECT_EQ(worst(message(relaxedStore, acquire), 1, 2), FaultKind::race);
  EXPECT_EQ(worst(message(release, relaxedLoad), 1, 2), FaultKind::race);
  EXPECT_EQ(worst(message("fence.acq_rel.gpu;\n" + relaxedStore, relaxedLoad, "fence.acq_rel.gpu;\n"), 1, 2), FaultKind::none);
  EXPECT_EQ(worst(message("membar.gl;\nst.volatile.global.u32 [%a0], 1;\n", "ld.volatile.global.u32 %r5, [%a0];\n", "membar.gl;\n"),
                  1, 2),
            FaultKind::none);
  EXPECT_EQ(worst(message("membar.cta;\n" + relaxedStore, relaxedLoad, "membar.gl;\n"), 1, 2), FaultKind::race);
  EXPECT_EQ(worst(message("st.release.cta.global.u32 [%a0], 1;\n", acquire), 1, 2), FaultKind::race);
  EXPECT_EQ(worst(message("atom.release.gpu.global.exch.b32 %r5, [%a0], 1;\n", acquire), 1, 2), FaultKind::none);
}

TEST(Sync, BankConflictsAreCounted) {
  auto conflicts = [](unsigned stride, const std::string &vector, const std::string &values) {
    return Trial(fmt::format("mad.lo.u32 %r4, %r0, {}, %r1;\nst.shared{}.u32 [%r4], {};\n", stride, vector, values), 32)
        .scene.machine.statistics()
        .bankConflicts;
  };
  EXPECT_EQ(conflicts(4, "", "%r0"), 0u);
  EXPECT_EQ(conflicts(8, "", "%r0"), 1u);
  EXPECT_EQ(conflicts(128, "", "%r0"), 31u);
  EXPECT_EQ(conflicts(16, ".v4", "{%r0, %r0, %r0, %r0}"), 0u);
  EXPECT_EQ(conflicts(32, ".v4", "{%r0, %r0, %r0, %r0}"), 4u);
}
