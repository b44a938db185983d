/* One library, whatever runs it: the same kernel on this machine's CPU and, where there is one, on its GPU, from the same pages.
 *
 *   example-05 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv/kv_gpu.h"
#include "three.h"

enum { HEADS = 8, KV_HEADS = 2, DIM = 64, SEQS = 2, PAGES = 64, TABLE = 32 };

static const int32_t lengths[SEQS] = {411, 77};

static void require(kv_status status, const char *what) {
  if (status != KV_OK) {
    fprintf(stderr, "%s: %s\n", what, kv_last_error());
    exit(1);
  }
}

/* A number in -1 .. 1; the same sequence on every machine. */
static float uniform(void) {
  static uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  return (float)(state >> 8) / 8388608.0f - 1.0f;
}

/* Everything a step points to, in one piece of memory: on the host, and copied to the device as it is. */
typedef struct memory {
  _Alignas(64) uint8_t pages[PAGES * THREE_PAGE_BYTES];
  _Alignas(64) uint8_t workspace[1 << 20];
  float q[SEQS * HEADS * DIM], k[512 * KV_HEADS * DIM], v[512 * KV_HEADS * DIM], o[SEQS * HEADS * DIM];
  int32_t starts[SEQS + 1], lengths[SEQS], table[SEQS * TABLE];
} memory;

/* A step on the memory at `base`, which may be an address of the device. */
static kv_step stepOn(uintptr_t base) {
  kv_step step;
  kv_step_init(&step);
#define AT(field) ((void *)(base + offsetof(memory, field)))
  step.pages = AT(pages);
  step.page_stride = THREE_PAGE_BYTES;
  step.num_pages = PAGES;
  step.num_seqs = SEQS;
  step.query_start_loc = AT(starts);
  step.seq_lens = AT(lengths);
  step.block_table = AT(table);
  step.block_table_stride = TABLE;
  step.q.data = AT(q);
  step.k.data = AT(k);
  step.v.data = AT(v);
  step.o.data = AT(o);
#undef AT
  step.q.token_stride = step.o.token_stride = HEADS * DIM;
  step.k.token_stride = step.v.token_stride = KV_HEADS * DIM;
  step.q.head_stride = step.k.head_stride = step.v.head_stride = step.o.head_stride = DIM;
  return step;
}

/* Appends all tokens but the last of each sequence, then takes one fused step. */
static void runOnCpu(memory *host, memory *beforeStep) {
  kv_step step = stepOn((uintptr_t)host);
  step.workspace = host->workspace;
  step.workspace_bytes = sizeof host->workspace;
  for (int b = 0; b < SEQS; ++b) {
    host->lengths[b] = lengths[b] - 1;
    host->starts[b + 1] = host->starts[b] + lengths[b] - 1;
  }
  require(kv_run(&three_append, &step, NULL), "append");
  for (int b = 0; b < SEQS; ++b) {
    host->lengths[b] = lengths[b];
    host->starts[b + 1] = b + 1;
  }
  *beforeStep = *host;
  require(kv_run(&three_append_decode, &step, NULL), "step");
}

/* What the program itself needs of the driver; one that is built with CUDA would call its API. */
typedef struct driver {
  int (*retainContext)(void **context, int device);
  int (*setContext)(void *context);
  int (*allocate)(uint64_t *address, size_t bytes);
  int (*upload)(uint64_t to, const void *from, size_t bytes);
  int (*download)(void *to, uint64_t from, size_t bytes);
  int (*synchronize)(void);
} driver;

static int findDriver(driver *found) {
  static const char *const names[] = {"cuDevicePrimaryCtxRetain", "cuCtxSetCurrent", "cuMemAlloc_v2",
                                      "cuMemcpyHtoD_v2",          "cuMemcpyDtoH_v2", "cuCtxSynchronize"};
  void *addresses[sizeof names / sizeof *names];
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
    if (kv_gpu_symbol(names[i], &addresses[i]) != KV_OK)
      return 0;
  memcpy(found, addresses, sizeof addresses);
  return 1;
}

static void check(int result, const char *what) {
  if (result != 0) {
    fprintf(stderr, "%s: error %d of the driver\n", what, result);
    exit(1);
  }
}

/* The same step on a copy of the memory in the device. False where there is no device. */
static int runOnGpu(memory *copy) {
  driver gpu;
  if (!findDriver(&gpu)) {
    printf("no GPU here\n");
    return 0;
  }
  void *context = NULL;
  uint64_t base = 0, workspace = 0;
  check(gpu.retainContext(&context, 0), "a context");
  check(gpu.setContext(context), "a context");
  check(gpu.allocate(&base, sizeof *copy), "memory");
  check(gpu.upload(base, copy, sizeof *copy), "a copy");
  kv_step step = stepOn((uintptr_t)base);
  kv_gpu_launch launch;
  kv_gpu_launch_init(&launch);
  launch.max_queries = 1;
  step.workspace_bytes = kv_gpu_workspace_bytes(&three_append_decode, &step, &launch);
  check(gpu.allocate(&workspace, (size_t)step.workspace_bytes), "memory");
  step.workspace = (void *)(uintptr_t)workspace;
  require(kv_gpu_run(&three_append_decode, &step, &launch), "step on the GPU");
  check(gpu.synchronize(), "the step");
  check(gpu.download(copy, base, sizeof *copy), "a copy");
  printf("GPU: %s\n", kv_gpu_select(&three_append_decode, NULL)->target);
  return 1;
}

int main(void) {
  memory *host = aligned_alloc(64, sizeof *host), *copy = aligned_alloc(64, sizeof *copy);
  memset(host, 0, sizeof *host);
  for (int i = 0; i < 512 * KV_HEADS * DIM; ++i)
    host->k[i] = uniform(), host->v[i] = uniform();
  for (int i = 0; i < SEQS * HEADS * DIM; ++i)
    host->q[i] = uniform();
  for (int i = 0; i < SEQS * TABLE; ++i)
    host->table[i] = (i * 37 + 11) % PAGES; /* pages in no order */
  runOnCpu(host, copy);
  printf("CPU: %s\n", kv_select(&three_append_decode, NULL)->target);
  if (!runOnGpu(copy))
    return 0;

  double error = 0, norm = 0;
  for (int i = 0; i < SEQS * HEADS * DIM; ++i) {
    error += pow((double)copy->o[i] - host->o[i], 2);
    norm += pow(host->o[i], 2);
  }
  error = sqrt(error / norm);
  const int same = memcmp(copy->pages, host->pages, sizeof host->pages) == 0;
  printf("the cache is %s; outputs differ by %.0e relative RMS\n", same ? "the same to the bit" : "not the same", error);
  return same && error < 2e-3 ? 0 : 1;
}
