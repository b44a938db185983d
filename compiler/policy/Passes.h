// Passes of level 0.
#ifndef KV_POLICY_PASSES_H
#define KV_POLICY_PASSES_H

#include "mlir/Pass/Pass.h"

namespace kv {

/// kv.append followed by kv.attend on the same cache -> kv.append_attend.
std::unique_ptr<mlir::Pass> createFuseAppendAttendPass();

} // namespace kv

#endif
