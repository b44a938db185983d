// StandInDevice.cpp: initialisation, errors, the device, contexts (CUDA driver API, sections 6.2 to 6.8).
#include "StandIn.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string>

namespace kv::ptx::standin {

State::State() {
  if (const char *value = std::getenv("KV_PTX_SM"))
    sm = std::atoi(value);
  if (const char *value = std::getenv("KV_PTX_SEED"))
    seed = std::strtoull(value, nullptr, 10);
  Options options;
  options.sharedLimit = sharedLimit();
  options.copyUndefined = std::getenv("KV_PTX_COPY_UNDEFINED") != nullptr;
  options.instructionLimit = 2'000'000'000; // a step over long sequences is no deadlock yet
  if (const char *value = std::getenv("KV_PTX_MMA"))
    options.mmaOrder = value[0] == 's' ? MmaOrder::sequential : value[0] == 'r' ? MmaOrder::reversed : MmaOrder::exact;
  machine = std::make_unique<Machine>(options);
}

bool State::capturing() const {
  return std::any_of(streams.begin(), streams.end(), [](CUstream stream) { return stream->capture != nullptr; });
}

State &state() {
  static State *const single = new State; // outlives every static object that might still free its buffers
  return *single;
}

std::vector<CUcontext> &contextStack() {
  thread_local std::vector<CUcontext> stack;
  return stack;
}

CUresult guarded(const std::function<CUresult(State &)> &body, bool needsContext) {
  State &s = state();
  const std::lock_guard lock(s.mutex);
  if (!s.initialised)
    return notInitialized;
  if (needsContext && (contextStack().empty() || !contextStack().back()))
    return invalidContext;
  if (needsContext && s.sticky != success)
    return s.sticky;
  return body(s);
}

CUresult immediately(const std::function<CUresult(State &)> &body) {
  return guarded([&](State &s) { return s.capturing() ? captureImplicit : body(s); });
}

CUresult enqueue(State &s, CUstream stream, Operation operation) {
  if (reinterpret_cast<uintptr_t>(stream) <= 2) // the default streams
    return s.capturing() ? CUresult(captureImplicit) : operation();
  if (!s.streams.count(stream))
    return invalidHandle;
  if (!stream->capture)
    return operation();
  stream->capture->nodes.push_back(std::move(operation));
  return success;
}

namespace {

struct Error {
  CUresult code;
  const char *name, *text;
};

constexpr Error errors[] = {
    {success, "CUDA_SUCCESS", "no error"},
    {invalidValue, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {outOfMemory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {notInitialized, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {invalidDevice, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {invalidContext, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {noBinaryForGpu, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {invalidPtx, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {unsupportedPtxVersion, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain"},
    {invalidHandle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {notFound, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {notReady, "CUDA_ERROR_NOT_READY", "device not ready"},
    {illegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {launchOutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {misalignedAddress, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {launchFailed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {notSupported, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {captureUnsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {captureInvalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {captureUnmatched, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not initiated in this stream"},
    {captureImplicit, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT",
     "operation would make the legacy stream depend on a capturing blocking stream"},
};

/// CUdevice_attribute by number. Sizes of an H100 where nothing depends on them.
int attributeOf(const State &s, int attribute) {
  const std::pair<int, int> values[] = {{1, 1024},
                                        {2, 1024},
                                        {3, 1024},
                                        {4, 64}, // threads of a block, by axis
                                        {5, 2147483647},
                                        {6, 65535},
                                        {7, 65535}, // blocks of a grid, by axis
                                        {8, usualShared},
                                        {9, 65536},
                                        {10, 32},
                                        {12, 65536}, // shared and constant memory, warp, registers of a block
                                        {13, 1755000},
                                        {15, 1},
                                        {16, 132},
                                        {31, 1},
                                        {36, 2619000}, // clock, overlap, multiprocessors, concurrent kernels, memory clock
                                        {37, 5120},
                                        {38, 16 << 10}, // no cache: what programs do to leave one behind is soon done
                                        {39, 2048},
                                        {40, 3},
                                        {41, 1}, // bus width, L2 bytes, threads a multiprocessor, copy engines, unified
                                        {75, s.sm / 10},
                                        {76, s.sm % 10},
                                        {78, 1}, // compute capability, stream priorities
                                        {81, s.sharedLimit() + 1024},
                                        {82, 65536},
                                        {95, 1}, // shared memory and registers of a multiprocessor, cooperative launch
                                        {97, s.sharedLimit()},
                                        {106, 32},
                                        {111, 1024},
                                        {115, 0}}; // shared memory of a block on request, blocks, reserved, pools
  for (const auto &[number, value] : values)
    if (number == attribute)
      return value;
  return 0;
}

CUresult knownDevice(CUdevice device) { return device == 0 ? success : invalidDevice; }

} // namespace
} // namespace kv::ptx::standin

using namespace kv::ptx::standin;

extern "C" {

CUresult cuInit(unsigned flags) {
  if (flags)
    return invalidValue;
  State &s = state();
  const std::lock_guard lock(s.mutex);
  s.initialised = true;
  return success;
}

CUresult cuDriverGetVersion(int *version) { return store(version, driverVersion); }

CUresult cuGetErrorName(CUresult error, const char **name) {
  for (const Error &known : errors)
    if (known.code == error)
      return store(name, known.name);
  return invalidValue;
}

CUresult cuGetErrorString(CUresult error, const char **text) {
  for (const Error &known : errors)
    if (known.code == error)
      return store(text, known.text);
  return invalidValue;
}

CUresult cuGetProcAddress_v2(const char *symbol, void **function, int, uint64_t, int *status) {
  if (!symbol || !function)
    return invalidValue;
  Dl_info self;
  void *library = dladdr(reinterpret_cast<void *>(&cuInit), &self) ? dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : nullptr;
  *function = library ? dlsym(library, (std::string(symbol) + "_v2").c_str()) : nullptr;
  if (!*function && library)
    *function = dlsym(library, symbol);
  if (library)
    dlclose(library);
  if (status)
    *status = *function ? 0 : 1; // CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND
  return *function ? success : notFound;
}
CUresult cuGetProcAddress(const char *symbol, void **function, int version, uint64_t flags) {
  return cuGetProcAddress_v2(symbol, function, version, flags, nullptr);
}

CUresult cuDeviceGetCount(int *count) {
  return guarded([&](State &) { return store(count, 1); }, false);
}
CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  return guarded([&](State &) { return ordinal ? CUresult(invalidDevice) : store(device, 0); }, false);
}
CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
  return guarded(
      [&](State &s) -> CUresult {
        if (!name || length < 1)
          return invalidValue;
        const std::string text = "PTX interpreter sm_" + std::to_string(s.sm);
        std::strncpy(name, text.c_str(), size_t(length) - 1);
        name[length - 1] = 0;
        return knownDevice(device);
      },
      false);
}
CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
  return guarded([&](State &s) { return device ? CUresult(invalidDevice) : store(value, attributeOf(s, attribute)); }, false);
}
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  return guarded([&](State &) { return device ? CUresult(invalidDevice) : store(bytes, size_t(80) << 30); }, false);
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  return guarded(
      [&](State &s) -> CUresult {
        s.contexts.insert(&s.primary);
        return device ? CUresult(invalidDevice) : store(context, CUcontext(&s.primary));
      },
      false);
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) { return knownDevice(device); }
CUresult cuDevicePrimaryCtxRelease(CUdevice device) { return knownDevice(device); }

CUresult cuCtxCreate_v2(CUcontext *context, unsigned, CUdevice device) {
  return guarded(
      [&](State &s) -> CUresult {
        if (!context || device)
          return device ? invalidDevice : invalidValue;
        *context = new CUctx_st{false, ++s.lastContext};
        s.contexts.insert(*context);
        contextStack().push_back(*context);
        return success;
      },
      false);
}
CUresult cuCtxDestroy_v2(CUcontext context) {
  return guarded(
      [&](State &s) -> CUresult {
        if (!s.contexts.erase(context) || context->primary)
          return invalidContext;
        std::erase(contextStack(), context);
        delete context;
        return success;
      },
      false);
}
CUresult cuCtxGetCurrent(CUcontext *context) {
  return guarded([&](State &) { return store(context, contextStack().empty() ? CUcontext(nullptr) : contextStack().back()); },
                 false);
}
CUresult cuCtxSetCurrent(CUcontext context) {
  return guarded(
      [&](State &s) -> CUresult {
        if (context && !s.contexts.count(context))
          return invalidContext;
        if (!contextStack().empty())
          contextStack().pop_back();
        if (context)
          contextStack().push_back(context);
        return success;
      },
      false);
}
CUresult cuCtxPushCurrent_v2(CUcontext context) {
  return guarded(
      [&](State &s) -> CUresult {
        if (!s.contexts.count(context))
          return invalidContext;
        contextStack().push_back(context);
        return success;
      },
      false);
}
CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  return guarded(
      [&](State &) -> CUresult {
        if (contextStack().empty())
          return invalidContext;
        if (context)
          *context = contextStack().back();
        contextStack().pop_back();
        return success;
      },
      false);
}
CUresult cuCtxSynchronize() {
  return guarded([](State &s) -> CUresult { return s.capturing() ? captureUnsupported : success; });
}
CUresult cuCtxGetDevice(CUdevice *device) {
  return guarded([&](State &) { return store(device, 0); });
}

CUresult cuCtxGetId(CUcontext context, unsigned long long *id) {
  return guarded(
      [&](State &s) -> CUresult {
        if (!context && !contextStack().empty())
          context = contextStack().back();
        return s.contexts.count(context) ? store(id, context->id) : CUresult(invalidContext);
      },
      false);
}

const char *kv_ptx_last_fault() { return state().fault.c_str(); }
void kv_ptx_clear_fault() {
  State &s = state();
  const std::lock_guard lock(s.mutex);
  s.fault.clear();
  s.sticky = success;
}
void kv_ptx_set_seed(uint64_t seed) {
  State &s = state();
  const std::lock_guard lock(s.mutex);
  s.seed = seed;
  s.launches = 0;
}
void kv_ptx_statistics(uint64_t values[7]) {
  State &s = state();
  const std::lock_guard lock(s.mutex);
  const kv::ptx::Statistics &stats = s.machine->statistics();
  const uint64_t all[7] = {stats.instructions,   stats.warps,           stats.divergentBranches, stats.bankConflicts,
                           stats.sharedAccesses, stats.globalLoadBytes, stats.globalStoreBytes};
  std::copy(std::begin(all), std::end(all), values);
}
}
