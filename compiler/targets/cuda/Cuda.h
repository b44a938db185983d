// The CUDA family.
#ifndef KV_TARGETS_CUDA_H
#define KV_TARGETS_CUDA_H

#include "compiler/targets/Target.h"

namespace kv {

/// Most capable first.
std::vector<Target> cudaTargets();

/// Patterns of the family's own instructions.
void addCudaInstructions(mlir::RewritePatternSet &patterns, const Target &target);

/// Adds to each kernel what is launched: `CACHE_append` gets NAME__grid(kv_step step, i64 least), every attend NAME__grid(kv_step
/// step, i64 appends). kv_abi.h says what the grids are.
void addGrids(mlir::ModuleOp module, llvm::MutableArrayRef<KernelFunctions> kernels);

/// Turns grids into entries of PTX, which hold all that they call.
void finishEntries(llvm::Module &code, const Target &target, llvm::TargetMachine &machine);

/// What the name of a grid's function ends in.
inline constexpr llvm::StringLiteral gridSuffix = "__grid";

} // namespace kv

#endif
