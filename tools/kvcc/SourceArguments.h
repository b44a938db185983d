// The arguments that every subcommand has: FILE.kv, -p NAME=VALUE, --schedule FILE, --target NAME,...
#ifndef KV_TOOLS_KVCC_SOURCEARGUMENTS_H
#define KV_TOOLS_KVCC_SOURCEARGUMENTS_H

#include "compiler/driver/Source.h"

#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace kv {

struct SourceArguments {
  std::string file, schedule;
  std::vector<std::string> params;

  /// Declares them on a subcommand.
  void declare(CLI::App &command);

  /// Reads and checks the file. Null after errors, which have been printed on stderr (as JSON on stdout when asked).
  std::unique_ptr<Source> open(bool json = false) const;
};

/// Declares `--target`, whose names findTargets() reads.
void declareTargets(CLI::App &command, std::vector<std::string> &names,
                    const char *what = "targets, comma separated; native: the best for this machine");

/// Declares `--route`, which takeRoute() reads: mlir, halide, or one of `more`, or else the name of a manifest.
void declareRoute(CLI::App &command, std::string &route, std::vector<std::string> more = {}, bool manifest = false);

/// Says on stderr which of the kernels asked for there is not, and which there are. True when all are known.
bool checkKernelNames(llvm::ArrayRef<std::string> asked, llvm::ArrayRef<std::string> known);

} // namespace kv

#endif
