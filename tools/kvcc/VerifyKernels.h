// `kvcc verify` as a library: runs kernels through the runtime's public API and holds every result against the interpreter.
//
// Checked, for every attend, target and batch: stored bytes exactly; outputs and lse within the tolerance table; append at once, in
// pieces and one by one store the same (batching law); append_attend is append then attend, bit for bit (fusion law); pages moved
// to another order and back are the same (layout law); the same bits for any number of threads, in any pages, beside any
// neighbours; nothing else is written.
#ifndef KV_TOOLS_KVCC_VERIFYKERNELS_H
#define KV_TOOLS_KVCC_VERIFYKERNELS_H

#include "compiler/driver/KernelSpec.h"
#include "tools/kvcc/Recording.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace kv {

struct VerifyOptions {
  uint64_t seed = 1;
  bool quick = false;               ///< fewer lengths, shorter ones
  std::vector<std::string> targets; ///< with one execution: variants to run; empty: all that this processor can run
  std::vector<std::string> kernels; ///< only these attends (`llama3_decode`); empty: all
  size_t mostFailures = 10;         ///< stop after so many
};

/// Worst results of one attend on one target. Errors are infinite where no number is right; a tolerance of 0 says that nothing was
/// measured: there is no lse, or all failed before.
struct VerifyRow {
  std::string kernel, target;
  int64_t cases = 0, failures = 0;
  double error = 0, tolerance = 0; ///< of the outputs: the pair with the greatest quotient
  double lseError = 0, lseTolerance = 0;
};

struct VerifySummary {
  int64_t cases = 0;
  double worstError = 0, tolerance = 0; ///< of the outputs: the pair with the greatest quotient
  std::vector<VerifyRow> rows;
  std::vector<std::string> failures;
  std::vector<Compared> compared; ///< what was held against a recording
};

/// Whether `verify` runs this kernel under its name: an attend, which brings the other kernels of its cache along, or the append of
/// a cache without attends.
bool isVerified(const ModuleSpec &module, const KernelSpec &spec);

/// A target, and what runs it.
struct VerifyTarget {
  std::string name;
  Execution *execution;
};

/// Verifies every kernel of `module` on each target; `level0` is the module it was read from. An error means that nothing could be
/// verified.
llvm::Expected<VerifySummary> verify(mlir::ModuleOp level0, const ModuleSpec &module, llvm::ArrayRef<VerifyTarget> targets,
                                     const VerifyOptions &options);
/// The same where one execution runs all targets, those of the options.
llvm::Expected<VerifySummary> verify(mlir::ModuleOp level0, const ModuleSpec &module, Execution &execution,
                                     const VerifyOptions &options);

} // namespace kv

#endif
