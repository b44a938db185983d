#include "tools/kvcc/runner/drive.h"

int32_t kv_drive_threads(kv_drive drive) { return drive == KV_DRIVE_ALONE ? 1 : drive == KV_DRIVE_PARTS ? 3 : 2; }

static kv_status runParts(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t parts) {
  kv_status status = kv_check(kernel, variant, step, parts);
  for (int32_t phase = 0; phase < KV_NUM_PHASES && status == KV_OK; ++phase)
    for (int32_t part = parts - 1; part >= 0 && status == KV_OK; --part)
      status = kv_run_part(kernel, variant, step, phase, part, parts);
  return status;
}

static kv_status runPool(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t threads) {
  kv_pool *pool = NULL;
  kv_status status = kv_pool_create(threads, &pool);
  if (status != KV_OK)
    return status;
  kv_executor executor = kv_pool_executor(pool);
  status = kv_run_variant(kernel, variant, step, &executor);
  kv_pool_destroy(pool);
  return status;
}

kv_status kv_drive_step(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, kv_drive drive) {
  switch (drive) {
  case KV_DRIVE_PARTS:
    return runParts(kernel, variant, step, kv_drive_threads(drive));
  case KV_DRIVE_POOL:
    return runPool(kernel, variant, step, kv_drive_threads(drive));
  default:
    return kv_run_variant(kernel, variant, step, NULL);
  }
}
