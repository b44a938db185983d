// Operations of the kv dialect: level 0 (KvOps.td), the step and its item (KvStepOps.td), the online level
// (KvOnlineOps.td), levels 1 and 2 (KvTileOps.td, KvProductOps.td), machine operations (KvMachineOps.td).
#ifndef KV_OPS_H
#define KV_OPS_H

#include "dialect/KvTypes.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace kv {

/// What a field of kv_step or kv_item is: a 64-bit number, or a pointer, maybe to an array of numbers of 32 or 64 bits.
enum class FieldKind { number, pointer, numbers32, numbers64 };
FieldKind kindOf(StepField field);
FieldKind kindOf(ItemField field);

/// Whether a region is empty or the score of an attend: of (f32, i32, i32, index), ended by kv.yield.
bool isScore(mlir::Region &score);

/// The arrays that the function of an append or attend declares: its arguments after the cache, the queries and the new tokens.
mlir::Block::BlockArgListType declaredArrays(mlir::FunctionOpInterface function);

} // namespace kv

#define GET_OP_CLASSES
#include "dialect/KvOps.h.inc"

#endif
