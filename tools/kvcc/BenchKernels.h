// The kernels of a file, compiled and loaded into this process to be timed.
#ifndef KV_TOOLS_KVCC_BENCHKERNELS_H
#define KV_TOOLS_KVCC_BENCHKERNELS_H

#include "compiler/driver/Driver.h"
#include "tools/kvcc/BenchCase.h"
#include "tools/kvcc/Loader.h"

#include <optional>

namespace kv {

/// What came of it: kernels are to be had when the status is ok.
class BenchKernels {
public:
  /// Compiles for the targets, which this machine must run, and loads. What is wrong with the file is said on stderr.
  BenchKernels(Source &source, llvm::ArrayRef<const Target *> targets);

  CompileStatus status() const { return outcome; }
  /// What could not be loaded; empty where the status is ok or stderr has it.
  const std::string &problem() const { return wrong; }
  llvm::ArrayRef<KernelSpec> specs() const { return compiled.module.kernels; }
  /// A kernel on a target with what fills its cache; machine and sizes are left to the caller. `library`: as another kvcc has
  /// compiled it.
  llvm::Expected<BenchSetup> setup(const KernelSpec &spec, llvm::StringRef target, bool library = false) const;

  /// Loads a static library that another kvcc has made of the same file, to be timed beside it.
  llvm::Error loadLibrary(llvm::StringRef file);

private:
  CompileStatus outcome;
  std::string wrong;
  Compiled compiled;
  std::optional<Loader> loader, other;
};

} // namespace kv

#endif
