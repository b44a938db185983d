#include "tools/kvcc/RunnerExecution.h"

#include <fmt/format.h>

#include <cstring>

namespace kv {

llvm::Expected<std::unique_ptr<RunnerExecution>> RunnerExecution::start(std::vector<std::string> command, int seconds) {
  static_assert(sizeof(kv_mailbox) <= KV_MAILBOX_BYTES);
  auto arena = SharedArena::create(uint64_t(1) << 24, KV_MAILBOX_BYTES);
  if (!arena)
    return arena.takeError();
  std::unique_ptr<RunnerExecution> execution(new RunnerExecution(std::move(*arena), std::move(command), seconds));
  std::string problem = execution->launch();
  if (!problem.empty())
    return llvm::createStringError(problem);
  return std::move(execution);
}

/// Starts the runner, which then writes its kernels' descriptors: the same bytes in the same place whenever it starts again,
/// addresses of code apart.
std::string RunnerExecution::launch() {
  std::vector<std::string> words = command;
  words.push_back(std::to_string(arena->file()));
  words.push_back(fmt::format("{:x}", reinterpret_cast<uintptr_t>(arena->base())));
  words.push_back(std::to_string(arena->bytes()));
  mailbox().layout = KV_MAILBOX_LAYOUT;
  std::string problem = process.start(words);
  if (problem.empty())
    problem = process.wait();
  if (problem.empty() && mailbox().num_kernels < 0)
    problem = "the runner's kernels are too many to be described in the memory shared with it";
  return problem;
}

std::string RunnerExecution::ask(kv_request request, const kv_kernel *kernel) {
  if (process.hung())
    return "the runner gave no answer before";
  if (!process.running())
    if (std::string problem = launch(); !problem.empty())
      return problem;
  kv_mailbox &box = mailbox();
  box.arena_bytes = arena->bytes();
  box.request = request;
  box.kernel = int32_t(kernel - box.kernels);
  process.ring();
  return process.wait();
}

std::string RunnerExecution::ask(kv_request request, const Runnable &row, const kv_step &step, Drive drive) {
  kv_mailbox &box = mailbox();
  box.variant = int32_t(row.variant - row.kernel->variants);
  box.drive = kv_drive(drive);
  box.step = step;
  return ask(request, row.kernel);
}

std::string RunnerExecution::refusal(llvm::StringRef target) {
  kv_mailbox &box = mailbox();
  for (int32_t i = 0; i < box.num_kernels; ++i) {
    if (target.size() >= sizeof box.target)
      return "its name is too long";
    std::memcpy(box.target, target.data(), target.size());
    box.target[target.size()] = 0;
    if (std::string problem = ask(KV_REQUEST_SELECT, &box.kernels[i]); !problem.empty())
      return problem;
    if (box.status != KV_OK)
      return box.text;
  }
  return {};
}

llvm::Expected<const kv_kernel *> RunnerExecution::kernel(llvm::StringRef name) {
  for (int32_t i = 0; i < mailbox().num_kernels; ++i)
    if (name == mailbox().kernels[i].name)
      return &mailbox().kernels[i];
  return llvm::createStringError("the runner has no kernel `" + name + "`");
}

int64_t RunnerExecution::workspaceBytes(const Runnable &row, const kv_step &step, Drive drive, std::string &problem) {
  problem = ask(KV_REQUEST_WORKSPACE, row, step, drive);
  if (!problem.empty())
    return -1;
  if (mailbox().status != KV_OK)
    problem = mailbox().text;
  return mailbox().bytes;
}

std::string RunnerExecution::run(const Runnable &row, const kv_step &step, Drive drive) {
  std::string problem = ask(KV_REQUEST_RUN, row, step, drive);
  return problem.empty() ? statusText(kv_status(mailbox().status), mailbox().text) : problem;
}

} // namespace kv
