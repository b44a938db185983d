// kvcc: compiles `.kv` files. This file only chooses a subcommand; each has a file of its own.
//
// Exit codes: 0 done, 1 a mistake of the user (said on stderr), 70 a bug of ours.
#include "tools/kvcc/Commands.h"
#include "tools/kvcc/CrashReport.h"

#include <CLI/CLI.hpp>

int main(int argc, char **argv) {
  kv::installCrashReport(argc, argv);

  CLI::App app("kvcc: compiles the description of a key-value cache into append and attend kernels", "kvcc");
  app.set_version_flag("--version", "kvcc " KVCC_VERSION);
  app.require_subcommand(1);
  kv::Command chosen;
  kv::addCompile(app, chosen);
  kv::addCheck(app, chosen);
  kv::addExplain(app, chosen);
  kv::addVerify(app, chosen);
  kv::addBench(app, chosen);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    // CLI11 has a code of its own for each mistake; to a caller they are all the same.
    return app.exit(error) == 0 ? kv::exitOk : kv::exitUserError;
  }

  // Beyond this point no exception is thrown: LLVM is built without them.
  return chosen();
}
