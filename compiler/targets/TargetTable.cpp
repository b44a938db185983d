// Every target that there is.
#include "compiler/targets/Target.h"

#include "compiler/targets/arm/Arm.h"
#include "compiler/targets/cuda/Cuda.h"
#include "compiler/targets/x86/X86.h"
#include "kv/kv_abi.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

namespace kv {

static std::vector<Target> makeTargets() {
  std::vector<Target> all = x86Targets();
  llvm::append_range(all, armTargets());
  llvm::append_range(all, cudaTargets());
  Target generic;
  generic.capabilities.name = "generic";
  generic.triple = llvm::sys::getDefaultTargetTriple();
  generic.halide = llvm::Triple(generic.triple).isX86() ? "x86-64-linux" : "arm-64-linux";
  all.push_back(generic);
  return all;
}

llvm::ArrayRef<Target> targets() {
  static const std::vector<Target> all = makeTargets();
  return all;
}

const Target *halideTwin(const Target &target) {
  static const std::vector<std::unique_ptr<Target>> twins = [] {
    std::vector<std::unique_ptr<Target>> all;
    for (const Target &each : targets()) {
      if (each.halide.empty())
        continue;
      Target twin = each;
      twin.twinName = each.name() + "+halide";
      twin.capabilities.halide = true;
      twin.capabilities.dots = each.halideDots;
      twin.capabilities.dots.push_back({Dot::f32, "fma"});
      all.push_back(std::make_unique<Target>(std::move(twin)));
    }
    return all;
  }();
  for (const std::unique_ptr<Target> &twin : twins)
    if (twin->capabilities.name == target.capabilities.name)
      return twin.get();
  return nullptr;
}

/// Whether this machine runs the target's code, as far as LLVM can tell; it cannot tell the length of scalable vectors.
static bool runsHere(const Target &target) {
  if (target.vectorBits || llvm::Triple(target.triple).getArch() != llvm::Triple(llvm::sys::getProcessTriple()).getArch())
    return false;
  static const struct {
    uint64_t bit;
    std::vector<const char *> needs; ///< LLVM's names
  } table[] = {
      {KV_FEATURE_X86_V3, {"avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe"}},
      {KV_FEATURE_X86_V4, {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}},
      {KV_FEATURE_X86_AVX512_VNNI, {"avx512vnni"}},
      {KV_FEATURE_X86_AVX512_BF16, {"avx512bf16"}},
      {KV_FEATURE_X86_AVX_VNNI, {"avxvnni"}},
      {KV_FEATURE_ARM_DOTPROD, {"dotprod"}},
      {KV_FEATURE_ARM_FP16, {"fullfp16"}},
      {KV_FEATURE_ARM_I8MM, {"i8mm"}},
      {KV_FEATURE_ARM_BF16, {"bf16"}},
  };
  static const llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  for (const auto &row : table)
    if (target.featureMask & row.bit)
      for (const char *need : row.needs)
        if (!host.lookup(need))
          return false;
  return true;
}

const Target *findTarget(llvm::StringRef name) {
  if (name == "native")
    for (const Target &target : targets())
      if (runsHere(target))
        return &target;
  for (const Target &target : targets())
    if (target.name() == name)
      return &target;
  return nullptr;
}

std::string targetNames() {
  return llvm::join(llvm::map_range(targets(), [](const Target &target) { return target.name(); }), ", ");
}

} // namespace kv
