#include "tools/kvcc/GpuExecution.h"

#include "tools/kvcc/GpuDriver.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace kv {

//===- memory ----------------------------------------------------------------------------------------------------------------===//

void *PieceMemory::do_allocate(size_t bytes, size_t alignment) {
  auto *memory = static_cast<uint8_t *>(::operator new(bytes, std::align_val_t(alignment)));
  pieces.emplace(memory, bytes);
  return memory;
}

void PieceMemory::do_deallocate(void *memory, size_t bytes, size_t alignment) {
  pieces.erase(static_cast<uint8_t *>(memory));
  ::operator delete(memory, bytes, std::align_val_t(alignment));
}

std::pair<const uint8_t *, size_t> PieceMemory::find(const void *address) const {
  const auto *byte = static_cast<const uint8_t *>(address);
  auto next = pieces.upper_bound(byte);
  if (next == pieces.begin())
    return {nullptr, 0};
  auto [first, bytes] = *std::prev(next);
  if (byte - first >= ptrdiff_t(bytes))
    return {nullptr, 0};
  return {first, bytes};
}

//===- device ----------------------------------------------------------------------------------------------------------------===//

GpuExecution::GpuExecution(KernelLookup lookup, std::unique_ptr<GpuDriver> driver)
    : lookup(std::move(lookup)), driver(std::move(driver)) {}

GpuExecution::~GpuExecution() = default;

llvm::Expected<std::unique_ptr<GpuExecution>> GpuExecution::create(KernelLookup lookup) {
  auto driver = std::make_unique<GpuDriver>();
  if (std::string problem = driver->enter(); !problem.empty())
    return llvm::createStringError(problem);
  return std::unique_ptr<GpuExecution>(new GpuExecution(std::move(lookup), std::move(driver)));
}

std::string GpuExecution::refusal(int64_t capability) {
  GpuDriver driver;
  std::string problem = driver.open();
  int major = 0, minor = 0;
  if (problem.empty())
    problem = driver.problem("cuDeviceGetAttribute", driver.deviceGetAttribute(&major, 75, driver.device));
  if (problem.empty())
    problem = driver.problem("cuDeviceGetAttribute", driver.deviceGetAttribute(&minor, 76, driver.device));
  if (problem.empty() && capability > 10 * major + minor)
    problem =
        fmt::format("it needs compute capability {}.{}; the device has {}.{}", capability / 10, capability % 10, major, minor);
  return problem;
}

const char *GpuExecution::manner(Drive drive) const {
  return drive == Drive::alone ? "" : drive == Drive::parts ? " in a larger grid, captured" : nullptr;
}

//===- steps -----------------------------------------------------------------------------------------------------------------===//

/// What a step can say of its bounds, exactly or with room.
static kv_gpu_launch boundsOf(const Runnable &row, const kv_step &step, Drive drive) {
  kv_gpu_launch launch;
  kv_gpu_launch_init(&launch);
  launch.variant = row.gpuVariant;
  launch.max_queries = launch.max_tokens = 1;
  for (int64_t b = 0; b < step.num_seqs; ++b) {
    launch.max_queries = std::max<int64_t>(launch.max_queries, step.query_start_loc[b + 1] - step.query_start_loc[b]);
    launch.max_tokens = std::max<int64_t>(launch.max_tokens, step.seq_lens[b]);
  }
  if (drive != Drive::alone) {
    launch.max_queries += 40 + row.gpuVariant->query_block;
    launch.max_tokens += 2 * row.gpuVariant->split_tokens;
  }
  return launch;
}

int64_t GpuExecution::workspaceBytes(const Runnable &row, const kv_step &step, Drive drive, std::string &problem) {
  const kv_gpu_launch launch = boundsOf(row, step, drive);
  int64_t bytes = kv_gpu_workspace_bytes(row.kernel, &step, &launch);
  if (bytes < 0)
    problem = kv_last_error();
  return bytes;
}

struct GpuExecution::Buffer {
  const uint8_t *host;
  size_t bytes;
  GpuDriver::Address device;
  const char *name; ///< of the first field that points to it
  bool written;     ///< by kernels
};

std::string GpuExecution::upload(const Runnable &row, const kv_step &step, kv_step &onDevice, std::vector<Buffer> &buffers) {
  onDevice = step;
  std::string problem;
  auto move = [&](const char *name, auto &field, bool written = false) {
    if (!field || !problem.empty())
      return;
    auto [host, bytes] = pieces.find(field);
    if (!bytes) {
      problem = fmt::format("{} lies nowhere", name);
      return;
    }
    auto buffer = llvm::find_if(buffers, [&, host = host](const Buffer &known) { return known.host == host; });
    if (buffer == buffers.end()) {
      GpuDriver::Address device = 0;
      problem = driver->problem("cuMemAlloc", driver->memAlloc(&device, bytes));
      if (!problem.empty())
        return;
      buffers.push_back({host, bytes, device, name, written});
      buffer = std::prev(buffers.end());
      problem = driver->problem("cuMemcpyHtoD", driver->copyToDevice(device, host, bytes));
    }
    const ptrdiff_t offset = reinterpret_cast<const uint8_t *>(field) - host;
    field = reinterpret_cast<std::remove_reference_t<decltype(field)>>(uintptr_t(buffer->device + uint64_t(offset)));
  };
  move("pages", onDevice.pages, row.kernel->op != KV_OP_ATTEND);
  move("query_start_loc", onDevice.query_start_loc);
  move("seq_lens", onDevice.seq_lens);
  move("block_table", onDevice.block_table);
  move("slot_mapping", onDevice.slot_mapping);
  move("q", onDevice.q.data);
  move("k", onDevice.k.data);
  move("v", onDevice.v.data);
  move("o", onDevice.o.data, true);
  move("lse", onDevice.lse, true);
  for (kv_argument &argument : onDevice.arguments)
    move("arguments", argument.data);
  // Of the workspace, no more than it says, and nothing in it.
  onDevice.workspace = nullptr;
  if (problem.empty() && step.workspace_bytes > 0) {
    GpuDriver::Address device = 0;
    problem = driver->problem("cuMemAlloc", driver->memAlloc(&device, size_t(step.workspace_bytes)));
    if (problem.empty())
      buffers.push_back({nullptr, size_t(step.workspace_bytes), device, "workspace", true});
    onDevice.workspace = reinterpret_cast<void *>(uintptr_t(device));
  }
  return problem;
}

