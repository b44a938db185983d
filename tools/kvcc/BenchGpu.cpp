#include "tools/kvcc/BenchMachine.h"
#include "tools/kvcc/GpuDriver.h"

#include <fmt/format.h>

namespace kv {
namespace {

/// Everything goes to the default stream: copies, steps and the events that time them, in the order of the calls.
class BenchGpu : public BenchMachine {
public:
  BenchGpu();
  ~BenchGpu() override;

  int threads() const override { return 0; }
  const char *yardstick() const override { return "device's copy, bytes read and bytes written"; }
  size_t coldBytes() const override { return 4 * cacheBytes; }
  Rate bandwidth(llvm::ArrayRef<uint8_t> of) override;

  Memory allocate(size_t bytes) override;
  void write(void *to, const void *from, size_t bytes) override {
    check("cuMemcpyHtoD", driver.copyToDevice(address(to), from, bytes));
  }
  void copy(void *to, const void *from, size_t bytes) override {
    check("cuMemcpyDtoDAsync", driver.copyOnDevice(address(to), address(from), bytes, nullptr));
  }

  int64_t workspaceBytes(const Runnable &row, const kv_step &step, const kv_bounds &bounds) override;
  Sample time(const Runnable &row, llvm::ArrayRef<const kv_step *> steps, const kv_bounds &bounds) override;

private:
  static GpuDriver::Address address(const void *pointer) { return GpuDriver::Address(reinterpret_cast<uintptr_t>(pointer)); }
  /// Notes what a call answered. True where all was well until now.
  bool check(const char *call, int result) {
    note(driver.problem(call, result));
    return problem().empty();
  }
  bool check(kv_status status) {
    note(statusText(status, kv_last_error()));
    return problem().empty();
  }
  static kv_gpu_launch launchOf(const Runnable &row, const kv_bounds &bounds);
  /// Seconds that the device takes for what `enqueue` enqueues.
  template <class Enqueue> double between(Enqueue enqueue);

  GpuDriver driver; // goes last: memory is given back through it
  size_t cacheBytes = 0, copyBytes = 0;
  GpuDriver::Handle start = nullptr, end = nullptr;
  Memory from, to; ///< that bandwidth() copies
};

BenchGpu::BenchGpu() {
  note(driver.enter());
  if (!problem().empty())
    return;
  int bytes = 0;
  check("cuDeviceGetAttribute", driver.deviceGetAttribute(&bytes, 38, driver.device)); // the second-level cache's
  check("cuEventCreate", driver.eventCreate(&start, 0));
  check("cuEventCreate", driver.eventCreate(&end, 0));
  cacheBytes = size_t(bytes);
  copyBytes = 16 * cacheBytes; // far more than what is written back when the copy is over
  if (problem().empty() && bytes <= 0)
    note(fmt::format("the driver says that the device's cache has {} bytes", bytes));
  from = allocate(copyBytes);
  to = allocate(copyBytes);
  bandwidth({}); // the first copy pays for what others find done
}

BenchGpu::~BenchGpu() {
  if (start)
    driver.eventDestroy(start);
  if (end)
    driver.eventDestroy(end);
}

BenchMachine::Memory BenchGpu::allocate(size_t bytes) {
  GpuDriver::Address device = 0;
  if (!problem().empty() || !check("cuMemAlloc", driver.memAlloc(&device, bytes)))
    return nullptr;
  check("cuMemsetD8Async", driver.fill(device, 0, bytes, nullptr));
  auto give = [this](uint8_t *memory) { driver.memFree(address(memory)); };
  return Memory(reinterpret_cast<uint8_t *>(uintptr_t(device)), give);
}

template <class Enqueue> double BenchGpu::between(Enqueue enqueue) {
  float milliseconds = 0;
  if (problem().empty() && check("cuEventRecord", driver.eventRecord(start, nullptr)) && enqueue() &&
      check("cuEventRecord", driver.eventRecord(end, nullptr)) && check("cuEventSynchronize", driver.eventSynchronize(end)))
    check("cuEventElapsedTime", driver.eventElapsed(&milliseconds, start, end));
  return milliseconds * 1e-3;
}

Rate BenchGpu::bandwidth(llvm::ArrayRef<uint8_t>) {
  const double seconds = between([&] {
    copy(to.get(), from.get(), copyBytes);
    return problem().empty();
  });
  return {2 * static_cast<double>(copyBytes) / seconds, {seconds}};
}

kv_gpu_launch BenchGpu::launchOf(const Runnable &row, const kv_bounds &bounds) {
  kv_gpu_launch launch;
  kv_gpu_launch_init(&launch);
  launch.variant = row.gpuVariant;
  launch.max_queries = bounds.max_queries;
  launch.max_tokens = bounds.max_seq_len;
  return launch;
}

int64_t BenchGpu::workspaceBytes(const Runnable &row, const kv_step &step, const kv_bounds &bounds) {
  const kv_gpu_launch launch = launchOf(row, bounds);
  int64_t bytes = kv_gpu_workspace_bytes(row.kernel, &step, &launch);
  if (bytes < 0)
    note(kv_last_error());
  return bytes;
}

Sample BenchGpu::time(const Runnable &row, llvm::ArrayRef<const kv_step *> steps, const kv_bounds &bounds) {
  kv_gpu_launch launch = launchOf(row, bounds);
  // What an engine does once: compile, and zero the workspace's counters, which steps leave zero.
  if (!problem().empty() || !check(kv_gpu_prepare(row.kernel, &launch)) ||
      !check(kv_gpu_workspace_init(row.kernel, steps.front(), &launch)))
    return {};
  launch.flags = KV_GPU_COUNTERS_READY;
  // The host runs ahead of the device, so launches cost nothing but where a step is shorter than one.
  return {between([&] {
    for (const kv_step *step : steps)
      if (kv_status status = kv_gpu_run(row.kernel, step, &launch))
        return check(status);
    return true;
  })};
}

} // namespace

std::unique_ptr<BenchMachine> makeBenchGpu() { return std::make_unique<BenchGpu>(); }

} // namespace kv
