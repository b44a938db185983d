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

const Target &nativeTarget(uint64_t features) {
  llvm::Triple::ArchType arch = llvm::Triple(llvm::sys::getProcessTriple()).getArch();
  return *llvm::find_if(targets(), [&](const Target &target) { // the last one needs nothing
    return !target.isLaunched() && llvm::Triple(target.triple).getArch() == arch && !(target.featureMask & ~features);
  });
}

const Target *findTarget(llvm::StringRef name) {
  for (const Target &target : targets())
    if (target.name() == name)
      return &target;
  return nullptr;
}

std::string targetNames() {
  return llvm::join(llvm::map_range(targets(), [](const Target &target) { return target.name(); }), ", ");
}

} // namespace kv
