// Runs kernels on a CUDA device, or on what stands in for one: KV_CUDA_LIBRARY names the driver in place of libcuda.so.1.
//
// A step's tensors are made in host memory. To run it, each piece of memory that it points to is copied to a buffer of its own and
// of its size on the device, so that whoever watches over memory there sees every access outside; then the step is launched, and
// all is copied back. The workspace is never copied: what nobody wrote there is uninitialised.
#ifndef KV_TOOLS_KVCC_GPUEXECUTION_H
#define KV_TOOLS_KVCC_GPUEXECUTION_H

#include "tools/kvcc/Execution.h"

#include <map>
#include <memory>
#include <vector>

namespace kv {

/// Memory of this process that remembers its pieces.
class PieceMemory : public std::pmr::memory_resource {
public:
  /// The piece that holds an address: its first byte and its bytes. Null bytes when there is none.
  std::pair<const uint8_t *, size_t> find(const void *address) const;

private:
  void *do_allocate(size_t bytes, size_t alignment) override;
  void do_deallocate(void *memory, size_t bytes, size_t alignment) override;
  bool do_is_equal(const memory_resource &other) const noexcept override { return this == &other; }

  std::map<const uint8_t *, size_t> pieces;
};

struct GpuDriver;

class GpuExecution : public Execution {
public:
  /// Takes the primary context of the first device. An error says that there is no driver, or no device.
  static llvm::Expected<std::unique_ptr<GpuExecution>> create(KernelLookup lookup);
  ~GpuExecution() override;

  /// Why the device cannot run code for a compute capability (90); nothing when it can.
  static std::string refusal(int64_t capability);

  std::pmr::memory_resource *memory() override { return &pieces; }
  llvm::Expected<const kv_kernel *> kernel(llvm::StringRef name) override { return lookup(name); }
  /// `alone` is a launch with the tightest bounds, `parts` one with loose ones, captured in a graph.
  const char *manner(Drive drive) const override;
  int64_t workspaceBytes(const Runnable &row, const kv_step &step, Drive drive, std::string &problem) override;
  std::string run(const Runnable &row, const kv_step &step, Drive drive) override;
  /// A fault ends a context.
  bool lost() const override { return faulted; }

private:
  struct Buffer;
  GpuExecution(KernelLookup lookup, std::unique_ptr<GpuDriver> driver);
  std::string upload(const Runnable &row, const kv_step &step, kv_step &onDevice, std::vector<Buffer> &buffers);
  std::string launch(const Runnable &row, const kv_step &step, const kv_step &onDevice, Drive drive);
  std::string capture(const Runnable &row, const kv_step &onDevice, kv_gpu_launch launch);
  std::string download(const Runnable &row, const kv_step &step, Drive drive, const std::vector<Buffer> &buffers);

  KernelLookup lookup;
  std::unique_ptr<GpuDriver> driver;
  PieceMemory pieces;
  bool faulted = false;
};

} // namespace kv

#endif
