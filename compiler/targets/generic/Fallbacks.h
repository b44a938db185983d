// What the neutral instructions are on any processor: arithmetic on vectors.
#ifndef KV_TARGETS_GENERIC_FALLBACKS_H
#define KV_TARGETS_GENERIC_FALLBACKS_H

#include "compiler/targets/Target.h"

namespace kv {
/// Uses the target's fused multiply-add and f16 conversion where it has them, and integer arithmetic where not; calls no library.
void addFallbacks(mlir::RewritePatternSet &patterns, const Target &target);
/// math.powf.
void addPower(mlir::RewritePatternSet &patterns);
} // namespace kv

#endif
