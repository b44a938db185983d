/* gpu_modules.c: what is loaded into which context. One lock guards the lists; it is held while the driver compiles, so that
 * threads that ask for the same code at once wait for one compilation. */
#include "gpu_driver.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct kvrt_gpu_entry {
  const char *name; /* the variant's own pointer first, its text then */
  cu_handle function;
  int64_t shared_bytes; /* that launches may ask for */
  struct kvrt_gpu_entry *next;
} kvrt_gpu_entry;

typedef struct kvrt_gpu_module {
  const char *ptx;
  cu_handle handle;
  kvrt_gpu_entry *entries;
  struct kvrt_gpu_module *next;
} kvrt_gpu_module;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static kvrt_gpu_context *contexts;

static void freeEntries(kvrt_gpu_module *module) {
  while (module->entries) {
    kvrt_gpu_entry *next = module->entries->next;
    free(module->entries);
    module->entries = next;
  }
}

/* `unload`: the context is there still, and current. */
static void freeModules(kvrt_gpu_context *context, int unload) {
  while (context->modules) {
    kvrt_gpu_module *next = context->modules->next;
    if (unload)
      context->driver->cuModuleUnload(context->modules->handle);
    freeEntries(context->modules);
    free(context->modules);
    context->modules = next;
  }
}

static kv_status readDevice(kvrt_gpu_context *context) {
  const kvrt_gpu_driver *driver = context->driver;
  static const int attributes[] = {CU_DEVICE_CAPABILITY_MAJOR, CU_DEVICE_CAPABILITY_MINOR, CU_DEVICE_SHARED_BYTES_OPTIN};
  int values[3];
  cu_device device = 0;
  cu_result result = driver->cuCtxGetDevice(&device);
  if (result != 0)
    return kvrt_gpu_fail(driver, KV_ERROR_GPU, "cuCtxGetDevice", result);
  for (int i = 0; i < 3; ++i)
    if ((result = driver->cuDeviceGetAttribute(&values[i], attributes[i], device)) != 0)
      return kvrt_gpu_fail(driver, KV_ERROR_GPU, "cuDeviceGetAttribute", result);
  context->capability = 10 * (int64_t)values[0] + values[1];
  context->shared_bytes = values[2];
  return KV_OK;
}

/* The record of a context, made when there is none. */
static kv_status findContext(const kvrt_gpu_driver *driver, cu_handle handle, unsigned long long id, kvrt_gpu_context **found) {
  kvrt_gpu_context *context = contexts;
  while (context && context->handle != handle)
    context = context->next;
  const int isNew = !context;
  if (isNew && !(context = calloc(1, sizeof *context)))
    return kvrt_fail(KV_ERROR_MEMORY, "no memory for a context's record");
  if (isNew || context->id != id) {
    /* Another context at the address of one that is gone, and its modules with it. */
    freeModules(context, 0);
    context->driver = driver;
    context->handle = handle;
    context->id = id;
    const kv_status status = readDevice(context);
    if (status != KV_OK) {
      context->id = ~id;
      if (isNew)
        free(context);
      return status;
    }
  }
  if (isNew) {
    context->next = contexts;
    contexts = context;
  }
  *found = context;
  return KV_OK;
}

kv_status kvrt_gpu_current(kvrt_gpu_context **context) {
  const kvrt_gpu_driver *driver;
  kv_status status = kvrt_gpu_open(&driver);
  if (status != KV_OK)
    return status;
  cu_handle handle = NULL;
  unsigned long long id = 0;
  cu_result result = driver->cuCtxGetCurrent(&handle);
  if (result != 0)
    return kvrt_gpu_fail(driver, KV_ERROR_GPU, "cuCtxGetCurrent", result);
  if (!handle)
    return kvrt_fail(KV_ERROR_GPU_CONTEXT,
                     "no CUDA context is current on this thread; cudaSetDevice or cuCtxSetCurrent makes one so");
  if (driver->cuCtxGetId && (result = driver->cuCtxGetId(handle, &id)) != 0)
    return kvrt_gpu_fail(driver, KV_ERROR_GPU_CONTEXT, "cuCtxGetId", result);
  pthread_mutex_lock(&lock);
  status = findContext(driver, handle, id, context);
  pthread_mutex_unlock(&lock);
  return status;
}