/// Launches the step on a stream of its own: captured once, replayed once.
std::string GpuExecution::capture(const Runnable &row, const kv_step &onDevice, kv_gpu_launch launch) {
  GpuDriver::Handle stream = nullptr, graph = nullptr, executable = nullptr;
  if (int result = driver->streamCreate(&stream, 1)) // not blocking
    return driver->problem("cuStreamCreate", result);
  llvm::scope_exit cleanUp([&] {
    if (executable)
      driver->executableDestroy(executable);
    if (graph)
      driver->graphDestroy(graph);
    driver->streamDestroy(stream);
  });
  launch.stream = stream;
  if (kv_status status = kv_gpu_prepare(row.kernel, &launch))
    return statusText(status, kv_last_error());
  if (kv_status status = kv_gpu_workspace_init(row.kernel, &onDevice, &launch))
    return statusText(status, kv_last_error());
  launch.flags = KV_GPU_COUNTERS_READY;
  std::string problem = driver->problem("cuStreamBeginCapture", driver->beginCapture(stream, 0));
  if (!problem.empty())
    return problem;
  problem = statusText(kv_gpu_run(row.kernel, &onDevice, &launch), kv_last_error());
  std::string ended = driver->problem("cuStreamEndCapture", driver->endCapture(stream, &graph));
  if (problem.empty())
    problem = ended;
  if (problem.empty())
    problem = driver->problem("cuGraphInstantiate", driver->instantiate(&executable, graph, 0));
  if (problem.empty())
    problem = driver->problem("cuGraphLaunch", driver->graphLaunch(executable, stream));
  if (problem.empty())
    problem = driver->problem("cuStreamSynchronize", driver->streamSynchronize(stream));
  return problem;
}

std::string GpuExecution::launch(const Runnable &row, const kv_step &step, const kv_step &onDevice, Drive drive) {
  const kv_gpu_launch bounds = boundsOf(row, step, drive);
  if (drive != Drive::alone && step.num_seqs)
    return capture(row, onDevice, bounds);
  if (kv_status status = kv_gpu_run(row.kernel, &onDevice, &bounds))
    return statusText(status, kv_last_error());
  return driver->problem("cuStreamSynchronize", driver->streamSynchronize(nullptr));
}

/// Copies back what kernels write, and holds that they wrote nothing else and left the counters zero.
std::string GpuExecution::download(const Runnable &row, const kv_step &step, Drive drive, const std::vector<Buffer> &buffers) {
  std::vector<uint8_t> copy;
  for (const Buffer &buffer : buffers) {
    size_t bytes = buffer.bytes;
    if (!buffer.host) {
      const kv_gpu_launch bounds = boundsOf(row, step, drive);
      const int64_t queries = std::min(bounds.max_queries, row.kernel->max_queries), block = row.gpuVariant->query_block;
      bytes =
          std::min(bytes, size_t(4 * step.num_seqs * row.kernel->heads_kv * std::max<int64_t>(1, (queries + block - 1) / block)));
      if (drive != Drive::alone) // fewer queries may fit the table: only what is surely a counter
        bytes = std::min(bytes, size_t(4 * step.num_seqs * row.kernel->heads_kv));
    }
    copy.resize(bytes);
    std::string problem = driver->problem("cuMemcpyDtoH", driver->copyToHost(copy.data(), buffer.device, bytes));
    if (!problem.empty())
      return problem;
    if (!buffer.host) {
      if (llvm::any_of(copy, [](uint8_t byte) { return byte != 0; }))
        return "the counters in the workspace are not zero after the step";
    } else if (buffer.written) {
      std::memcpy(const_cast<uint8_t *>(buffer.host), copy.data(), bytes);
    } else if (std::memcmp(buffer.host, copy.data(), bytes)) {
      return fmt::format("{}: was written", buffer.name);
    }
  }
  return {};
}

std::string GpuExecution::run(const Runnable &row, const kv_step &step, Drive drive) {
  if (faulted)
    return "the device's context was lost before";
  std::vector<Buffer> buffers;
  kv_step onDevice;
  std::string problem = upload(row, step, onDevice, buffers);
  if (problem.empty())
    problem = launch(row, step, onDevice, drive);
  if (problem.empty())
    problem = download(row, step, drive, buffers);
  for (const Buffer &buffer : buffers)
    faulted |= driver->memFree(buffer.device) != 0; // so a fault shows, whoever was told of it
  return problem;
}

} // namespace kv
