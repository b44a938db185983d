// Operations of the kv dialect: level 0 (KvOps.td) and levels 1 and 2 (KvTileOps.td).
#ifndef KV_OPS_H
#define KV_OPS_H

#include "dialect/KvTypes.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "dialect/KvOps.h.inc"

#endif
