// The instruction table of x86-64.
#ifndef KV_TARGETS_X86_INSTRUCTIONS_H
#define KV_TARGETS_X86_INSTRUCTIONS_H

#include "compiler/targets/Target.h"

namespace kv {
void addX86Instructions(mlir::RewritePatternSet &patterns, const Target &target);
}

#endif
