// kvcc: compiles `.kv` files. This file only chooses a subcommand; each has a file of its own.
//
// Exit codes: 0 done, 1 a mistake of the user (said on stderr), 70 a bug of ours.
#include "compiler/driver/Source.h"
#include "tools/kvcc/Commands.h"
#include "tools/kvcc/CrashReport.h"
#include "tools/kvcc/Output.h"

#include "llvm/ADT/STLExtras.h"

#include <CLI/CLI.hpp>

#include <sstream>

/// Whether `kvcc check --json` was asked for: errors of options are JSON too.
static bool checksForProgram(int argc, char **argv) {
  llvm::ArrayRef<const char *> words(argv, argc);
  return argc > 1 && words[1] == llvm::StringRef("check") && llvm::is_contained(words, llvm::StringRef("--json"));
}

int main(int argc, char **argv) {
  kv::prepareStreams();
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
    std::ostringstream out, errors;
    bool good = app.exit(error, out, errors) == 0;
    if (!good && checksForProgram(argc, argv)) {
      kv::printPlainError(llvm::outs(), "malformed_option", error.what(), /*json=*/true);
      return kv::finishOutput(kv::exitUserError);
    }
    llvm::outs() << out.str();
    llvm::errs() << errors.str();
    return kv::finishOutput(good ? kv::exitOk : kv::exitUserError);
  }

  // Beyond this point no exception is thrown: LLVM is built without them.
  return kv::finishOutput(chosen());
}
