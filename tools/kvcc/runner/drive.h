/* drive.h: the ways in which `kvcc verify` runs a step. One piece of code for kernels in kvcc's own process and for those that the
 * runner holds, so that both are driven alike. C11. */
#ifndef KV_TOOLS_KVCC_RUNNER_DRIVE_H
#define KV_TOOLS_KVCC_RUNNER_DRIVE_H

#include "kv/kv.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kv_drive {
  KV_DRIVE_ALONE = 0, /* on the calling thread */
  KV_DRIVE_PARTS = 1, /* in three parts, as an engine's own threads would run them, in the least convenient order */
  KV_DRIVE_POOL = 2   /* on a pool of two threads */
} kv_drive;

/* Threads or parts of a drive: what the workspace must be good for. */
int32_t kv_drive_threads(kv_drive drive);

/* Runs a step, whose workspace is set. kv_last_error() says more about a failure. */
kv_status kv_drive_step(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, kv_drive drive);

#ifdef __cplusplus
}
#endif
#endif
