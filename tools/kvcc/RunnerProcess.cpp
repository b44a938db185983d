#include "tools/kvcc/RunnerProcess.h"

#include "tools/kvcc/runner/mailbox.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Program.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kv {

std::string RunnerProcess::start(llvm::ArrayRef<std::string> words) {
  auto program = llvm::sys::findProgramByName(words[0]);
  if (!program)
    return fmt::format("there is no program `{}`", words[0]);
  std::vector<char *> arguments;
  for (const std::string &word : words)
    arguments.push_back(const_cast<char *>(word.c_str()));
  arguments.push_back(nullptr);

  // A socket and not two pipes: writing to one whose other end is gone need not be a signal.
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
    return fmt::format("cannot talk to the runner: {}", std::strerror(errno));
  const pid_t parent = getpid();
  process = fork();
  if (process < 0) {
    close(ends[0]);
    close(ends[1]);
    return fmt::format("cannot start the runner: {}", std::strerror(errno));
  }
  if (process == 0) {
    // A group of its own, so that a wrapper's children end with it; and nothing outlives kvcc.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
      _exit(127);
    rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    dup2(ends[1], STDIN_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    execv(program->c_str(), arguments.data());
    _exit(127);
  }
  setpgid(process, process);
  close(ends[1]);
  connection = ends[0];
  return {};
}

void RunnerProcess::ring() {
  const char bell = KV_RUNNER_BELL;
  ssize_t sent;
  do
    sent = send(connection, &bell, 1, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
}

std::string RunnerProcess::wait() {
  pollfd waiting = {connection, POLLIN, 0};
  int ready;
  do
    ready = poll(&waiting, 1, seconds * 1000);
  while (ready < 0 && errno == EINTR);
  if (ready == 0) {
    timedOut = true;
    end();
    return fmt::format("the runner gave no answer in {} s", seconds);
  }
  char bell = 0;
  ssize_t count = ready < 0 ? -1 : recv(connection, &bell, 1, 0);
  if (count == 1 && bell == KV_RUNNER_BELL)
    return {};
  if (count == 1) {
    end();
    return "the runner wrote on its standard output, which is for answers";
  }
  return reap();
}

/// How the process ended that has hung up.
std::string RunnerProcess::reap() {
  // What hangs up without ending is ended.
  int status = 0;
  pid_t ended = 0;
  for (int tries = 0; tries < 500 && ended == 0; ++tries) {
    ended = waitpid(process, &status, WNOHANG);
    if (ended == 0)
      usleep(10000);
  }
  if (ended != process) {
    end();
    return "the runner hung up";
  }
  kill(-process, SIGKILL); // what is left of its group
  process = -1;
  close(connection);
  connection = -1;
  if (WIFSIGNALED(status))
    return fmt::format("the runner was ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return fmt::format("the runner ended with exit code {}", WEXITSTATUS(status));
}

void RunnerProcess::end() {
  if (process > 0) {
    kill(-process, SIGKILL);
    waitpid(process, nullptr, 0);
    process = -1;
  }
  if (connection >= 0)
    close(connection);
  connection = -1;
}

} // namespace kv
