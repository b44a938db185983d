// ParserTest.cpp: what the parser takes and what it refuses.
#include "Corpus.h"

#include "Decoder.h"

#include <random>

using namespace kv::ptx;
using namespace kv::ptx::test;

namespace {

std::string body(const std::string &text) {
  return moduleText(".visible .entry f() {\n.reg .b32 %r<4>;\n.reg .b64 %a<2>;\n.reg .pred %p<2>;\n" + text + "\n}\n");
}

} // namespace

TEST(Parser, PatternsMatchWholeMnemonics) {
  EXPECT_TRUE(matches("add{.sat|}.{s32|u32}", "add.sat.s32"));
  EXPECT_TRUE(matches("add{.sat|}.{s32|u32}", "add.u32"));
  EXPECT_FALSE(matches("add{.sat|}.{s32|u32}", "add.s32.sat"));
  EXPECT_FALSE(matches("add{.sat|}.{s32|u32}", "add.s64"));
  EXPECT_FALSE(matches("add.<int>", "add"));
  EXPECT_TRUE(matches("add.<int>", "add.s64"));
}

TEST(Parser, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(parseError(body("ret;\nwgmma.fence.sync.aligned;")),
            "line 9: `wgmma.fence.sync.aligned` is no instruction that this interpreter knows");
  EXPECT_NE(parseError(body("add.s32.foo %r0, %r1, %r2;")).find("`add.s32.foo`"), std::string::npos);
  EXPECT_NE(parseError(body("ld.global.u32.v2 {%r0, %r1}, [%a0];")).find("is no instruction"), std::string::npos);
  EXPECT_NE(parseError(moduleText(".extern .func (.param .b32 r) __nv_expf (.param .b32 x);")).find("an external function"),
            std::string::npos);
  EXPECT_NE(parseError(body("call.uni foo;")).find("is no instruction"), std::string::npos);
}

TEST(Parser, ChecksOperands) {
  EXPECT_NE(parseError(body("add.s32 %r0, %r1, %a0;")).find("expected a register of .s32"), std::string::npos);
  EXPECT_NE(parseError(body("add.s32 %r0, %r1, %x;")).find("`%x` is not declared"), std::string::npos);
  EXPECT_NE(parseError(body("add.s32 %r0, %r1;")).find("expected 3 operands, got 2"), std::string::npos);
  EXPECT_NE(parseError(body("bra $nowhere;")).find("no label `$nowhere`"), std::string::npos);
  EXPECT_NE(parseError(body("ld.global.u32 %r0, [%r1];")).find("cannot be an address"), std::string::npos);
  EXPECT_NE(parseError(body("add.f32 %r0, %r1, 1;")).find("no floating-point constant"), std::string::npos);
  EXPECT_NE(parseError(body("cp.async.cg.shared.global [%a0], [%a1], 8;")).find("expected 16 bytes"), std::string::npos);
}

TEST(Parser, ScopesAndDirectives) {
  const auto module =
      parsed(".version 7.8\n.target sm_80, debug\n.address_size 64\n.file 1 \"a.c\"\n.visible .entry f()\n.maxntid 128, 1, 1\n"
             ".minnctapersm 2\n{\n.reg .b32 %r<3>;\n.loc 1 2 3\n.pragma \"nounroll\";\nmov.b32 %r1, 7;\n{\n.reg .b32 %r1;\n"
             "mov.b32 %r1, 8;\n}\nadd.s32 %r2, %r1, 1;\nret;\n}\n.section .debug_str { .b8 1, 2 }\n");
  EXPECT_EQ(module->version, 78u);
  EXPECT_EQ(module->target, 80u);
  const Kernel &kernel = *module->find("f");
  EXPECT_EQ(kernel.maxThreads[0], 128u);
  EXPECT_TRUE(parsed(body("{\nbra L;\nL:\n}\n{\nbra L;\nL:\nbra M;\n}\nM:\nret;"))->find("f"));
  EXPECT_NE(parseError(body("{\nL:\n}\nbra L;")).find("no label `L`"), std::string::npos);
  EXPECT_EQ(kernel.code.size(), 5u); // and the ret of its end
  EXPECT_EQ(kernel.code[2].operands[1].index, kernel.code[0].operands[0].index);
  EXPECT_NE(kernel.code[1].operands[0].index, kernel.code[0].operands[0].index);
}

TEST(Parser, TakesWhatLlvmPrints) {
  const auto module = parsed(inputText("llvm"));
  for (const char *name : {"fl", "in", "mm"})
    EXPECT_GT(module->find(name)->code.size(), 40u);
}

TEST(Parser, SurvivesDamage) {
  std::mt19937 random(1);
  for (const char *name : {"llvm", "gemm", "bulk"}) {
    const std::string text = inputText(name);
    for (int i = 0; i < 300; ++i) {
      std::string damaged = text;
      const size_t at = random() % text.size(), length = random() % 8;
      switch (i % 3) {
      case 0:
        damaged.resize(at);
        break;
      case 1:
        damaged.erase(at, length);
        break;
      default:
        damaged.insert(at, text.substr(random() % text.size(), length));
      }
      const ParseResult result = parseModule(damaged);
      EXPECT_NE(result.module == nullptr, result.error.empty());
    }
  }
}