static kv_status compile(kvrt_gpu_context *context, const kv_gpu_variant *variant, cu_handle *handle) {
  char log[1536] = "";
  int options[] = {CU_JIT_ERROR_LOG, CU_JIT_ERROR_LOG_BYTES};
  void *values[] = {log, (void *)(uintptr_t)sizeof log};
  const cu_result result = context->driver->cuModuleLoadDataEx(handle, variant->ptx, 2, options, values);
  if (result == 0)
    return KV_OK;
  const kv_status status = kvrt_gpu_fail(context->driver, KV_ERROR_GPU_COMPILE, "cuModuleLoadDataEx", result);
  log[sizeof log - 1] = 0;
  for (size_t end = strlen(log); end && (log[end - 1] == '\n' || log[end - 1] == ' '); --end)
    log[end - 1] = 0;
  if (!*log)
    return status;
  char sentence[256];
  size_t room = strlen(kv_last_error());
  room = room < sizeof sentence ? room : sizeof sentence - 1;
  memcpy(sentence, kv_last_error(), room);
  sentence[room] = 0;
  return kvrt_fail(KV_ERROR_GPU_COMPILE, "%s: %s: %s", variant->target, sentence, log);
}

static kv_status findModule(kvrt_gpu_context *context, const kv_gpu_variant *variant, kvrt_gpu_module **found) {
  for (kvrt_gpu_module *module = context->modules; module; module = module->next)
    if (module->ptx == variant->ptx) {
      *found = module;
      return KV_OK;
    }
  kvrt_gpu_module *module = calloc(1, sizeof *module);
  if (!module)
    return kvrt_fail(KV_ERROR_MEMORY, "no memory for a module's record");
  const kv_status status = compile(context, variant, &module->handle);
  if (status != KV_OK) {
    free(module);
    return status;
  }
  module->ptx = variant->ptx;
  module->next = context->modules;
  context->modules = module;
  *found = module;
  return KV_OK;
}

static kv_status makeEntry(kvrt_gpu_context *context, kvrt_gpu_module *module, const char *name, kvrt_gpu_entry **made) {
  cu_handle function;
  const cu_result result = context->driver->cuModuleGetFunction(&function, module->handle, name);
  if (result != 0)
    return kvrt_gpu_fail(context->driver, KV_ERROR_GPU, "cuModuleGetFunction", result);
  kvrt_gpu_entry *entry = calloc(1, sizeof *entry);
  if (!entry)
    return kvrt_fail(KV_ERROR_MEMORY, "no memory for a function's record");
  entry->name = name;
  entry->function = function;
  entry->shared_bytes = 48 << 10; /* what every device gives unasked */
  entry->next = module->entries;
  module->entries = entry;
  *made = entry;
  return KV_OK;
}

/* An append's entry is launched for several kernels, which ask for different amounts. */
static kv_status askShared(kvrt_gpu_context *context, kvrt_gpu_entry *entry, int64_t bytes) {
  if (bytes <= entry->shared_bytes)
    return KV_OK;
  const cu_result result = context->driver->cuFuncSetAttribute(entry->function, CU_FUNC_DYNAMIC_SHARED_BYTES, (int)bytes);
  if (result != 0)
    return kvrt_gpu_fail(context->driver, KV_ERROR_GPU, "cuFuncSetAttribute", result);
  entry->shared_bytes = bytes;
  return KV_OK;
}

kv_status kvrt_gpu_function(kvrt_gpu_context *context, const kv_gpu_variant *variant, const char *name, cu_handle *function) {
  if (variant->shared_bytes > context->shared_bytes)
    return kvrt_fail(KV_ERROR_GPU_LIMIT, "%s needs %lld bytes of shared memory a block; this device has %lld", name,
                     (long long)variant->shared_bytes, (long long)context->shared_bytes);
  pthread_mutex_lock(&lock);
  kvrt_gpu_module *module = NULL;
  kv_status status = findModule(context, variant, &module);
  kvrt_gpu_entry *entry = status == KV_OK ? module->entries : NULL;
  while (entry && entry->name != name && strcmp(entry->name, name) != 0)
    entry = entry->next;
  if (status == KV_OK && !entry)
    status = makeEntry(context, module, name, &entry);
  if (status == KV_OK)
    status = askShared(context, entry, variant->shared_bytes);
  if (status == KV_OK)
    *function = entry->function;
  pthread_mutex_unlock(&lock);
  return status;
}

void kvrt_gpu_note(kvrt_gpu_context *context, cu_result result) {
  if (result != CU_INVALID_CONTEXT && result != CU_INVALID_HANDLE && result != CU_CONTEXT_IS_DESTROYED)
    return;
  pthread_mutex_lock(&lock);
  freeModules(context, 0);
  pthread_mutex_unlock(&lock);
}

void kv_gpu_close(void) {
  pthread_mutex_lock(&lock);
  while (contexts) {
    kvrt_gpu_context *context = contexts;
    const int there = context->modules && context->driver->cuCtxPushCurrent_v2(context->handle) == 0;
    freeModules(context, there);
    if (there) {
      cu_handle popped;
      context->driver->cuCtxPopCurrent_v2(&popped);
    }
    contexts = context->next;
    free(context);
  }
  pthread_mutex_unlock(&lock);
  kvrt_gpu_forget_driver();
}
