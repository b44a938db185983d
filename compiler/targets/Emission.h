// Vectors -> LLVM IR -> object: the tail that every CPU target shares.
#ifndef KV_TARGETS_EMISSION_H
#define KV_TARGETS_EMISSION_H

#include "compiler/halide/Halide.h"
#include "compiler/targets/Target.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/IR/OptBisect.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

namespace kv {

/// Passes from arith, vector and scf to the llvm dialect.
void addLowerToLLVM(mlir::PassManager &passes);

/// A module in LLVM IR with all that generating its code needs, and nothing of MLIR. Destruction runs from the last member to the
/// first: the code goes before its context. Do not assign one over another, which would not.
struct Translation {
  const Target *target;
  std::unique_ptr<llvm::OptPassGate> gate;
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::Module> code;
};

/// A module of the llvm dialect, with functions that it declares, to LLVM IR.
llvm::Expected<Translation> translate(mlir::ModuleOp module, const halide::Functions &functions, const Target &target);

/// An object, or assembly. Translations share nothing: each may have a thread of its own.
llvm::Expected<std::string> generateCode(Translation translation, bool assembly);

} // namespace kv

#endif
