// MachineTest.cpp: memory, parameters, divergence and launches; the rules whose breach is a fault.
#include "Harness.h"

using namespace kv::ptx;
using namespace kv::ptx::test;

namespace {

/// `body` between the loading of the parameters `p` (%p0 its address) and `ret`.
std::string kernel(const std::string &body) {
  return ".extern .shared .align 16 .b8 dyn[];\n.visible .entry f(.param .u64 p, .param .u32 n) {\n.reg .b64 %a<8>;\n.reg .b32 "
         "%r<16>;\n"
         ".reg .f32 %f<8>;\n.reg .b16 %h<4>;\n.reg .pred %q<4>;\nld.param.u64 %a0, [p];\nld.param.u32 %r0, [n];\nmov.u32 %r1, "
         "%tid.x;\n"
         "mad.wide.u32 %a1, %r1, 4, %a0;\n" +
         body + "ret;\n}\n";
}

/// Runs a body with a buffer of `words` words that hold their index, n = words.
struct Trial {
  Trial(const std::string &body, unsigned threads = 32, size_t words = 32, int64_t shared = 0, uint64_t seed = 0, unsigned ctas = 1)
      : scene(kernel(body)) {
    std::vector<uint32_t> content(words);
    for (uint32_t i = 0; i < words; ++i)
      content[i] = i;
    address = scene.buffer(content);
    scene.pass(address);
    scene.pass(uint32_t(words));
    text = scene.run({ctas}, {threads}, shared, seed);
    result = scene.read<uint32_t>(address, words);
  }
  FaultKind kind() const { return scene.fault ? scene.fault->kind : FaultKind::none; }
  Scene scene;
  uint64_t address;
  std::string text;
  std::vector<uint32_t> result;
};

} // namespace

TEST(Machine, LoadsComputesStores) {
  Trial run("ld.global.u32 %r2, [%a1];\nadd.u32 %r2, %r2, 100;\nst.global.u32 [%a1], %r2;\n");
  EXPECT_EQ(run.text, "");
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(run.result[i], i + 100);
}

TEST(Machine, NarrowAndVectorAccesses) {
  Trial run("ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%a0+16];\nst.global.v2.u32 [%a0], {%r5, %r2};\nmov.u32 %r6, 0x1234fe;\n"
            "st.global.u8 [%a0+8], %r6;\nld.global.s8 %r7, [%a0+8];\nst.global.u32 [%a0+12], %r7;\n",
            1);
  EXPECT_EQ(run.text, "");
  EXPECT_EQ(run.result[0], 7u);
  EXPECT_EQ(run.result[1], 4u);
  EXPECT_EQ(run.result[2], 0xfeu);
  EXPECT_EQ(run.result[3], 0xfffffffeu);
}

TEST(Machine, BoundsAreExact) {
  EXPECT_EQ(Trial("ld.global.u32 %r2, [%a1];\n", 33, 33).kind(), FaultKind::none);
  Trial over("ld.global.u32 %r2, [%a1];\n", 33, 32);
  EXPECT_EQ(over.kind(), FaultKind::outOfBounds);
  EXPECT_EQ(over.scene.fault->thread[0], 32u);
  EXPECT_EQ(over.scene.fault->address, over.address + 128);
  EXPECT_NE(over.text.find("4 bytes end 4 bytes after the allocation of 128 bytes"), std::string::npos) << over.text;
  EXPECT_EQ(Trial("st.global.u32 [%a0+-4], %r1;\n").kind(), FaultKind::outOfBounds);
  EXPECT_EQ(Trial("ld.global.u64 %a2, [%a0+128];\n").kind(), FaultKind::outOfBounds);
  EXPECT_EQ(Trial("mov.u64 %a2, 0;\nld.global.u32 %r2, [%a2];\n").kind(), FaultKind::outOfBounds);
}

TEST(Machine, AlignmentOfEachWidth) {
  EXPECT_EQ(Trial("ld.global.u16 %r2, [%a0+2];\n").kind(), FaultKind::none);
  EXPECT_EQ(Trial("ld.global.u32 %r2, [%a0+2];\n").kind(), FaultKind::misaligned);
  EXPECT_EQ(Trial("ld.global.u64 %a2, [%a0+4];\n").kind(), FaultKind::misaligned);
  EXPECT_EQ(Trial("ld.global.v2.u32 {%r2, %r3}, [%a0+4];\n").kind(), FaultKind::misaligned);
  EXPECT_EQ(Trial("ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%a0+8];\n").kind(), FaultKind::misaligned);
}

