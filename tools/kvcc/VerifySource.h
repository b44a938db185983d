// From a read `.kv` file to verified kernels: compile, load into this process, a runner or a GPU, verify.
#ifndef KV_TOOLS_KVCC_VERIFYSOURCE_H
#define KV_TOOLS_KVCC_VERIFYSOURCE_H

#include "compiler/driver/Driver.h"
#include "tools/kvcc/RunnerBuild.h"
#include "tools/kvcc/VerifyKernels.h"

#include <functional>
#include <optional>

namespace kv {

struct VerifySourceOptions {
  std::vector<const Target *> targets; ///< all must run on this machine (its GPU is part of it), or by the runner
  std::optional<Accuracy> accuracy;    ///< in place of every attend's own
  RunnerBuild *runner = nullptr;       ///< runs the kernels; null: this process does
  std::string record;                  ///< a file for what every step leaves, written when all is right; empty: none
  std::string against;                 ///< such a file, made with the same options: what every step leaves is compared with it
  VerifyOptions verify;                ///< its targets are ignored: those above count
  /// Runs in place of each execution, so that tests can plant faults in kernels of every target.
  std::function<std::unique_ptr<Execution>(std::unique_ptr<Execution>, const ModuleSpec &)> wrap;
};

/// Targets that this machine's processor runs, most capable first, `generic` last.
std::vector<const Target *> runnableTargets();
/// How `--target` names what runs on this machine.
inline constexpr const char *localTargetsHelp = "targets, comma separated; native: the best for this machine; gpu, sm_NN: its GPU, "
                                                "through libcuda.so.1 or the library that the "
                                                "environment variable KV_CUDA_LIBRARY names";
/// Finds targets by name, `gpu` being the best that the GPU runs, and holds that this machine runs them. False after a mistake,
/// which has been said on stderr, and `help` where another processor would have to run them.
bool findRunnableTargets(llvm::ArrayRef<std::string> names, std::vector<const Target *> &found, llvm::StringRef help = "");
/// That help, where there is `--runner`.
inline constexpr const char *runnerHelp = "`--runner CMD` has another program run the kernels, such as an emulator";
/// A runner for targets of one architecture. Null after an error, which has been said on stderr.
std::unique_ptr<RunnerBuild> makeRunner(const RunnerOptions &options, llvm::ArrayRef<const Target *> targets);

/// How it ended, and what was found when `status` is ok.
struct VerifySourceResult {
  CompileStatus status = CompileStatus::ok;
  std::string error; ///< what could not be done, when `status` is not ok and nothing has been said on stderr yet
  VerifySummary summary;
};

VerifySourceResult verifySource(Source &source, const VerifySourceOptions &options);

/// The last line: "verified 120 cases, worst error 3.1e-04, tolerance 1.5e-03", or how many failed.
std::string summaryLine(const VerifySummary &summary);

} // namespace kv

#endif
