// The pass that chooses.
#ifndef KV_SCHEDULE_PASSES_H
#define KV_SCHEDULE_PASSES_H

#include "compiler/schedule/Capabilities.h"
#include "mlir/Pass/Pass.h"

namespace kv {

/// Writes a #kv.schedule on every level-0 op and resolves `auto` orders: the one pass that looks at the target.
std::unique_ptr<mlir::Pass> createSelectSchedulePass(const Capabilities &capabilities);

} // namespace kv

#endif
