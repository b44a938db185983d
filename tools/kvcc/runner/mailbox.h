/* mailbox.h: what kvcc and the runner say to each other.
 *
 * Both map one file, the arena, at one address; the mailbox is its first bytes, and everything that a step points to lies behind
 * it, so that pointers mean the same on both sides. A byte on the runner's standard input says that a request stands in the
 * mailbox, a byte on its standard output that the answer does; the first answer, unasked, says that the runner is ready and has
 * copied its kernels' descriptors. End of input ends the runner. C11; every type is as wide on both sides. */
#ifndef KV_TOOLS_KVCC_RUNNER_MAILBOX_H
#define KV_TOOLS_KVCC_RUNNER_MAILBOX_H

#include "tools/kvcc/runner/drive.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { KV_MAILBOX_BYTES = 1 << 20, KV_RUNNER_BELL = 'k' };

typedef enum kv_request {
  KV_REQUEST_SELECT = 0,    /* kv_select_target(kernel, target) */
  KV_REQUEST_WORKSPACE = 1, /* kv_step_workspace_bytes() of kernel, variant, step and drive: `bytes` */
  KV_REQUEST_RUN = 2        /* kv_drive_step() of kernel, variant, step and drive */
} kv_request;

typedef struct kv_mailbox {
  /* kvcc writes. */
  uint64_t layout;      /* KV_MAILBOX_LAYOUT, before the runner starts: both sides must be of the same sources */
  uint64_t arena_bytes; /* of the file now: it grows, and the runner maps what is new */
  int32_t request;      /* kv_request */
  int32_t kernel;       /* index into `kernels` */
  int32_t variant;      /* index into the kernel's variants */
  int32_t drive;        /* kv_drive */
  char target[128];
  kv_step step;

  /* The runner writes. */
  int32_t status;      /* kv_status */
  int32_t num_kernels; /* -1: the descriptors do not fit */
  int64_t bytes;
  char text[1024];          /* kv_last_error() when status is not KV_OK */
  const kv_kernel *kernels; /* copies, of all but the code, in what is left of KV_MAILBOX_BYTES */
} kv_mailbox;

#define KV_MAILBOX_LAYOUT ((uint64_t)sizeof(kv_mailbox) << 32 | (uint64_t)sizeof(kv_kernel) << 16 | (uint64_t)sizeof(kv_variant))

/* The kernels that are linked into the runner: kvcc writes their definition when it links. */
extern const kv_kernel *const kv_runner_kernels[];
extern const int32_t kv_runner_num_kernels;

#ifdef __cplusplus
}
#endif
#endif
