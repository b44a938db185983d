// Builds the runner: the runtime's and the runner's C sources, compiled for the kernels' architecture, with the objects of a
// compilation. The sources are those of the installed share/kvcc, or of the tree that kvcc was built in.
#ifndef KV_TOOLS_KVCC_RUNNERBUILD_H
#define KV_TOOLS_KVCC_RUNNERBUILD_H

#include "compiler/driver/Compiled.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace kv {

struct RunnerOptions {
  std::string command;  ///< runs a program of the architecture, and its arguments: "qemu-aarch64 -cpu max"
  std::string compiler; ///< a C compiler for it that links statically, and its arguments; empty: `cc`, or `ARCH-linux-gnu-gcc`
  int seconds = 300;    ///< the longest that one step may take
};

class RunnerBuild {
public:
  /// Compiles what does not depend on the kernels, in a temporary folder that goes with the object. An error is the user's to mend
  /// (no such compiler, what it had to say) and may end in a line of help.
  static llvm::Expected<std::unique_ptr<RunnerBuild>> create(const RunnerOptions &options, llvm::StringRef triple);
  ~RunnerBuild();

  /// Links a runner with these objects, and returns the command that starts it.
  llvm::Expected<std::vector<std::string>> link(llvm::ArrayRef<ObjectFile> objects, llvm::ArrayRef<std::string> kernels);

  int seconds() const { return options.seconds; }

private:
  explicit RunnerBuild(const RunnerOptions &options) : options(options) {}
  llvm::Error compile(llvm::StringRef source, const std::string &object);
  llvm::Error invoke(llvm::ArrayRef<std::string> arguments, const std::string &doing);

  RunnerOptions options;
  std::string sources; ///< the folder that has runtime/ and tools/kvcc/runner/
  std::string folder;
  std::vector<std::string> runner, compiler; ///< the words of both commands
  std::vector<std::string> parts;            ///< objects without kernels
  int linked = 0;
};

} // namespace kv

#endif
