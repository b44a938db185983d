/* gpu.c: picks the variant for the device and enqueues a step on it. */
#include "gpu_driver.h"

#include <stdio.h>

static const kv_gpu_launch defaults = {sizeof(kv_gpu_launch), 0, NULL, 0, 0, NULL};

static void listTargets(const kv_kernel *kernel, char *text, size_t size) {
  size_t used = 0;
  snprintf(text, size, "%s", kernel->num_gpu_variants ? "" : "none for GPUs");
  for (int64_t i = 0; i < kernel->num_gpu_variants; ++i) {
    const int wrote = snprintf(text + used, size - used, "%s%s", used ? ", " : "", kv_gpu_variant_at(kernel, i)->target);
    if (wrote < 0 || (size_t)wrote >= size - used)
      return;
    used += (size_t)wrote;
  }
}

/* Where a variant was named, it must run here. */
static kv_status checkCapability(const kv_kernel *kernel, const kv_gpu_variant *variant, const kvrt_gpu_context *context) {
  if (variant->capability <= context->capability)
    return KV_OK;
  return kvrt_fail(KV_ERROR_TARGET_FEATURES, "variant %s of %s needs compute capability %lld.%lld; this device has %lld.%lld",
                   variant->target, kernel->name, (long long)variant->capability / 10, (long long)variant->capability % 10,
                   (long long)context->capability / 10, (long long)context->capability % 10);
}

static kv_status selectIn(const kvrt_gpu_context *context, const kv_kernel *kernel, const char *target,
                          const kv_gpu_variant **variant) {
  const int named = target && *target;
  for (int64_t i = 0; i < kernel->num_gpu_variants; ++i) {
    const kv_gpu_variant *row = kv_gpu_variant_at(kernel, i);
    if (named ? strcmp(row->target, target) != 0 : row->capability > context->capability)
      continue;
    *variant = row;
    return checkCapability(kernel, row, context);
  }
  char targets[256];
  listTargets(kernel, targets, sizeof targets);
  if (named)
    return kvrt_fail(KV_ERROR_TARGET_UNKNOWN, "kernel %s has no GPU variant %s; it has %s", kernel->name, target, targets);
  return kvrt_fail(KV_ERROR_NO_VARIANT, "kernel %s has %s; this device, of compute capability %lld.%lld, runs none of them",
                   kernel->name, targets, (long long)context->capability / 10, (long long)context->capability % 10);
}

const kv_gpu_variant *kv_gpu_select_target(const kv_kernel *kernel, const char *target, kv_status *status) {
  kv_status ignored;
  if (!status)
    status = &ignored;
  kvrt_gpu_context *context;
  const kv_gpu_variant *variant = NULL;
  *status = kvrt_check_kernel(kernel);
  if (*status == KV_OK)
    *status = kvrt_gpu_current(&context);
  if (*status == KV_OK)
    *status = selectIn(context, kernel, target, &variant);
  return *status == KV_OK ? variant : NULL;
}

const kv_gpu_variant *kv_gpu_select(const kv_kernel *kernel, kv_status *status) {
  return kv_gpu_select_target(kernel, kvrt_target_of_environment(), status);
}

/* The launch's variant, or the one to run in the context. */
static kv_status variantFor(const kvrt_gpu_context *context, const kv_kernel *kernel, const kv_gpu_launch *launch,
                            const kv_gpu_variant **variant) {
  *variant = launch->variant;
  kv_status status;
  if (!launch->variant)
    status = selectIn(context, kernel, kvrt_target_of_environment(), variant);
  else
    status = launch->variant->target ? checkCapability(kernel, launch->variant, context) : KV_OK;
  return status == KV_OK ? kvrt_gpu_check_variant(kernel, *variant) : status;
}

kv_status kv_gpu_prepare(const kv_kernel *kernel, const kv_gpu_launch *launch) {
  launch = launch ? launch : &defaults;
  kvrt_gpu_context *context;
  const kv_gpu_variant *variant;
  kv_status status = kvrt_check_kernel(kernel);
  if (status == KV_OK)
    status = kvrt_gpu_check_launch(launch);
  if (status == KV_OK)
    status = kvrt_gpu_current(&context);
  if (status == KV_OK)
    status = variantFor(context, kernel, launch, &variant);
  cu_handle function;
  if (status == KV_OK)
    for (int32_t phase = 0; phase < KV_NUM_PHASES && status == KV_OK; ++phase)
      if (variant->entries[phase])
        status = kvrt_gpu_function(context, variant, variant->entries[phase], &function);
  return status;
}

/* Checks what needs no device. */
static kv_status checkHost(const kv_kernel *kernel, const kv_step *step, const kv_gpu_launch *launch) {
  kv_status status = kvrt_check_kernel(kernel);
  if (status == KV_OK)
    status = kvrt_gpu_check_launch(launch);
  if (status == KV_OK)
    status = kvrt_check_header(kernel, step);
  if (status == KV_OK && (step->num_seqs < 0 || step->num_seqs > INT32_MAX))
    status = kvrt_fail(KV_ERROR_NUM_SEQS, "num_seqs is %lld; expected 0 .. 2^31 - 1", (long long)step->num_seqs);
  return status;
}

