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

std::vector<Target> armTargets() {
  Target neon;
  neon.capabilities.name = "aarch64";
  neon.capabilities.lanes = 4;
  neon.capabilities.registers = 32;
  neon.triple = "aarch64-unknown-linux-gnu";
  neon.cpu = "generic";
  neon.tuneCpu = "neoverse-v2"; // LLVM's model of the baseline moves accumulators to the stack
  neon.hasFma = neon.hasHalf = true;
  neon.addInstructions = addArmInstructions;

  Target dotprod = extend(neon, "+dotprod+fp16", "+dotprod,+fullfp16", KV_FEATURE_ARM_DOTPROD | KV_FEATURE_ARM_FP16);
  dotprod.capabilities.dots = {{Dot::s8s8, "dotprod"}, {Dot::u8u8, "dotprod"}, {Dot::f32, "fma"}};
  Target i8mm = extend(dotprod, "+i8mm", ",+i8mm", KV_FEATURE_ARM_I8MM);
  i8mm.capabilities.dots = {
      {Dot::s8s8, "dotprod"}, {Dot::s8u8, "usdot"}, {Dot::u8u8, "dotprod"}, {Dot::u8s8, "usdot"}, {Dot::f32, "fma"}};
  Target bf16 = extend(i8mm, "+bf16", ",+bf16", KV_FEATURE_ARM_BF16);
  bf16.capabilities.dots.insert(bf16.capabilities.dots.begin(), {Dot::bf16, "bfdot"});
  Target sve256 = withVectors(dotprod, 256, KV_FEATURE_ARM_SVE_256), sve512 = withVectors(dotprod, 512, KV_FEATURE_ARM_SVE_512);
  return {sve512, sve256, bf16, i8mm, dotprod, neon};
}

} // namespace kv
