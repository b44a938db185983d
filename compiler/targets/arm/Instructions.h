// The instruction table of AArch64.
#ifndef KV_TARGETS_ARM_INSTRUCTIONS_H
#define KV_TARGETS_ARM_INSTRUCTIONS_H

#include "compiler/targets/Target.h"

namespace kv {
void addArmInstructions(mlir::RewritePatternSet &patterns, const Target &target);
}

#endif
