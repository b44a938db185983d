// The AArch64 family.
#ifndef KV_TARGETS_ARM_H
#define KV_TARGETS_ARM_H

#include "compiler/targets/Target.h"

namespace kv {

/// Most capable first.
std::vector<Target> armTargets();

} // namespace kv

#endif
