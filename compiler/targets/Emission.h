// Vectors -> LLVM IR -> object: the tail that every CPU target shares.
#ifndef KV_TARGETS_EMISSION_H
#define KV_TARGETS_EMISSION_H

#include "compiler/halide/Halide.h"
#include "compiler/targets/Target.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Error.h"

namespace kv {

/// Passes from arith, vector and scf to the llvm dialect.
void addLowerToLLVM(mlir::PassManager &passes);

/// Emits a module of the llvm dialect, with functions that it declares, as an object (or assembly); an error says what went wrong.
llvm::Expected<std::string> emitObject(mlir::ModuleOp module, const halide::Functions &functions, const Target &target,
                                       bool assembly);

} // namespace kv

#endif