int64_t kv_gpu_workspace_bytes(const kv_kernel *kernel, const kv_step *step, const kv_gpu_launch *launch) {
  launch = launch ? launch : &defaults;
  const kv_gpu_variant *variant = launch->variant;
  kvrt_gpu_context *context;
  kvrt_gpu_grid grid;
  kv_status status = checkHost(kernel, step, launch);
  if (status == KV_OK && !variant && (status = kvrt_gpu_current(&context)) == KV_OK)
    status = selectIn(context, kernel, kvrt_target_of_environment(), &variant);
  if (status == KV_OK)
    status = kvrt_gpu_check_variant(kernel, variant);
  if (status == KV_OK)
    status = kvrt_gpu_plan(kernel, variant, step, launch, &grid);
  return status == KV_OK ? grid.workspace_bytes : -1;
}

static kv_status zeroCounters(kvrt_gpu_context *context, const kv_step *step, const kv_gpu_launch *launch,
                              const kvrt_gpu_grid *grid) {
  if (grid->counter_bytes == 0)
    return KV_OK;
  const cu_result result =
      context->driver->cuMemsetD8Async((cu_pointer)(uintptr_t)step->workspace, 0, (size_t)grid->counter_bytes, launch->stream);
  return result == 0 ? KV_OK : kvrt_gpu_fail(context->driver, KV_ERROR_GPU, "cuMemsetD8Async", result);
}

/* The context and the grids of a step whose fields are good. */
static kv_status plan(const kv_kernel *kernel, const kv_step *step, const kv_gpu_launch *launch, kvrt_gpu_context **context,
                      const kv_gpu_variant **variant, kvrt_gpu_grid *grid) {
  kv_status status = checkHost(kernel, step, launch);
  if (status == KV_OK)
    status = kvrt_gpu_current(context);
  if (status == KV_OK)
    status = variantFor(*context, kernel, launch, variant);
  if (status == KV_OK)
    status = kvrt_check_flags(kernel, (*variant)->target, (*variant)->flags, step);
  if (status == KV_OK)
    status = kvrt_gpu_check_step(kernel, step, launch);
  if (status == KV_OK)
    status = kvrt_gpu_plan(kernel, *variant, step, launch, grid);
  return status == KV_OK ? kvrt_check_workspace(step, grid->workspace_bytes, 0) : status;
}

kv_status kv_gpu_workspace_init(const kv_kernel *kernel, const kv_step *step, const kv_gpu_launch *launch) {
  launch = launch ? launch : &defaults;
  kvrt_gpu_context *context;
  const kv_gpu_variant *variant;
  kvrt_gpu_grid grid;
  const kv_status status = plan(kernel, step, launch, &context, &variant, &grid);
  return status == KV_OK ? zeroCounters(context, step, launch, &grid) : status;
}

static kv_status launchGrid(kvrt_gpu_context *context, const kv_gpu_variant *variant, cu_handle function, int64_t x, int64_t y,
                            const kv_step *step, int64_t flag, void *stream) {
  kv_step copy = kvrt_whole_step(step); /* the entry takes step_bytes of it */
  void *arguments[] = {&copy, &flag};
  const cu_result result = context->driver->cuLaunchKernel(function, (unsigned)x, (unsigned)y, 1, (unsigned)variant->threads, 1, 1,
                                                           (unsigned)variant->shared_bytes, stream, arguments, NULL);
  if (result == 0)
    return KV_OK;
  kvrt_gpu_note(context, result);
  return kvrt_gpu_fail(context->driver, KV_ERROR_GPU, "cuLaunchKernel", result);
}

kv_status kv_gpu_run(const kv_kernel *kernel, const kv_step *step, const kv_gpu_launch *launch) {
  launch = launch ? launch : &defaults;
  kvrt_gpu_context *context;
  const kv_gpu_variant *variant;
  kvrt_gpu_grid grid;
  kv_status status = plan(kernel, step, launch, &context, &variant, &grid);
  /* Both functions before the first launch, so that an error leaves nothing half-done. */
  cu_handle append = NULL, attend = NULL;
  if (status == KV_OK && grid.append_x)
    status = kvrt_gpu_function(context, variant, variant->entries[KV_PHASE_APPEND], &append);
  if (status == KV_OK && grid.attend_x)
    status = kvrt_gpu_function(context, variant, variant->entries[KV_PHASE_ATTEND], &attend);
  if (status == KV_OK && append)
    status = launchGrid(context, variant, append, grid.append_x, grid.append_y, step, grid.append_flag, launch->stream);
  if (status == KV_OK && !(launch->flags & KV_GPU_COUNTERS_READY))
    status = zeroCounters(context, step, launch, &grid);
  if (status == KV_OK && attend)
    status = launchGrid(context, variant, attend, grid.attend_x, grid.attend_y, step, grid.attend_flag, launch->stream);
  return status;
}
