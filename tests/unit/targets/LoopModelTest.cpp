// Loops found in assembled code, and what LLVM's models say of some whose cycles follow from latencies and ports alone.
#include "compiler/targets/LoopModel.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <gtest/gtest.h>

using namespace kv;

namespace {

/// An object with one function `f` of these instructions.
std::string assemble(const Target &target, const std::string &instructions) {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmPrinters();
  llvm::InitializeAllAsmParsers();
  llvm::LLVMContext context;
  llvm::Module module("loop", context);
  llvm::Triple triple(target.triple);
  std::string message;
  std::unique_ptr<llvm::TargetMachine> machine(llvm::TargetRegistry::lookupTarget(triple, message)
                                                   ->createTargetMachine(triple, target.cpu, target.cpuFeatures, {}, std::nullopt));
  module.setTargetTriple(triple);
  module.setDataLayout(machine->createDataLayout());
  module.setModuleInlineAsm(".globl f\n.type f, %function\nf:\n" + instructions + "\n.Lend:\n.size f, .Lend-f\n");
  llvm::SmallString<0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  llvm::legacy::PassManager passes;
  EXPECT_FALSE(machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile));
  passes.run(module);
  return buffer.str().str();
}

std::vector<LoopCost> loopsOf(const char *targetName, const std::string &instructions) {
  const Target &target = *findTarget(targetName);
  auto loops = modelLoops(assemble(target, instructions), target);
  if (!loops) {
    ADD_FAILURE() << llvm::toString(loops.takeError());
    return {};
  }
  return *loops;
}

// An addition of floats takes 2 cycles on Neoverse V2, and it has four units for them.
TEST(LoopModel, SeesTheLatencyOfOneSum) {
  auto loops = loopsOf("aarch64", "0: fadd v0.4s, v0.4s, v1.4s\nsubs x0, x0, #1\nb.ne 0b\nret");
  ASSERT_EQ(loops.size(), 1u);
  EXPECT_EQ(loops[0].function, "f");
  EXPECT_EQ(loops[0].offset, 0u);
  EXPECT_EQ(loops[0].instructions, 3u);
  EXPECT_EQ(loops[0].products, 0u);
  EXPECT_NEAR(loops[0].cycles, 2.0, 0.05);
  EXPECT_NEAR(loops[0].bound, 0.5, 0.01);
  EXPECT_NEAR(loops[0].ratio(), 4.0, 0.1);
}

// Shifts run on two of the four units that multiply, conversions take two cycles on the other two: none of the groups is busy for
// longer than two cycles, all four units together are for three.
TEST(LoopModel, CountsWhatGroupsOfUnitsShare) {
  auto loops = loopsOf("aarch64", "0: fmla v0.4s, v8.4s, v9.4s\nfmla v1.4s, v8.4s, v9.4s\nfmla v2.4s, v8.4s, v9.4s\n"
                                  "fmla v3.4s, v8.4s, v9.4s\nsshr v4.4s, v8.4s, #1\nsshr v5.4s, v8.4s, #1\nsshr v6.4s, v8.4s, #1\n"
                                  "sshr v7.4s, v8.4s, #1\nscvtf v16.4s, v9.4s\nscvtf v17.4s, v9.4s\nsubs x0, x0, #1\nb.ne 0b\nret");
  ASSERT_EQ(loops.size(), 1u);
  EXPECT_EQ(loops[0].products, 4u);
  EXPECT_NEAR(loops[0].blockBound, 14 / 6.0, 0.01); // six instructions are dispatched in a cycle
  EXPECT_NEAR(loops[0].bound, 3.0, 0.01);
  EXPECT_GE(loops[0].cycles, 2.95);
}

