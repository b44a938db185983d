// From level 0 to the object of one target. Errors are reported through MLIR's diagnostics.
#ifndef KV_COMPILE_H
#define KV_COMPILE_H

#include "compiler/halide/Halide.h"
#include "compiler/targets/Emission.h"

namespace kv {

struct LowerOptions {
  std::string until; ///< stop after this phase and print the IR to `dump`
  llvm::raw_ostream *dump = nullptr;
  bool assembly = false;                                        ///< emit assembly text in place of an object
  std::function<void(llvm::StringRef phase, double ms)> timing; ///< called after each phase
};

/// A level-0 function, before it is lowered away.
struct SourceFunction {
  std::string name, cache;
  bool append, attend;
  CacheType type;
  VisibleAttr visible = {}; ///< null where nothing is attended
  int64_t headsQ = 0;
};

/// Kernels in instructions of one target.
struct LoweredModule {
  const Target *target;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<SourceFunction> functions;
  bool stopped; ///< where `until` wanted it; nothing is to be emitted
  halide::Functions made;
  llvm::StringMap<const Target *> owners; ///< of functions whose code another target's object has (shareFunctions)
};

/// Level 0 -> kernels in instructions of the target. Errors are reported through MLIR's diagnostics.
mlir::FailureOr<LoweredModule> lowerForTarget(mlir::OwningOpRef<mlir::ModuleOp> module, const Target &target,
                                              const LowerOptions &options);

/// An error for each kernel that needs more shared memory than a device of the target has.
mlir::LogicalResult checkTeamMemory(const LoweredModule &lowered);

/// Has Halide make what the module declares of it, before it is emitted. Errors, which are the user's (there is no Halide, or it
/// does not cover the order of some codes), are reported through MLIR's diagnostics.
mlir::LogicalResult makeHalideFunctions(LoweredModule &lowered, const LowerOptions &options);

/// Kernels by name, and the code of all, still to be generated.
struct TranslatedModule {
  std::vector<KernelFunctions> kernels;
  std::optional<Translation> code; ///< none with `until`
};

/// Kernels -> LLVM IR. Errors are reported through MLIR's diagnostics.
mlir::FailureOr<TranslatedModule> translateForTarget(LoweredModule &lowered, const LowerOptions &options);

/// Whether the code of `other`, whose target may have fewer features, is as good: what the target has besides makes no difference
/// to these kernels. Neither has been emitted.
bool emitsCodeOf(const LoweredModule &lowered, const LoweredModule &other);

/// Leaves to the objects of `others` what is the same function there: appends and merges of targets that differ in dot instructions
/// alone. The first of `others` that has it owns it. Nothing has been emitted.
void shareFunctions(LoweredModule &lowered, llvm::ArrayRef<const LoweredModule *> others);

/// The registries and extensions that the context of a compilation needs.
void registerDialects(mlir::DialectRegistry &registry);

} // namespace kv

#endif
