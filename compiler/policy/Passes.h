// Passes of level 0.
#ifndef KV_POLICY_PASSES_H
#define KV_POLICY_PASSES_H

#include "dialect/KvOps.h"
#include "mlir/Pass/Pass.h"

namespace kv {

/// Which tokens the attend's queries see; an error where the mask is no union of runs of tokens.
mlir::FailureOr<VisibleAttr> analyzeMask(AttendOp attend);

/// kv.attend -> the same with `visible`.
std::unique_ptr<mlir::Pass> createAnalyzeMaskPass();

/// kv.append followed by kv.attend on the same cache -> kv.append_attend.
std::unique_ptr<mlir::Pass> createFuseAppendAttendPass();

} // namespace kv

#endif
