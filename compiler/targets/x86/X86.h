// The x86-64 family.
#ifndef KV_TARGETS_X86_H
#define KV_TARGETS_X86_H

#include "compiler/targets/Target.h"
#include "llvm/ADT/StringMap.h"

namespace kv {

/// Most capable first.
std::vector<Target> x86Targets();

/// Whether a machine with these LLVM features runs the target's code.
bool runsOn(const Target &target, const llvm::StringMap<bool> &features);

} // namespace kv

#endif
