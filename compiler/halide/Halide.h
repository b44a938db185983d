// The Halide route: functions that a module declares are made by kvcc-halide, a process of its own, and linked into its code.
#ifndef KV_HALIDE_HALIDE_H
#define KV_HALIDE_HALIDE_H

#include "compiler/halide/Plan.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"

#include <optional>

namespace kv::halide {

/// A function of the plan that has been made, as LLVM bitcode.
struct Made {
  std::string name;
  std::optional<Block> block; ///< what it is to be, where it takes rows through a block
  std::string bitcode;
};
using Functions = std::vector<Made>;

/// What the module's declarations with `kv.halide` ask for, for a target of Halide.
Plan writePlan(mlir::ModuleOp module, const std::string &target);

/// Runs kvcc-halide, which stands beside this program, or where the environment variable KVCC_HALIDE says.
llvm::Expected<Functions> buildFunctions(const Plan &plan);

/// Adds prefetches of the block ahead to the loops of products.
void prefetchAhead(llvm::Function &function, const Block &plan);

/// Puts the functions in the places of their declarations, as if `code` had them of its own.
llvm::Error linkFunctions(llvm::Module &code, const Functions &functions);

} // namespace kv::halide

#endif
