// What a user sees when kvcc itself fails: one sentence, how to reproduce it, exit code 70.
#ifndef KV_TOOLS_KVCC_CRASHREPORT_H
#define KV_TOOLS_KVCC_CRASHREPORT_H

#include "compiler/driver/Driver.h"

namespace kv {

/// Turns crashes and LLVM's fatal errors into a report on stderr and exit code 70.
void installCrashReport(int argc, char **argv);

/// The same report for a failure we noticed ourselves. Returns the exit code.
int reportInternalError(llvm::StringRef what);

/// Exit code of a compilation that did not end well; reports it when it is a bug of ours.
int exitCodeOf(CompileStatus status);

} // namespace kv

#endif
