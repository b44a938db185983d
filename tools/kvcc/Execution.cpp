#include "tools/kvcc/Execution.h"

#include <fmt/format.h>

namespace kv {

std::string statusText(kv_status status, llvm::StringRef detail) {
  return status == KV_OK ? std::string() : fmt::format("{}: {}", kv_status_text(status), detail.str());
}

Runnable findRow(const kv_kernel *kernel, llvm::StringRef target) {
  for (int64_t i = 0; i < kernel->num_variants; ++i)
    if (const kv_variant *row = kv_variant_at(kernel, i); target == row->target)
      return {kernel, row, nullptr};
  for (int64_t i = 0; i < kernel->num_gpu_variants; ++i)
    if (const kv_gpu_variant *row = kv_gpu_variant_at(kernel, i); target == row->target)
      return {kernel, nullptr, row};
  return {};
}

const char *Execution::manner(Drive drive) const {
  switch (drive) {
  case Drive::alone:
    return "";
  case Drive::parts:
    return " in three parts";
  case Drive::pool:
    return " on two threads";
  }
  return nullptr;
}

int64_t LocalExecution::workspaceBytes(const Runnable &row, const kv_step &step, Drive drive, std::string &problem) {
  int64_t bytes = kv_step_workspace_bytes(row.kernel, row.variant, &step, kv_drive_threads(kv_drive(drive)));
  if (bytes < 0)
    problem = kv_last_error();
  return bytes;
}

std::string LocalExecution::run(const Runnable &row, const kv_step &step, Drive drive) {
  kv_status status = kv_drive_step(row.kernel, row.variant, &step, kv_drive(drive));
  return statusText(status, kv_last_error());
}

} // namespace kv
