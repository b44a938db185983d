// Neutral instructions -> the target's own, or the fallbacks.
#ifndef KV_TARGETS_SELECT_INSTRUCTIONS_H
#define KV_TARGETS_SELECT_INSTRUCTIONS_H

#include "compiler/targets/Target.h"
#include "mlir/Pass/Pass.h"

namespace kv {
std::unique_ptr<mlir::Pass> createSelectInstructionsPass(const Target &target);
}

#endif
