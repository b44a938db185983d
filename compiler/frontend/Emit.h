// Checked tree to a level-0 module of the kv dialect: what the file says, for one sequence. Locations point into the `.kv` file.
#ifndef KV_FRONTEND_EMIT_H
#define KV_FRONTEND_EMIT_H

#include "compiler/frontend/Spec.h"
#include "dialect/KvTypes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/SourceMgr.h"

namespace kv {

/// For each cache C a function `C_append`; for each attend A on it `C_A` and `C_append_A`.
mlir::OwningOpRef<mlir::ModuleOp> emitModule(const CheckedFile &file, const llvm::SourceMgr &sources, mlir::MLIRContext &context);

} // namespace kv

#endif
