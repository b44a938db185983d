// The functions of the CUDA driver that kvcc calls itself, through the library that the runtime has opened.
#ifndef KV_TOOLS_KVCC_GPUDRIVER_H
#define KV_TOOLS_KVCC_GPUDRIVER_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace kv {

struct GpuDriver {
  using Handle = void *;    ///< CUcontext, CUstream, CUgraph, CUgraphExec, CUevent
  using Address = uint64_t; ///< CUdeviceptr

  int (*getErrorName)(int error, const char **text) = nullptr;
  int (*getErrorString)(int error, const char **text) = nullptr;
  int (*deviceGet)(int *device, int ordinal) = nullptr;
  int (*deviceGetAttribute)(int *value, int attribute, int device) = nullptr;
  int (*primaryRetain)(Handle *context, int device) = nullptr;
  int (*primaryRelease)(int device) = nullptr;
  int (*setCurrent)(Handle context) = nullptr;
  int (*memAlloc)(Address *address, size_t bytes) = nullptr;
  int (*memFree)(Address address) = nullptr;
  int (*copyToDevice)(Address to, const void *from, size_t bytes) = nullptr;
  int (*copyToHost)(void *to, Address from, size_t bytes) = nullptr;
  int (*copyOnDevice)(Address to, Address from, size_t bytes, Handle stream) = nullptr;
  int (*fill)(Address to, unsigned char value, size_t bytes, Handle stream) = nullptr;
  int (*eventCreate)(Handle *event, unsigned flags) = nullptr;
  int (*eventRecord)(Handle event, Handle stream) = nullptr;
  int (*eventSynchronize)(Handle event) = nullptr;
  int (*eventElapsed)(float *milliseconds, Handle from, Handle to) = nullptr;
  int (*eventDestroy)(Handle event) = nullptr;
  int (*streamCreate)(Handle *stream, unsigned flags) = nullptr;
  int (*streamSynchronize)(Handle stream) = nullptr;
  int (*streamDestroy)(Handle stream) = nullptr;
  int (*beginCapture)(Handle stream, int mode) = nullptr;
  int (*endCapture)(Handle stream, Handle *graph) = nullptr;
  int (*instantiate)(Handle *executable, Handle graph, unsigned long long flags) = nullptr;
  int (*graphLaunch)(Handle executable, Handle stream) = nullptr;
  int (*executableDestroy)(Handle executable) = nullptr;
  int (*graphDestroy)(Handle graph) = nullptr;

  GpuDriver() = default;
  GpuDriver(const GpuDriver &) = delete;
  GpuDriver &operator=(const GpuDriver &) = delete;
  /// Unloads what the runtime has loaded, so before the kernels' text goes, and gives the context back.
  ~GpuDriver();

  /// Resolves all of them. What is missing, or nothing.
  std::string open();
  /// Opens, and makes the primary context of the first device current. What went wrong, or nothing.
  std::string enter();
  /// "cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY: out of memory"; nothing for 0.
  std::string problem(const char *call, int result) const;

  int device = 0;
  Handle context = nullptr;
};

} // namespace kv

#endif