TEST(Machine, RegistersHaveToBeWritten) {
  EXPECT_EQ(Trial("add.u32 %r2, %r3, 1;\n").kind(), FaultKind::uninitialised);
  EXPECT_EQ(Trial("@%q0 mov.u32 %r2, 1;\n").kind(), FaultKind::uninitialised);
  const std::string guarded = "setp.lt.u32 %q0, %r1, 5;\n@%q0 mov.u32 %r2, 1;\n";
  EXPECT_EQ(Trial(guarded + "@%q0 st.global.u32 [%a1], %r2;\n").kind(), FaultKind::none);
  Trial run(guarded + "st.global.u32 [%a1], %r2;\n");
  EXPECT_EQ(run.kind(), FaultKind::uninitialised);
  EXPECT_EQ(run.scene.fault->thread[0], 5u);
}

TEST(Machine, CopiesOfUndefinedRegistersOnRequest) {
  const std::string copy = "setp.lt.u32 %q0, %r1, 5;\n@%q0 mov.u32 %r2, 1;\nmov.u32 %r3, %r2;\nselp.u32 %r4, %r3, 7, %q0;\n";
  for (const bool allowed : {false, true})
    for (const bool used : {false, true}) {
      Scene scene(kernel(copy + (used ? "st.global.u32 [%a1], %r3;\n" : "st.global.u32 [%a1], %r4;\n")));
      scene.machine.options.copyUndefined = allowed;
      scene.pass(scene.buffer(std::vector<uint32_t>(32)));
      scene.pass(uint32_t(32));
      EXPECT_EQ(scene.run({}, {32}).empty(), allowed && !used);
    }
}

TEST(Machine, BytesHaveToBeWritten) {
  EXPECT_EQ(Trial("ld.shared.u32 %r2, [dyn];\n", 1, 1, 16).kind(), FaultKind::uninitialised);
  EXPECT_EQ(Trial("st.shared.u16 [dyn], %r1;\nld.shared.u32 %r2, [dyn];\n", 1, 1, 16).kind(), FaultKind::uninitialised);
  EXPECT_EQ(Trial("st.shared.u32 [dyn], %r1;\nld.shared.u32 %r2, [dyn];\n", 1, 1, 16).kind(), FaultKind::none);
  EXPECT_EQ(Trial("st.shared.u32 [dyn+16], %r1;\n", 1, 1, 16).kind(), FaultKind::outOfBounds);
  Scene scene(kernel("ld.global.u8 %r2, [%a0];\n"));
  const uint64_t address = scene.uninitialised(64);
  scene.pass(address);
  scene.pass(uint32_t(0));
  EXPECT_NE(scene.run({}, {1}).find("global memory that nobody wrote"), std::string::npos);
  EXPECT_FALSE(scene.machine.initialised(address, 64));
  EXPECT_TRUE(scene.machine.fill(address, 1, 64));
  EXPECT_EQ(scene.run({}, {1}), "");
}

TEST(Machine, FreedMemoryIsGone) {
  Scene scene(kernel("ld.global.u8 %r2, [%a0];\n"));
  const uint64_t address = scene.buffer(std::vector<uint8_t>(64));
  scene.pass(address);
  scene.pass(uint32_t(0));
  EXPECT_EQ(scene.run({}, {1}), "");
  EXPECT_TRUE(scene.machine.free(address));
  EXPECT_FALSE(scene.machine.free(address));
  EXPECT_EQ(scene.machine.allocate(64) == address, false);
  EXPECT_NE(scene.run({}, {1}), "");
}

TEST(Machine, LocalSharedConstantAndGenericAddresses) {
  const std::string text =
      ".const .align 4 .u32 table[4] = {10, 20, 30, 40};\n.visible .global .align 8 .u32 counter = 5;\n"
      ".visible .entry f(.param .u64 p) {\n.local .align 8 .b8 depot[16];\n.shared .align 8 .b8 mine[128];\n"
      ".reg .b64 %a<9>;\n.reg .b32 %r<9>;\nmov.u64 %a0, depot;\ncvta.local.u64 %a1, %a0;\nmov.u32 %r0, %tid.x;\n"
      "st.u32 [%a1+8], %r0;\nld.local.u32 %r1, [%a0+8];\nmov.u64 %a2, mine;\ncvta.shared.u64 %a3, %a2;\n"
      "mad.wide.u32 %a4, %r0, 4, %a3;\nst.u32 [%a4], %r1;\ncvta.to.shared.u64 %a5, %a4;\nld.shared.u32 %r2, [%a5];\n"
      "and.b32 %r3, %r0, 3;\nmov.u64 %a6, table;\nmad.wide.u32 %a6, %r3, 4, %a6;\nld.const.u32 %r4, [%a6];\n"
      "add.u32 %r2, %r2, %r4;\nld.global.u32 %r5, [counter];\nadd.u32 %r2, %r2, %r5;\nld.param.u64 %a7, [p];\n"
      "mad.wide.u32 %a7, %r0, 4, %a7;\nst.u32 [%a7], %r2;\nret;\n}\n";
  Scene scene(text);
  const uint64_t out = scene.uninitialised(128);
  scene.pass(out);
  EXPECT_EQ(scene.run({}, {32}), "");
  const auto result = scene.read<uint32_t>(out, 32);
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(result[i], i + 5 + 10 * (i % 4 + 1));
}

