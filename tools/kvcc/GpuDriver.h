// The functions of the CUDA driver that GpuExecution calls itself, through the library that the runtime has opened.
#ifndef KV_TOOLS_KVCC_GPUDRIVER_H
#define KV_TOOLS_KVCC_GPUDRIVER_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace kv {

struct GpuDriver {
  using Handle = void *;    ///< CUcontext, CUstream, CUgraph, CUgraphExec
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
  int (*streamCreate)(Handle *stream, unsigned flags) = nullptr;
  int (*streamSynchronize)(Handle stream) = nullptr;
  int (*streamDestroy)(Handle stream) = nullptr;
  int (*beginCapture)(Handle stream, int mode) = nullptr;
  int (*endCapture)(Handle stream, Handle *graph) = nullptr;
  int (*instantiate)(Handle *executable, Handle graph, unsigned long long flags) = nullptr;
  int (*graphLaunch)(Handle executable, Handle stream) = nullptr;
  int (*executableDestroy)(Handle executable) = nullptr;
  int (*graphDestroy)(Handle graph) = nullptr;

  /// Resolves all of them. What is missing, or nothing.
  std::string open();
  /// "cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY: out of memory"; nothing for 0.
  std::string problem(const char *call, int result) const;

  int device = 0;
  Handle context = nullptr;
};

} // namespace kv

#endif