TEST(LoopModel, TakesInnermostLoopsThoseWithProductsFirst) {
  auto loops = loopsOf("aarch64", "0: mov x1, x2\n1: add x3, x3, x4\nadd x3, x3, x5\nsubs x1, x1, #1\nb.ne 1b\nsubs x0, x0, #1\n"
                                  "b.ne 0b\n2: fmla v0.4s, v1.4s, v2.s[0]\ncbnz x6, 2b\nret");
  ASSERT_EQ(loops.size(), 2u);
  EXPECT_EQ(loops[0].products, 1u);
  EXPECT_EQ(loops[0].offset, 28u);
  EXPECT_EQ(loops[1].offset, 4u);
  EXPECT_EQ(loops[1].instructions, 4u);
}

TEST(LoopModel, CountsSpillsHoweverTheyAreReached) {
  std::string fill = "fmla v0.4s, v1.4s, v2.4s\nsubs x0, x0, #1\nb.ne 0b\n";
  auto spills = [&](const std::string &before, const std::string &inside, const std::string &after = "") {
    auto loops = loopsOf("aarch64+sve256", before + "\n0: " + inside + "\n" + fill + after + "\nret");
    return loops.size() == 1 ? std::pair(loops[0].spills, loops[0].scalarSpills) : std::pair(size_t(99), size_t(99));
  };
  using Counts = std::pair<size_t, size_t>;
  EXPECT_EQ(spills("", "ldr q1, [sp, #16]\nstr z3, [sp, #1, mul vl]"), Counts(2, 0));
  EXPECT_EQ(spills("", "ldr x1, [sp, #16]\nldr s4, [sp, #8]"), Counts(0, 2));
  EXPECT_EQ(spills("mov x29, sp\nldr x29, [sp]", "ldr q1, [x29, #16]"), Counts(1, 0)) << "the frame pointer";
  EXPECT_EQ(spills("addvl x8, sp, #4", "ldr z1, [x8, #3, mul vl]"), Counts(1, 0)) << "a far slot";
  EXPECT_EQ(spills("add x8, sp, #64\nmov x8, x1", "ldr q1, [x8]\nldr q2, [x29]\nldr z3, [x2]"), Counts(0, 0)) << "not the stack";
}

TEST(LoopModel, SaysWhatItDoesNotModel) {
  auto loops = loopsOf("aarch64", "0: bl g\nsubs x0, x0, #1\nb.ne 0b\nret");
  ASSERT_EQ(loops.size(), 1u);
  EXPECT_EQ(loops[0].unmodelled, "holds a call");
  EXPECT_EQ(loopsOf("aarch64", "b g").size(), 0u) << "where the linker fills in the target there is no loop";
}

TEST(LoopModel, ReadsX86) {
  auto loops = loopsOf("x86-64-v4+vnni+bf16", "0: vpdpbusd (%rax), %zmm1, %zmm2\nvdpbf16ps %zmm1, %zmm3, %zmm4\n"
                                              "vmovups 64(%rsp), %zmm3\nvfmadd231ss %xmm1, %xmm1, %xmm5\nmovq 8(%rsp), %rbx\n"
                                              "decq %rcx\njne 0b\njmp g");
  ASSERT_EQ(loops.size(), 1u);
  EXPECT_EQ(loops[0].instructions, 7u);
  EXPECT_EQ(loops[0].products, 2u);
  EXPECT_EQ(loops[0].spills, 1u);
  EXPECT_EQ(loops[0].scalarSpills, 1u);
  EXPECT_GE(loops[0].ratio(), 0.99);
}

TEST(LoopModel, EveryProcessorHasAModel) {
  for (const Target &target : targets()) {
    if (target.modelledCpu().empty())
      continue;
    auto loops = modelLoops(assemble(target, "ret"), target);
    EXPECT_TRUE(bool(loops)) << target.name() << ": " << llvm::toString(loops.takeError());
  }
}

TEST(LoopModel, RefusesWhatIsNoObject) {
  auto loops = modelLoops("\t.text\n", *findTarget("aarch64"));
  EXPECT_FALSE(bool(loops));
  llvm::consumeError(loops.takeError());
}

} // namespace
