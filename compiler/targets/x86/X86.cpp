// The records of the x86-64 levels. A level is named by its features, never by a processor: code for a named processor may use
// instructions that another of the same level lacks.
#include "compiler/targets/x86/X86.h"

#include "compiler/targets/x86/Instructions.h"
#include "kv/kv_abi.h"

#include <algorithm>

namespace kv {

static Target makeLevel(const char *name, const char *cpu, const char *modelCpu, int64_t lanes, int64_t registers, uint64_t mask) {
  Target target;
  target.capabilities.name = name;
  target.capabilities.lanes = lanes;
  target.capabilities.registers = registers;
  target.triple = "x86_64-unknown-linux-gnu";
  target.cpu = cpu;
  target.modelCpu = modelCpu;
  target.featureMask = mask;
  target.hasFma = target.hasHalf = true;
  target.halide =
      lanes == 16 ? "x86-64-linux-sse41-avx-f16c-fma-avx2-avx512-avx512_skylake" : "x86-64-linux-sse41-avx-f16c-fma-avx2";
  target.keepsOrder = true;
  target.addInstructions = addX86Instructions;
  return target;
}

std::vector<Target> x86Targets() {
  // Modelled on what LLVM has for the level itself; its models of later ones lack the second unit for 512-bit products.
  Target v3 = makeLevel("x86-64-v3", "x86-64-v3", "haswell", 8, 16, KV_FEATURE_X86_V3);
  Target v4 = makeLevel("x86-64-v4", "x86-64-v4", "skylake-avx512", 16, 32, KV_FEATURE_X86_V3 | KV_FEATURE_X86_V4);
  // Without VNNI an instruction and an addition, of 16-bit operands: as exact as `high`, and not slower for `fast`.
  v3.capabilities.dots = v4.capabilities.dots = {{Dot::s16, "vpmaddwd"}, {Dot::f32, "fma"}};
  const DotTable dots = {{Dot::u8s8, "vpdpbusd"},   {Dot::s8u8, "vpdpbusd"}, {Dot::u8s8x2, "vpdpbusd"},
                         {Dot::s8u8x2, "vpdpbusd"}, {Dot::s16, "vpdpwssd"},  {Dot::f32, "fma"}};
  Target avxVnni = v3;
  avxVnni.capabilities.name = "x86-64-v3+vnni";
  // A tile of an automatic layout, which is then asked for from its first line to its last: measured ten points of the streaming
  // read. The level below gained nothing by it, and its code is shorter without.
  avxVnni.capabilities.block = 64;
  avxVnni.cpuFeatures = "+avxvnni,+fast-dpwssd";
  avxVnni.modelCpu = "alderlake";
  avxVnni.featureMask |= KV_FEATURE_X86_AVX_VNNI;
  avxVnni.capabilities.dots = dots;
  Target vnni = v4;
  vnni.capabilities.name = "x86-64-v4+vnni";
  // The second is a preference: without it vpdpwssd becomes vpmaddwd and vpaddd, for a latency that many accumulators hide.
  vnni.cpuFeatures = "+avx512vnni,+fast-dpwssd";
  vnni.featureMask |= KV_FEATURE_X86_AVX512_VNNI;
  vnni.capabilities.dots = dots;
  vnni.halide += "-avx512_cannonlake-avx512_zen4"; // its names for what comes with VNNI
  vnni.halideDots = {{Dot::u8s8, "vpdpbusd"}, {Dot::s8u8, "vpdpbusd"}};
  Target bf16 = vnni;
  bf16.capabilities.name = "x86-64-v4+vnni+bf16";
  bf16.cpuFeatures += ",+avx512bf16";
  bf16.featureMask |= KV_FEATURE_X86_AVX512_BF16;
  // Not by default: some processors run it at a quarter of a multiply-add's rate, and it replaces two of those and two conversions.
  bf16.capabilities.dots.push_back({Dot::bf16, "vdpbf16ps"});
  Target fastBf16 = bf16;
  fastBf16.capabilities.name = "x86-64-v4+vnni+fastbf16";
  fastBf16.modelCpu = "znver4";
  fastBf16.featureMask |= KV_FEATURE_X86_BF16_RATE;
  std::rotate(fastBf16.capabilities.dots.begin(), std::prev(fastBf16.capabilities.dots.end()), fastBf16.capabilities.dots.end());
  return {fastBf16, bf16, vnni, v4, avxVnni, v3};
}

} // namespace kv
