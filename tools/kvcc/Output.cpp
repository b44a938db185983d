#include "tools/kvcc/Output.h"

#include "tools/kvcc/Commands.h"

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

namespace kv {

void prepareStreams() {
  std::signal(SIGPIPE, SIG_IGN);
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) == -1)
      (void)!open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY); // takes the lowest free number: the stream's
}

int finishOutput(int code) {
  llvm::outs().flush();
  if (std::error_code error = llvm::outs().error()) {
    llvm::outs().clear_error();
    llvm::errs() << "kvcc: error: cannot write to standard output: " << error.message() << "\n";
    code = code == exitOk ? int(exitUserError) : code;
  }
  llvm::errs().clear_error(); // there is no other place to say it
  return code;
}

} // namespace kv
