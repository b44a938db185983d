/* fakecuda.c: fakecuda.h as a library in the place of libcuda.so.1. FAKE_CUDA_OLD leaves out what no driver may lack. */
#include "fakecuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static fake_cuda state = {1, 9, 0, 227 << 10, 0x1000, 1, NULL, 0,    NULL,
                          0, 0, 0, 0,         0,      0, 0,    NULL, {{{0}, {0}, {0}, 0, NULL, {0}, 0, 0, 0}}};

fake_cuda *fake_cuda_state(void) { return &state; }

static int answer(const char *function) { return state.failing && !strcmp(state.failing, function) ? state.result : 0; }

int cuInit(unsigned flags) {
  ++state.inits;
  return flags ? 1 : answer("cuInit");
}
int cuGetErrorName(int error, const char **text) {
  *text = error == 100 ? "CUDA_ERROR_NO_DEVICE" : error == 400 ? "CUDA_ERROR_INVALID_HANDLE" : "CUDA_ERROR_FAKE";
  return 0;
}
int cuGetErrorString(int error, const char **text) {
  *text = error == 100 ? "no CUDA-capable device is detected" : "what the driver says";
  return error == 1 ? 1 : 0;
}
int cuDeviceGetCount(int *count) {
  *count = state.devices;
  return answer("cuDeviceGetCount");
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75 ? state.major : attribute == 76 ? state.minor : attribute == 97 ? state.shared : -1;
  return device == 7 ? answer("cuDeviceGetAttribute") : 101;
}
int cuCtxGetCurrent(void **context) {
  *context = (void *)(uintptr_t)state.context;
  return answer("cuCtxGetCurrent");
}
int cuCtxGetDevice(int *device) {
  *device = 7;
  return answer("cuCtxGetDevice");
}
int cuCtxGetId(void *context, unsigned long long *id) {
  *id = state.context_id;
  return context ? 0 : 201;
}
int cuCtxPushCurrent_v2(void *context) { return context ? answer("cuCtxPushCurrent_v2") : 201; }
int cuCtxPopCurrent_v2(void **context) {
  *context = NULL;
  return 0;
}
int cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options, void **values) {
  /* Slow, so that threads that ask for the same meet here. */
  const struct timespec pause = {0, 5000000};
  nanosleep(&pause, NULL);
  ++state.loads;
  state.image = image;
  *module = (void *)(uintptr_t)(0x2000 + state.loads);
  char *log = NULL;
  size_t bytes = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == 5)
      log = values[i];
    if (options[i] == 6)
      bytes = (size_t)(uintptr_t)values[i];
  }
  const int result = answer("cuModuleLoadDataEx");
  if (result && log && state.log)
    snprintf(log, bytes, "%s", state.log);
  return result;
}
int cuModuleUnload(void *module) {
  state.unloads += module != NULL;
  return 0;
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
  ++state.functions;
  *function = (void *)(uintptr_t)name; /* of static storage in the tests */
  return module ? answer("cuModuleGetFunction") : 400;
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
  ++state.attributes;
  state.attribute_value = value;
  return function && attribute == 8 ? answer("cuFuncSetAttribute") : 1;
}
static fake_cuda_call *record(const char *entry, void *stream) {
  static fake_cuda_call spare;
  fake_cuda_call *call = state.num_calls < FAKE_CUDA_CALLS ? &state.calls[state.num_calls] : &spare;
  ++state.num_calls;
  memset(call, 0, sizeof *call);
  snprintf(call->entry, sizeof call->entry, "%s", entry);
  call->stream = stream;
  return call;
}
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *stream) {
  fake_cuda_call *call = record("memset", stream);
  call->address = to;
  call->bytes = bytes;
  return value ? 1 : answer("cuMemsetD8Async");
}
#ifndef FAKE_CUDA_OLD
int cuLaunchKernel(void *function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                   unsigned blockZ, unsigned shared, void *stream, void **arguments, void **extra) {
  fake_cuda_call *call = record(function, stream);
  const unsigned grid[] = {gridX, gridY, gridZ}, block[] = {blockX, blockY, blockZ};
  memcpy(call->grid, grid, sizeof grid);
  memcpy(call->block, block, sizeof block);
  call->shared = shared;
  memcpy(&call->step, arguments[0], sizeof call->step);
  memcpy(&call->flag, arguments[1], sizeof call->flag);
  return extra ? 1 : answer("cuLaunchKernel");
}
#endif
