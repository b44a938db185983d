// The x86-64 family.
#ifndef KV_TARGETS_X86_H
#define KV_TARGETS_X86_H

#include "compiler/targets/Target.h"

namespace kv {

/// Most capable first.
std::vector<Target> x86Targets();

} // namespace kv

#endif
