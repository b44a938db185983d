// The records of the AArch64 levels. SVE code is made for one vector length and runs at no other: with shorter vectors its results
// are wrong, with longer ones it traps.
#include "compiler/targets/arm/Arm.h"

#include "compiler/targets/arm/Instructions.h"
#include "kv/kv_abi.h"

namespace kv {

static Target extend(Target target, const std::string &name, const char *features, uint64_t mask) {
  target.capabilities.name += name;
  target.cpuFeatures += features;
  target.featureMask |= mask;
  return target;
}

static Target withVectors(Target target, int64_t bits, uint64_t mask) {
  target.capabilities.name = "aarch64+sve" + std::to_string(bits);
  target.capabilities.lanes = bits / 32;
  target.vectorBits = bits;
  target.cpuFeatures += ",+sve";
  target.featureMask |= KV_FEATURE_ARM_SVE | mask;
  return target;
}

static DotTable join(std::initializer_list<DotTable> tables) {
  DotTable all;
  for (const DotTable &table : tables)
    all.append(table);
  return all;
}

std::vector<Target> armTargets() {
  Target neon;
  neon.capabilities.name = "aarch64";
  neon.capabilities.lanes = 4;
  neon.capabilities.registers = 32;
  neon.triple = "aarch64-unknown-linux-gnu";
  neon.halide = "arm-64-linux";
  neon.cpu = "generic";
  neon.tuneCpu = "neoverse-v2"; // LLVM's model of the baseline moves accumulators to the stack
  neon.hasFma = neon.hasHalf = true;
  neon.addInstructions = addArmInstructions;

  Target dotprod = extend(neon, "+dotprod+fp16", "+dotprod,+fullfp16", KV_FEATURE_ARM_DOTPROD | KV_FEATURE_ARM_FP16);
  dotprod.capabilities.dots = {
      {Dot::s8s8, "dotprod"}, {Dot::u8u8, "dotprod"}, {Dot::s8s8x2, "dotprod"}, {Dot::u8u8x2, "dotprod"}, {Dot::f32, "fma"}};
  dotprod.halide += "-arm_dot_prod";
  dotprod.halideDots = {{Dot::s8s8, "dotprod"}, {Dot::u8u8, "dotprod"}};
  Target i8mm = extend(dotprod, "+i8mm", ",+i8mm,+fp16fml", KV_FEATURE_ARM_I8MM | KV_FEATURE_ARM_FHM);
  const DotTable matrix = {{Dot::s8s8mm, "i8mm"}, {Dot::s8u8mm, "i8mm"}, {Dot::u8u8mm, "i8mm"}},
                 halves = {{Dot::bf16mm, "bfmmla"}, {Dot::bf16, "bfdot"}},
                 mixed = {{Dot::s8s8, "dotprod"}, {Dot::s8u8, "usdot"}, {Dot::u8u8, "dotprod"}, {Dot::u8s8, "usdot"}},
                 bytes = {{Dot::s8s8x2, "dotprod"}, {Dot::s8u8x2, "usdot"}, {Dot::u8u8x2, "dotprod"}, {Dot::u8s8x2, "usdot"}};
  i8mm.capabilities.dots = join({matrix, mixed, bytes, {{Dot::f16, "fmlal"}, {Dot::f32, "fma"}}});
  Target bf16 = extend(i8mm, "+bf16", ",+bf16", KV_FEATURE_ARM_BF16);
  bf16.capabilities.dots = join({halves, i8mm.capabilities.dots});

  std::vector<Target> targets;
  for (auto [bits, length] : {std::pair(512, KV_FEATURE_ARM_SVE_512), {256, KV_FEATURE_ARM_SVE_256}}) {
    Target sve = withVectors(dotprod, bits, length);
    Target all = extend(sve, "+i8mm+bf16", ",+i8mm,+bf16", KV_FEATURE_ARM_I8MM | KV_FEATURE_ARM_BF16);
    all.capabilities.dots = join({halves, matrix, mixed, bytes, {{Dot::f32, "fma"}}});
    targets.push_back(all);
    targets.push_back(sve);
  }
  targets.insert(targets.end(), {bf16, i8mm, dotprod, neon});
  return targets;
}

} // namespace kv