TEST(Machine, DivergentLanesMeetAgain) {
  // Collatz steps: a loop that each lane leaves at its own time, with an if and else inside; then all lanes vote.
  const std::string body =
      "add.u32 %r2, %r1, 1;\nmov.u32 %r3, 0;\n$loop:\nsetp.eq.u32 %q0, %r2, 1;\n@%q0 bra $out;\nadd.u32 %r3, %r3, 1;\n"
      "and.b32 %r4, %r2, 1;\nsetp.eq.u32 %q1, %r4, 0;\n@%q1 bra $even;\nmad.lo.u32 %r2, %r2, 3, 1;\nbra $loop;\n$even:\n"
      "shr.u32 %r2, %r2, 1;\nbra $loop;\n$out:\nactivemask.b32 %r5;\nsetp.eq.u32 %q2, %r5, 0xffffffff;\n"
      "selp.u32 %r6, %r3, 9999, %q2;\nst.global.u32 [%a1], %r6;\n";
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Trial run(body, 32, 32, 0, seed);
    EXPECT_EQ(run.text, "");
    EXPECT_GT(run.scene.machine.statistics().divergentBranches, 10u);
    for (uint32_t i = 0; i < 32; ++i) {
      uint32_t steps = 0;
      for (uint64_t x = i + 1; x != 1; x = x % 2 ? 3 * x + 1 : x / 2)
        ++steps;
      EXPECT_EQ(run.result[i], steps);
    }
  }
}

TEST(Machine, ColdBlocksBehindTheEndMeetTheOthers) {
  const std::string body =
      "setp.lt.u32 %q0, %r1, 7;\nmov.u32 %r2, 1;\n@%q0 bra $cold;\n$join:\nshfl.sync.bfly.b32 %r3, %r2, 1, 31, -1;\n"
      "st.global.u32 [%a1], %r3;\nret;\n$cold:\nmov.u32 %r2, 2;\nbra $join;\n";
  for (uint64_t seed = 0; seed < 8; ++seed) {
    Trial run(body, 32, 32, 0, seed);
    EXPECT_EQ(run.text, "");
    EXPECT_EQ(run.result[7], 2u);
    EXPECT_EQ(run.result[6], 1u);
  }
}

TEST(Machine, WarpWideInstructionsNeedTheirLanes) {
  EXPECT_EQ(Trial("setp.lt.u32 %q0, %r1, 7;\n@%q0 shfl.sync.bfly.b32 %r3, %r1, 1, 31, -1;\n").kind(), FaultKind::divergence);
  EXPECT_EQ(Trial("setp.lt.u32 %q0, %r1, 8;\n@%q0 shfl.sync.bfly.b32 %r3, %r1, 1, 31, 0xff;\n").kind(), FaultKind::none);
  EXPECT_EQ(Trial("setp.lt.u32 %q0, %r1, 8;\n@%q0 shfl.sync.bfly.b32 %r3, %r1, 8, 31, 0xff;\n").kind(), FaultKind::divergence);
  EXPECT_EQ(Trial("setp.lt.u32 %q0, %r1, 7;\n@%q0 bar.sync 0;\n").kind(), FaultKind::divergence);
  EXPECT_EQ(Trial("setp.lt.u32 %q0, %r1, 7;\n@%q0 bar.warp.sync -1;\n").kind(), FaultKind::divergence);
  EXPECT_EQ(Trial("setp.lt.u32 %q0, %r1, 32;\n@%q0 bar.sync 0;\n", 64, 64).kind(), FaultKind::none); // the other warp ends
  EXPECT_EQ(Trial("setp.lt.u32 %q0, %r1, 32;\n@%q0 bar.sync 0;\n@!%q0 bar.sync 1;\n", 64, 64).kind(), FaultKind::deadlock);
}

TEST(Machine, LaunchesAreChecked) {
  Scene scene(".visible .entry f(.param .u32 a, .param .align 8 .b8 b[12])\n.maxntid 64\n{\n.reg .b32 %r<2>;\nld.param.u32 %r0, "
              "[b+8];\nret;\n}\n");
  EXPECT_NE(scene.run({}, {32}).find("0 parameters; the kernel has 2"), std::string::npos);
  scene.pass(uint32_t(1));
  scene.pass(std::array<uint32_t, 3>{1, 2, 3});
  EXPECT_EQ(scene.run({}, {64}), "");
  EXPECT_NE(scene.run({}, {65}).find("`.maxntid` allows 64"), std::string::npos);
  EXPECT_NE(scene.run({}, {32}, 300000).find("bytes of shared memory"), std::string::npos);
  EXPECT_NE(scene.run({}, {32}, 0, 0, "g").find("no such kernel"), std::string::npos);
}
