// Runs kernels of any architecture through a command that runs its programs, such as `qemu-aarch64 -cpu max`.
//
// The kernels stand in a small program, the runner (runner/runner.c, built by RunnerBuild.h). It shares memory with this process at
// the same address, so that a step means the same to both and nothing is copied.
#ifndef KV_TOOLS_KVCC_RUNNEREXECUTION_H
#define KV_TOOLS_KVCC_RUNNEREXECUTION_H

#include "tools/kvcc/Execution.h"
#include "tools/kvcc/RunnerProcess.h"
#include "tools/kvcc/SharedArena.h"
#include "tools/kvcc/runner/mailbox.h"

#include <memory>
#include <vector>

namespace kv {

class RunnerExecution : public Execution {
public:
  /// Starts `command`, the words of --runner and then the runner's path; an answer may take `seconds`. An error says why no runner
  /// came up.
  static llvm::Expected<std::unique_ptr<RunnerExecution>> start(std::vector<std::string> command, int seconds);

  /// Why the runner's processor cannot run the variants of a target; nothing when it can.
  std::string refusal(llvm::StringRef target);

  std::pmr::memory_resource *memory() override { return arena.get(); }
  llvm::Expected<const kv_kernel *> kernel(llvm::StringRef name) override;
  int64_t workspaceBytes(const Runnable &row, const kv_step &step, Drive drive, std::string &problem) override;
  /// A runner that crashes is started again for the next request. One that gives no answer is not.
  std::string run(const Runnable &row, const kv_step &step, Drive drive) override;
  bool lost() const override { return process.hung(); }

private:
  RunnerExecution(std::unique_ptr<SharedArena> arena, std::vector<std::string> command, int seconds)
      : arena(std::move(arena)), command(std::move(command)), process(seconds) {}
  kv_mailbox &mailbox() const { return *reinterpret_cast<kv_mailbox *>(arena->base()); }
  std::string launch();
  std::string ask(kv_request request, const kv_kernel *kernel);
  std::string ask(kv_request request, const Runnable &row, const kv_step &step, Drive drive);

  std::unique_ptr<SharedArena> arena;
  std::vector<std::string> command;
  RunnerProcess process;
};

} // namespace kv

#endif
