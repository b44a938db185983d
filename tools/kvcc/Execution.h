// Where verified kernels run: in this process, through a runner that holds them (RunnerExecution.h), or on a GPU (GpuExecution.h).
#ifndef KV_TOOLS_KVCC_EXECUTION_H
#define KV_TOOLS_KVCC_EXECUTION_H

#include "kv/kv_gpu.h"
#include "tools/kvcc/runner/drive.h"
#include "llvm/Support/Error.h"

#include <functional>
#include <memory_resource>
#include <string>

namespace kv {

/// How a step is driven.
enum class Drive { alone = KV_DRIVE_ALONE, parts = KV_DRIVE_PARTS, pool = KV_DRIVE_POOL };

/// A kernel for one target: a row of its table of variants, or of GPU variants.
struct Runnable {
  const kv_kernel *kernel = nullptr;
  const kv_variant *variant = nullptr;
  const kv_gpu_variant *gpuVariant = nullptr;

  explicit operator bool() const { return variant || gpuVariant; }
  int64_t splitTokens() const { return gpuVariant ? gpuVariant->split_tokens : variant->split_tokens; }
};

/// The kernel's row of that target; none when it was not compiled for it.
Runnable findRow(const kv_kernel *kernel, llvm::StringRef target);

class Execution {
public:
  virtual ~Execution() = default;

  /// Memory that the kernels reach: whatever a step points to comes from here.
  virtual std::pmr::memory_resource *memory() = 0;
  /// A descriptor by its name, to be read; it stays as long as the execution does.
  virtual llvm::Expected<const kv_kernel *> kernel(llvm::StringRef name) = 0;
  /// How a drive is said after "attend": "" for `alone`. Null where it has no meaning: steps are not driven so.
  virtual const char *manner(Drive drive) const;
  /// Bytes of workspace that the step needs. -1 on an error, with what it is in `problem`.
  virtual int64_t workspaceBytes(const Runnable &row, const kv_step &step, Drive drive, std::string &problem) = 0;
  /// Runs a step. What went wrong, or nothing.
  virtual std::string run(const Runnable &row, const kv_step &step, Drive drive) = 0;
  /// True when nothing will ever run again, and no further result is worth having.
  virtual bool lost() const { return false; }
};

/// Finds a descriptor by its name.
using KernelLookup = std::function<llvm::Expected<const kv_kernel *>(llvm::StringRef)>;

/// Kernels of this process, by the runtime that kvcc is linked with.
class LocalExecution : public Execution {
public:
  explicit LocalExecution(KernelLookup lookup) : lookup(std::move(lookup)) {}

  std::pmr::memory_resource *memory() override { return std::pmr::new_delete_resource(); }
  llvm::Expected<const kv_kernel *> kernel(llvm::StringRef name) override { return lookup(name); }
  int64_t workspaceBytes(const Runnable &row, const kv_step &step, Drive drive, std::string &problem) override;
  std::string run(const Runnable &row, const kv_step &step, Drive drive) override;

private:
  KernelLookup lookup;
};

/// "no room in the workspace: workspace is ...": a status as a failure says it.
std::string statusText(kv_status status, llvm::StringRef detail);

} // namespace kv

#endif
