/* gpu_driver.c: opens libcuda.so.1 when it is first needed. An open that failed is tried again by the next call. */
#include "gpu_driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static kvrt_gpu_driver table;
static void *library;
static _Atomic(const kvrt_gpu_driver *) opened;

kv_status kvrt_gpu_fail(const kvrt_gpu_driver *driver, kv_status status, const char *call, cu_result result) {
  const char *name = NULL, *text = NULL;
  if (driver->cuGetErrorName(result, &name) != 0 || !name)
    name = "unknown error";
  if (driver->cuGetErrorString(result, &text) != 0 || !text)
    text = "the driver does not say more";
  return kvrt_fail(status, "%s: %s (%d): %s", call, name, result, text);
}

/* Fills the table. */
static kv_status resolve(void *from, const char *name) {
  const char *missing = NULL;
  void *address;
#define RESOLVE_OPTIONAL(function, parameters)                                                                                     \
  address = dlsym(from, #function);                                                                                                \
  memcpy(&table.function, &address, sizeof address);
#define RESOLVE(function, parameters)                                                                                              \
  RESOLVE_OPTIONAL(function, parameters)                                                                                           \
  if (!address && !missing)                                                                                                        \
    missing = #function;
  KVRT_GPU_FUNCTIONS(RESOLVE, RESOLVE_OPTIONAL)
#undef RESOLVE
#undef RESOLVE_OPTIONAL
  if (missing)
    return kvrt_fail(KV_ERROR_NO_GPU, "%s has no function %s; expected a CUDA driver of 11.0 or later", name, missing);
  return KV_OK;
}

static kv_status openLocked(void) {
  const char *name = getenv("KV_CUDA_LIBRARY");
  if (!name || !*name)
    name = "libcuda.so.1";
  void *found = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!found) {
    const char *why = dlerror();
    return kvrt_fail(KV_ERROR_NO_GPU, "cannot open the CUDA driver: %s", why ? why : name);
  }
  kv_status status = resolve(found, name);
  int count = 0;
  cu_result result = 0;
  if (status == KV_OK && (result = table.cuInit(0)) != 0)
    status = kvrt_gpu_fail(&table, result == CU_NO_DEVICE ? KV_ERROR_NO_GPU : KV_ERROR_GPU, "cuInit", result);
  if (status == KV_OK && (result = table.cuDeviceGetCount(&count)) != 0)
    status = kvrt_gpu_fail(&table, KV_ERROR_GPU, "cuDeviceGetCount", result);
  if (status == KV_OK && count == 0)
    status = kvrt_fail(KV_ERROR_NO_GPU, "%s finds no device", name);
  if (status != KV_OK) {
    dlclose(found);
    return status;
  }
  library = found;
  atomic_store_explicit(&opened, &table, memory_order_release);
  return KV_OK;
}

kv_status kvrt_gpu_open(const kvrt_gpu_driver **driver) {
  kv_status status = KV_OK;
  *driver = atomic_load_explicit(&opened, memory_order_acquire);
  if (*driver)
    return KV_OK;
  pthread_mutex_lock(&lock);
  *driver = atomic_load_explicit(&opened, memory_order_relaxed);
  if (!*driver && (status = openLocked()) == KV_OK)
    *driver = &table;
  pthread_mutex_unlock(&lock);
  return status;
}

void kvrt_gpu_forget_driver(void) {
  pthread_mutex_lock(&lock);
  atomic_store_explicit(&opened, NULL, memory_order_release);
  library = NULL;
  pthread_mutex_unlock(&lock);
}

kv_status kv_gpu_symbol(const char *name, void **address) {
  if (!name || !address)
    return kvrt_fail(KV_ERROR_NULL, "%s is null", name ? "address" : "name");
  const kvrt_gpu_driver *driver;
  *address = NULL;
  const kv_status status = kvrt_gpu_open(&driver);
  if (status != KV_OK)
    return status;
  *address = dlsym(library, name);
  return *address ? KV_OK : kvrt_fail(KV_ERROR_GPU, "the CUDA driver has no function %s", name);
}
