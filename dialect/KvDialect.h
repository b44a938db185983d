// The kv dialect (KvDialect.td) and its enums.
#ifndef KV_DIALECT_H
#define KV_DIALECT_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"

#include "dialect/KvDialect.h.inc"
#include "dialect/KvEnums.h.inc"

#endif
