#include "tools/kvcc/Execution.h"

#include <fmt/format.h>

namespace kv {

std::string statusText(kv_status status, llvm::StringRef detail) {
  return status == KV_OK ? std::string() : fmt::format("{}: {}", kv_status_text(status), detail.str());
}

int64_t LocalExecution::workspaceBytes(const kv_kernel *kernel, const kv_variant *variant, const kv_step &step, Drive drive,
                                       std::string &problem) {
  int64_t bytes = kv_step_workspace_bytes(kernel, variant, &step, kv_drive_threads(kv_drive(drive)));
  if (bytes < 0)
    problem = kv_last_error();
  return bytes;
}

std::string LocalExecution::run(const kv_kernel *kernel, const kv_variant *variant, const kv_step &step, Drive drive) {
  kv_status status = kv_drive_step(kernel, variant, &step, kv_drive(drive));
  return statusText(status, kv_last_error());
}

} // namespace kv
