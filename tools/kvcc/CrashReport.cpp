#include "tools/kvcc/CrashReport.h"

#include "tools/kvcc/Commands.h"

#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"

#include <new>
#include <string>
#include <unistd.h>

namespace kv {

static std::string &commandLine() {
  static std::string text;
  return text;
}

int reportInternalError(llvm::StringRef what) {
  llvm::errs() << "kvcc: internal error: " << what << "\n"
               << "  this is a bug of kvcc, not of your file; please report it with the file and this command:\n"
               << "  " << commandLine() << "\n";
  llvm::errs().flush();
  return exitInternalError;
}

int exitCodeOf(CompileStatus status) {
  return status == CompileStatus::internalError ? reportInternalError("lowering failed; the reason is above") : int(exitUserError);
}

void installCrashReport(int argc, char **argv) {
  for (int i = 0; i < argc; ++i) {
    llvm::StringRef argument = argv[i];
    bool plain = !argument.empty() && argument.find_first_of(" \t\"'\\$*?;&|<>()") == llvm::StringRef::npos;
    commandLine() += (i ? " " : "") + (plain ? argument.str() : "'" + argument.str() + "'");
  }
  llvm::install_fatal_error_handler([](void *, const char *reason, bool) { _exit(reportInternalError(reason)); });
  auto outOfMemory = [] {
    static const char message[] = "kvcc: error: out of memory\n"; // nothing may be allocated here
    (void)!write(STDERR_FILENO, message, sizeof message - 1);
    _exit(exitUserError);
  };
  std::set_new_handler(outOfMemory);
  llvm::install_bad_alloc_error_handler([](void *, const char *, bool) { std::get_new_handler()(); });
  llvm::sys::AddSignalHandler([](void *) { _exit(reportInternalError("it crashed")); }, nullptr);
}

} // namespace kv
