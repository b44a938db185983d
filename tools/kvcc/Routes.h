// Which route makes the code of each kernel on each target: `--route best`, and what a manifest of it says.
#ifndef KV_TOOLS_KVCC_ROUTES_H
#define KV_TOOLS_KVCC_ROUTES_H

#include "compiler/driver/Driver.h"

#include <optional>
#include <string>
#include <vector>

namespace kv {

/// A kernel and the target, or the twin of one, that is to make it.
struct RouteChoice {
  std::string kernel;
  const Target *maker;
};
using RouteChoices = std::vector<RouteChoice>;

/// Times every kernel of the file on both routes where this machine runs the target, in turn, and prints what came of it; Halide's
/// is chosen where it is 3 % faster. What was found is kept in the user's cache folder and read from there the next time. Targets
/// that this machine does not run, and GPUs, keep the shared path. None after an error, which has been said on stderr.
std::optional<RouteChoices> findBestRoutes(Source &source, llvm::ArrayRef<const Target *> targets);

/// What a manifest of kvcc says of kernels and targets; it must say it of all of them. None after an error, which has been said.
std::optional<RouteChoices> readRoutes(const std::string &manifest, const ModuleSpec &module,
                                       llvm::ArrayRef<const Target *> targets);

/// Targets and their twins, those that make some kernel.
std::vector<const Target *> targetsOf(const RouteChoices &choices, llvm::ArrayRef<const Target *> targets);

/// Whether the target, or its twin, is to make the kernel.
bool isChosen(const RouteChoices &choices, llvm::StringRef kernel, const Target &target);

} // namespace kv

#endif
