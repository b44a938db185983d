// See LowerEntry.cpp.
#ifndef KV_LOWER_ENTRY_H
#define KV_LOWER_ENTRY_H

#include "dialect/KvOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace kv {

/// Makes loads and stores of kv.step, kv.item, kv.argument, kv.new_item and kv.set_item in a function whose first argument is the
/// step and whose second, if it reads fields of one, the item.
void lowerEntry(mlir::func::FuncOp func);

/// Where a field lies in kv_step, or kv_item, in bytes.
int64_t offsetOf(StepField field);
int64_t offsetOf(ItemField field);
/// Bytes of kv_step that kernels read.
int64_t stepBytes();

} // namespace kv

#endif
