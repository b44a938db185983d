#include "tools/kvcc/GpuDriver.h"

#include "kv/kv_gpu.h"

#include <fmt/format.h>

#include <cstring>

namespace kv {

std::string GpuDriver::open() {
  std::string missing;
  auto resolve = [&](const char *name, auto &function) {
    void *address = nullptr;
    if (missing.empty() && kv_gpu_symbol(name, &address) != KV_OK)
      missing = kv_last_error();
    static_assert(sizeof address == sizeof function);
    std::memcpy(&function, &address, sizeof address);
  };
  resolve("cuGetErrorName", getErrorName);
  resolve("cuGetErrorString", getErrorString);
  resolve("cuDeviceGet", deviceGet);
  resolve("cuDeviceGetAttribute", deviceGetAttribute);
  resolve("cuDevicePrimaryCtxRetain", primaryRetain);
  resolve("cuDevicePrimaryCtxRelease_v2", primaryRelease);
  resolve("cuCtxSetCurrent", setCurrent);
  resolve("cuMemAlloc_v2", memAlloc);
  resolve("cuMemFree_v2", memFree);
  resolve("cuMemcpyHtoD_v2", copyToDevice);
  resolve("cuMemcpyDtoH_v2", copyToHost);
  resolve("cuMemcpyDtoDAsync_v2", copyOnDevice);
  resolve("cuMemsetD8Async", fill);
  resolve("cuEventCreate", eventCreate);
  resolve("cuEventRecord", eventRecord);
  resolve("cuEventSynchronize", eventSynchronize);
  resolve("cuEventElapsedTime", eventElapsed);
  resolve("cuEventDestroy_v2", eventDestroy);
  resolve("cuStreamCreate", streamCreate);
  resolve("cuStreamSynchronize", streamSynchronize);
  resolve("cuStreamDestroy_v2", streamDestroy);
  resolve("cuStreamBeginCapture_v2", beginCapture);
  resolve("cuStreamEndCapture", endCapture);
  resolve("cuGraphInstantiateWithFlags", instantiate);
  resolve("cuGraphLaunch", graphLaunch);
  resolve("cuGraphExecDestroy", executableDestroy);
  resolve("cuGraphDestroy", graphDestroy);
  if (missing.empty())
    missing = problem("cuDeviceGet", deviceGet(&device, 0));
  return missing;
}

std::string GpuDriver::enter() {
  std::string wrong = open();
  if (wrong.empty())
    wrong = problem("cuDevicePrimaryCtxRetain", primaryRetain(&context, device));
  if (wrong.empty())
    wrong = problem("cuCtxSetCurrent", setCurrent(context));
  return wrong;
}

GpuDriver::~GpuDriver() {
  if (!context)
    return;
  kv_gpu_close();
  primaryRelease(device);
}

std::string GpuDriver::problem(const char *call, int result) const {
  if (result == 0)
    return {};
  const char *name = nullptr, *text = nullptr;
  getErrorName(result, &name);
  getErrorString(result, &text);
  return fmt::format("{}: {} ({}): {}", call, name ? name : "unknown error", result, text ? text : "the driver does not say more");
}

} // namespace kv
