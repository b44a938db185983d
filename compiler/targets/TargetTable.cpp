// Every target that there is.
#include "compiler/targets/Target.h"

#include "compiler/targets/x86/X86.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/TargetParser/Host.h"

namespace kv {

static std::vector<Target> makeTargets() {
  std::vector<Target> all = x86Targets();
  Target generic;
  generic.capabilities.name = "generic";
  generic.triple = llvm::sys::getDefaultTargetTriple();
  all.push_back(generic);
  return all;
}

llvm::ArrayRef<Target> targets() {
  static const std::vector<Target> all = makeTargets();
  return all;
}

const Target *findTarget(llvm::StringRef name) {
  if (name == "native") {
    llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
    for (const Target &target : targets())
      if (runsOn(target, host))
        return &target;
  }
  for (const Target &target : targets())
    if (target.name() == name)
      return &target;
  return nullptr;
}

std::string targetNames() {
  return llvm::join(llvm::map_range(targets(), [](const Target &target) { return target.name(); }), ", ");
}

} // namespace kv
