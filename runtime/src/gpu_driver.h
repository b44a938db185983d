/* gpu_driver.h: what the runtime's GPU files share: the few functions of the CUDA driver API it calls, by their names in
 * libcuda.so.1, and what it keeps of a context. Enumerators are those of the driver's ABI, which never change. */
#ifndef KVRT_GPU_DRIVER_H
#define KVRT_GPU_DRIVER_H

#include "internal.h"
#include "kv/kv_gpu.h"

typedef int cu_result; /* CUresult; 0: success */
typedef int cu_device;
typedef void *cu_handle;     /* CUcontext, CUmodule, CUfunction, CUstream */
typedef uint64_t cu_pointer; /* CUdeviceptr */

enum {
  CU_NO_DEVICE = 100,
  CU_INVALID_CONTEXT = 201,
  CU_INVALID_HANDLE = 400,
  CU_CONTEXT_IS_DESTROYED = 709,

  CU_DEVICE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_CAPABILITY_MINOR = 76,
  CU_DEVICE_SHARED_BYTES_OPTIN = 97, /* the most shared memory of a block that asks for it */

  CU_FUNC_DYNAMIC_SHARED_BYTES = 8,

  CU_JIT_ERROR_LOG = 5,
  CU_JIT_ERROR_LOG_BYTES = 6
};

/* X(name, parameters): must be there; O(name, parameters): null in drivers too old for it. */
#define KVRT_GPU_FUNCTIONS(X, O)                                                                                                   \
  X(cuInit, (unsigned flags))                                                                                                      \
  X(cuGetErrorName, (cu_result error, const char **text))                                                                          \
  X(cuGetErrorString, (cu_result error, const char **text))                                                                        \
  X(cuDeviceGetCount, (int *count))                                                                                                \
  X(cuDeviceGetAttribute, (int *value, int attribute, cu_device device))                                                           \
  X(cuCtxGetCurrent, (cu_handle * context))                                                                                        \
  X(cuCtxGetDevice, (cu_device * device))                                                                                          \
  X(cuCtxPushCurrent_v2, (cu_handle context))                                                                                      \
  X(cuCtxPopCurrent_v2, (cu_handle * context))                                                                                     \
  X(cuModuleLoadDataEx, (cu_handle * module, const void *image, unsigned count, int *options, void **values))                      \
  X(cuModuleUnload, (cu_handle module))                                                                                            \
  X(cuModuleGetFunction, (cu_handle * function, cu_handle module, const char *name))                                               \
  X(cuFuncSetAttribute, (cu_handle function, int attribute, int value))                                                            \
  X(cuLaunchKernel, (cu_handle function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,         \
                     unsigned blockZ, unsigned sharedBytes, cu_handle stream, void **arguments, void **extra))                     \
  X(cuMemsetD8Async, (cu_pointer to, unsigned char value, size_t bytes, cu_handle stream))                                         \
  O(cuCtxGetId, (cu_handle context, unsigned long long *id))

typedef struct kvrt_gpu_driver {
#define KVRT_GPU_FIELD(name, parameters) cu_result(*name) parameters;
  KVRT_GPU_FUNCTIONS(KVRT_GPU_FIELD, KVRT_GPU_FIELD)
#undef KVRT_GPU_FIELD
} kvrt_gpu_driver;

/* gpu_driver.c: opens the driver once; any thread. Errors: NO_GPU, GPU. */
kv_status kvrt_gpu_open(const kvrt_gpu_driver **driver);
/* Forgets the driver. The library stays in the process: it does not like to go. */
void kvrt_gpu_forget_driver(void);
/* Says what the driver answered to a call: "cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected". */
kv_status kvrt_gpu_fail(const kvrt_gpu_driver *driver, kv_status status, const char *call, cu_result result);

/* gpu_modules.c: a context that kernels have run in, with what is loaded into it. */
typedef struct kvrt_gpu_context kvrt_gpu_context;
struct kvrt_gpu_context {
  const kvrt_gpu_driver *driver;
  cu_handle handle;
  unsigned long long id; /* tells a context from a later one at the same address; 0 where the driver has no ids */
  int64_t capability;    /* 10 * major + minor */
  int64_t shared_bytes;  /* the most of a block */
  struct kvrt_gpu_module *modules;
  kvrt_gpu_context *next;
};

/* The calling thread's context; lives until kv_gpu_close(). Errors: NO_GPU, GPU_CONTEXT, GPU, MEMORY. */
kv_status kvrt_gpu_current(kvrt_gpu_context **context);
/* An entry of a variant, loaded once for each context. Errors: GPU_COMPILE, GPU_LIMIT, GPU, MEMORY. */
kv_status kvrt_gpu_function(kvrt_gpu_context *context, const kv_gpu_variant *variant, const char *entry, cu_handle *function);
/* Lets go of a context's modules after a result that says that they went with it. */
void kvrt_gpu_note(kvrt_gpu_context *context, cu_result result);

/* gpu_grid.c: the launches of a step, from what the host knows of it. */
typedef struct kvrt_gpu_grid {
  int64_t append_x, append_y; /* 0: no launch */
  int64_t append_flag;
  int64_t attend_x, attend_y; /* 0: no launch */
  int64_t attend_flag;
  int64_t counter_bytes;   /* at the start of the workspace; 0: no partial results */
  int64_t workspace_bytes; /* all of it */
} kvrt_gpu_grid;

/* Errors: VARIANT, STRUCT_SIZE, RESERVED, BOUNDS. `launch` is not null. */
kv_status kvrt_gpu_check_variant(const kv_kernel *kernel, const kv_gpu_variant *variant);
kv_status kvrt_gpu_check_launch(const kv_gpu_launch *launch);
/* All fields of the step that the host can check, the workspace apart. */
kv_status kvrt_gpu_check_step(const kv_kernel *kernel, const kv_step *step, const kv_gpu_launch *launch);
/* Errors: BLOCK_TABLE, GPU_LIMIT. `step` has at least a valid header and num_seqs. */
kv_status kvrt_gpu_plan(const kv_kernel *kernel, const kv_gpu_variant *variant, const kv_step *step, const kv_gpu_launch *launch,
                        kvrt_gpu_grid *grid);

#endif
