// The arguments that every subcommand has: FILE.kv, -p NAME=VALUE, --schedule FILE, --target NAME,...
#ifndef KV_TOOLS_KVCC_SOURCEARGUMENTS_H
#define KV_TOOLS_KVCC_SOURCEARGUMENTS_H

#include "compiler/driver/Source.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

namespace kv {

struct SourceArguments {
  std::string file, schedule;
  std::vector<std::string> params;

  /// Declares them on a subcommand.
  void declare(CLI::App &command);

  /// Reads and checks the file. Null after errors, which have been printed on stderr (as JSON on stdout when asked).
  std::unique_ptr<Source> open(bool json = false) const;
};

/// Declares an option that takes `A,B`, and may be given again for more. CLI11 alone would let it take all words that follow, FILE
/// among them.
template <typename T> CLI::Option *declareList(CLI::App &command, std::string name, std::vector<T> &values, std::string what) {
  return command.add_option(std::move(name), values, std::move(what))->delimiter(',')->allow_extra_args(false);
}

/// For check(): the name of a file or folder, or a command. An empty text, as an unset variable of a script leaves it, is neither,
/// and must not count as an option left out.
CLI::Validator isGiven();
/// For transform(): a decimal integer of that range. CLI11 alone reads `010` as eight.
CLI::Validator integerFrom(uint64_t least, uint64_t most);
/// For check(): a number of that range, which NaN is not.
CLI::Validator numberFrom(double least, double most);

/// Declares `--target`, whose names findTargets() reads.
void declareTargets(CLI::App &command, std::vector<std::string> &names,
                    const char *what = "targets, comma separated; native: the best for this machine");

/// Declares `--route`, which takeRoute() reads: mlir, halide, or one of `more`, or else the name of a manifest.
void declareRoute(CLI::App &command, std::string &route, std::vector<std::string> more = {}, bool manifest = false);

/// Says on stderr which of the kernels asked for there is not, and which there are. True when all are known.
bool checkKernelNames(llvm::ArrayRef<std::string> asked, llvm::ArrayRef<std::string> known);

} // namespace kv

#endif
