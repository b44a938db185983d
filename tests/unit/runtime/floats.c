/* floats.c: kernels see round-to-nearest, subnormals and no traps whatever the caller has set, on its own thread and on those of a
 * pool, as kv_merge_states does; the caller finds its own state again. Prints "ok", or the first that is wrong. */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
static uint64_t readState(void) { return _mm_getcsr() & ~0x3fu; }
static void writeState(uint64_t state) { _mm_setcsr((unsigned)state); }
static const uint64_t states[] = {0x1f80, 0x1f80 | 0x8040, 0x1f80 | 0x2000, 0x1f80 | 0x4000, 0x1f80 | 0x6000, 0x0000, 0xffc0};
#elif defined(__aarch64__)
static uint64_t readState(void) {
  uint64_t state;
  __asm__ volatile("mrs %0, fpcr" : "=r"(state)::"memory");
  return state;
}
static void writeState(uint64_t state) { __asm__ volatile("msr fpcr, %0" ::"r"(state) : "memory"); }
static const uint64_t states[] = {0, 1 << 24, 1 << 22, 2 << 22, 3 << 22, 1 << 25, 1 << 24 | 1 << 25 | 3 << 22};
#endif

static int wrong, calls;

/* Each rounds, or is flushed or traps, unless the state is the default. */
static void look(const kv_step *step, const kv_item *item) {
  (void)step, (void)item;
  volatile float one = 1, tiny = 1e-40f, half = 0x1p-24f, more = 0x1.8p-24f, zero = 0;
  volatile float up = one + more, down = one + half, negative = -one - half, kept = tiny * one, nan = zero / zero;
  if (up != 1 + 0x1p-23f || down != 1 || negative != -1 || kept == 0 || nan == nan)
    __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
  __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

static void check(const char *what, uint64_t state) {
  const uint64_t after = readState();
  writeState(states[0]);
  if (!wrong && calls && after == state)
    return;
  printf("%s with %#llx: %d of %d calls saw another state; afterwards it is %#llx\n", what, (unsigned long long)state, wrong, calls,
         (unsigned long long)after);
  exit(1);
}

/* kv_merge_states has the same bits on every processor and in every state: FNV-1a of them. */
static void checkMerge(void) {
  enum { rows = 37, dim = 70, n = 3 };
  static float values[n][rows * dim], sums[n][rows], merged[rows * dim], mergedLse[rows];
  const float *o[n], *lse[n];
  uint32_t random = 1;
  for (int i = 0; i < n; ++i) {
    o[i] = values[i];
    lse[i] = sums[i];
    for (int k = 0; k < rows * dim; ++k)
      values[i][k] = (float)(int32_t)(random = random * 1664525u + 1013904223u) * 0x1p-31f;
    for (int k = 0; k < rows; ++k)
      sums[i][k] = (float)(int32_t)(random = random * 1664525u + 1013904223u) * 0x1p-28f;
  }
  for (size_t i = 0; i < sizeof states / sizeof *states; ++i) {
    writeState(states[i]);
    const kv_status status = kv_merge_states(rows, dim, n, o, lse, merged, mergedLse);
    const uint64_t after = readState();
    writeState(states[0]);
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t k = 0; k < sizeof merged; ++k)
      hash = (hash ^ ((const unsigned char *)merged)[k]) * 0x100000001b3u;
    for (size_t k = 0; k < sizeof mergedLse; ++k)
      hash = (hash ^ ((const unsigned char *)mergedLse)[k]) * 0x100000001b3u;
    if (status == KV_OK && after == states[i] && hash == 0xa23522fa4a1ddff5u)
      continue;
    printf("kv_merge_states with %#llx: status %d, hash %#llx; afterwards it is %#llx\n", (unsigned long long)states[i],
           (int)status, (unsigned long long)hash, (unsigned long long)after);
    exit(1);
  }
}

int main(void) {
  enum { seqs = 64 };
  kv_variant variant = fakeVariants[KV_OP_ATTEND][1];
  variant.run[KV_PHASE_ATTEND] = variant.run[KV_PHASE_MERGE] = look;
  variant.scratch_bytes = 0;
  kv_kernel looking = fakeKernels[KV_OP_ATTEND];
  looking.variants = &variant;
  looking.num_variants = 1;
  const kv_kernel *kernel = &looking;
  static int32_t starts[seqs + 1], lengths[seqs], table[seqs][2];
  static _Alignas(64) float workspace[1 << 20];
  for (int i = 0; i < seqs; ++i) {
    starts[i + 1] = i + 1;
    lengths[i] = 20;
    table[i][0] = 2 * i;
    table[i][1] = 2 * i + 1;
  }
  lengths[0] = 2 * FAKE_PAGE_TOKENS;
  kv_step step;
  kv_step_init(&step);
  step.pages = workspace;
  step.page_stride = FAKE_PAGE_BYTES;
  step.num_pages = 2 * seqs;
  step.num_seqs = seqs;
  step.query_start_loc = starts;
  step.seq_lens = lengths;
  step.block_table = table[0];
  step.block_table_stride = 2;
  step.q.data = step.o.data = workspace;
  step.q.token_stride = FAKE_HEADS_Q * (step.q.head_stride = FAKE_DIM_K);
  step.o.token_stride = FAKE_HEADS_Q * (step.o.head_stride = FAKE_DIM_V);
  for (size_t i = 0; i < sizeof states / sizeof *states; ++i) {
    wrong = calls = 0;
    writeState(states[i]);
    kv_status status = kv_run_variant(kernel, &variant, &step, NULL);
    check("kv_run_variant", states[i]);
    wrong = calls = 0;
    writeState(states[i]);
    for (int32_t part = 0; part < 3 && status == KV_OK; ++part)
      status = kv_run_part(kernel, &variant, &step, KV_PHASE_ATTEND, part, 3);
    check("kv_run_part", states[i]);
    wrong = calls = 0;
    writeState(states[i]); /* the workers inherit it */
    kv_pool *pool = NULL;
    status = status == KV_OK ? kv_pool_create(3, &pool) : status;
    const kv_executor executor = kv_pool_executor(pool);
    for (int round = 0; round < 50 && status == KV_OK; ++round)
      status = kv_run_variant(kernel, &variant, &step, &executor);
    check("a pool", states[i]);
    kv_pool_destroy(pool);
    if (status != KV_OK) {
      printf("%s\n", kv_last_error());
      return 1;
    }
  }
  checkMerge();
  printf("ok\n");
  return 0;
}
