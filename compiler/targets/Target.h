// Targets: data, an instruction table and the tail they share. The only folder that knows processors by name.
#ifndef KV_TARGETS_TARGET_H
#define KV_TARGETS_TARGET_H

#include "compiler/halide/Halide.h"
#include "compiler/schedule/Capabilities.h"
#include "dialect/KvTypes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/Support/raw_ostream.h"

#include <functional>

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace kv {

struct KernelFunctions;

struct Target {
  Capabilities capabilities;     ///< holds the name: "x86-64-v4+vnni"
  std::string triple;            ///< LLVM's
  std::string cpu;               ///< LLVM's name of the baseline
  std::string tuneCpu;           ///< LLVM's name of the one whose latencies and ports order the instructions; empty: the baseline's
  std::string modelCpu;          ///< LLVM's name of the one that reports of loops are modelled on; empty: tuneCpu's
  std::string cpuFeatures;       ///< LLVM's, added to the baseline: "+avx512vnni"
  std::string halide;            ///< the target as Halide writes it, for the Halide route; empty: it has none
  DotTable halideDots;           ///< of integers, that Halide makes code of
  uint64_t featureMask = 0;      ///< KV_FEATURE_* of kv_abi.h that must be present to run
  int64_t vectorBits = 0;        ///< of targets whose code fits one length of scalable vectors only; 0: none
  int64_t computeCapability = 0; ///< of targets that run on a GPU: 90; their object is text, which a driver compiles
  bool hasFma = false, hasHalf = false;
  bool keepsOrder =
      false; ///< instructions stay in the order in which they were made: prefetches are spread over what they are among
  /// Adds the patterns of the target's own instructions, tried before the fallbacks.
  void (*addInstructions)(mlir::RewritePatternSet &patterns, const Target &target) = nullptr;
  /// Targets that are launched: adds what is, one function a kernel, and notes its name.
  void (*addEntries)(mlir::ModuleOp module, llvm::MutableArrayRef<KernelFunctions> kernels) = nullptr;
  /// Last changes of the LLVM module, in place of those that a library of functions needs.
  void (*finish)(llvm::Module &module, const Target &target, llvm::TargetMachine &machine) = nullptr;

  std::string twinName; ///< of the Halide route; empty: this is no twin
  const std::string &name() const { return twinName.empty() ? capabilities.name : twinName; }
  bool takesHalide() const { return capabilities.halide; }
  llvm::StringRef route() const { return takesHalide() ? "halide" : "mlir"; }
  bool isLaunched() const { return computeCapability != 0; }
  /// Empty where no processor stands for the target.
  const std::string &modelledCpu() const { return modelCpu.empty() ? tuneCpu : modelCpu; }
  /// What a library is for, as the triple spells it: "x86_64".
  std::string architecture() const { return triple.substr(0, triple.find('-')); }
};

/// All targets, most capable first within a family; the last one is `generic`.
llvm::ArrayRef<Target> targets();
/// Null when there is none of that name.
const Target *findTarget(llvm::StringRef name);
/// The most capable one that a machine like this one with these KV_FEATURE_* of kv_abi.h runs.
const Target &nativeTarget(uint64_t features);
/// The same target on the Halide route, "x86-64-v4+halide"; null where there is none. Not one of targets().
const Target *halideTwin(const Target &target);
/// Names for messages: "generic, x86-64-v3, ...".
std::string targetNames();

/// The functions of one level-0 function, as symbols of the object; empty where it has none.
struct KernelFunctions {
  std::string name; ///< of the level-0 function: "llama3_decode"
  std::string append, attend, merge;
  std::string own;         ///< appends what of an item is new in the step
  std::string plainAttend; ///< attends without appending
  std::string entry;       ///< of targets that are launched: what is launched
  std::string appendEntry; ///< of a fused kernel: the cache's append
  CacheType cache;
  VisibleAttr visible; ///< null where nothing is attended
  int64_t headsQ = 0; ///< 0 where nothing is attended
  int64_t splitTokens = 1, alignTokens = 1, queryBlock = 1, itemHeads = 1, scratchBytes = 0;
  int64_t rowBytes = 0; ///< of a partial result
};

} // namespace kv

#endif
