// Standard output of all subcommands: one stream, and what happens when it cannot be written.
#ifndef KV_TOOLS_KVCC_OUTPUT_H
#define KV_TOOLS_KVCC_OUTPUT_H

#include "llvm/Support/raw_ostream.h"

#include <fmt/format.h>

#include <utility>

namespace kv {

/// Prints to standard output. An error is kept until finishOutput(): a command need not look for it.
template <typename... Args> void printOut(fmt::format_string<Args...> format, Args &&...args) {
  llvm::outs() << fmt::format(format, std::forward<Args>(args)...);
}

/// To be called before any file is opened. Writing to a pipe that nobody reads becomes an error, not a signal; a standard stream
/// that the caller closed is opened so that using it fails, or else the next file opened would take its place.
void prepareStreams();

/// Flushes standard output. Returns `code`, or exitUserError where that was exitOk and some of the output could not be written,
/// which is said on stderr.
int finishOutput(int code);

} // namespace kv

#endif
