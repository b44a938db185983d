// A child process that answers one byte with one byte.
#ifndef KV_TOOLS_KVCC_RUNNERPROCESS_H
#define KV_TOOLS_KVCC_RUNNERPROCESS_H

#include "llvm/ADT/ArrayRef.h"

#include <string>
#include <sys/types.h>

namespace kv {

class RunnerProcess {
public:
  /// `seconds`: the longest that an answer may take.
  explicit RunnerProcess(int seconds) : seconds(seconds) {}
  ~RunnerProcess() { end(); }
  RunnerProcess(const RunnerProcess &) = delete;
  RunnerProcess &operator=(const RunnerProcess &) = delete;

  bool running() const { return process > 0; }
  /// The last wait was given up. What is to be said of it has been said.
  bool hung() const { return timedOut; }

  /// Starts words[0], found in PATH, with these arguments. It inherits open files that are not closed on exec; standard input and
  /// output are the connection. What went wrong, or nothing.
  std::string start(llvm::ArrayRef<std::string> words);
  /// Sends a byte. That nobody reads it, the wait will tell.
  void ring();
  /// Waits for a byte. How the process ended in place of an answer, or nothing; it is gone then.
  std::string wait();

private:
  std::string reap();
  void end();

  int seconds;
  pid_t process = -1;
  int connection = -1;
  bool timedOut = false;
};

} // namespace kv

#endif
