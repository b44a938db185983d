/* kvcc.c: what kvcc's kernels make of given tokens. peers.py links it with the library of a peer.kv.
 *
 *   peer-kvcc TOKENS CONTEXT QUERIES RESULTS
 *
 * TOKENS holds f32: q [queries][32][128], then k and v [context][8][128] each, the queries those of the last tokens. Stores all
 * tokens, attends, and writes o [queries][32][128] in f32 to RESULTS. Kernels of bf16 get and give it rounded to that. */
#include "kv/kv.h"
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { headsQ = 32, headsKv = 8, dim = 128 };

static void fail(const char *what) {
  fprintf(stderr, "peer-kvcc: error: %s\n", what);
  exit(1);
}

static void *allocate(int64_t bytes) {
  void *memory = aligned_alloc(64, (size_t)(bytes / 64 + 1) * 64);
  if (!memory)
    fail("no memory");
  memset(memory, 0, (size_t)bytes);
  return memory;
}

static float *readNumbers(FILE *file, int64_t count) {
  float *numbers = allocate(count * 4);
  if (fread(numbers, 4, (size_t)count, file) != (size_t)count)
    fail("the file does not hold so many tokens");
  return numbers;
}

static int isBf16(void) { return peer_decode.q_type == KV_TYPE_BF16; }

/* In the kernels' type: what was read, or the same place with bf16 in it, rounded to nearest even. */
static float *readTensor(FILE *file, int64_t count) {
  float *numbers = readNumbers(file, count);
  uint16_t *halves = (uint16_t *)numbers;
  for (int64_t i = 0; i < count && isBf16(); ++i) {
    uint32_t bits;
    memcpy(&bits, &numbers[i], 4);
    halves[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
  return numbers;
}

/* bf16 in the first half of the room for so many floats, as floats. */
static void widen(float *numbers, int64_t count) {
  const uint16_t *halves = (const uint16_t *)numbers;
  for (int64_t i = count - 1; i >= 0; --i) {
    const uint32_t bits = (uint32_t)halves[i] << 16;
    memcpy(&numbers[i], &bits, 4);
  }
}

static void run(const kv_kernel *kernel, kv_step *step) {
  step->workspace_bytes = kv_step_workspace_bytes(kernel, NULL, step, 1);
  if (step->workspace_bytes < 0)
    fail(kv_last_error());
  step->workspace = allocate(step->workspace_bytes);
  if (kv_run(kernel, step, NULL) != KV_OK)
    fail(kv_last_error());
  free(step->workspace);
}

int main(int argc, char **argv) {
  if (argc != 5)
    fail("expected TOKENS CONTEXT QUERIES RESULTS");
  const int64_t context = atoll(argv[2]), queries = atoll(argv[3]);
  FILE *file = fopen(argv[1], "rb"), *results = fopen(argv[4], "wb");
  if (!file || !results)
    fail("a file cannot be opened");
  kv_step step;
  kv_step_init(&step);
  step.q.data = readTensor(file, queries * headsQ * dim);
  step.k.data = readTensor(file, context * headsKv * dim);
  step.v.data = readTensor(file, context * headsKv * dim);
  step.q.token_stride = headsQ * dim;
  step.k.token_stride = step.v.token_stride = headsKv * dim;
  step.q.head_stride = step.k.head_stride = step.v.head_stride = dim;
  float *o = allocate(queries * headsQ * dim * 4);
  step.o.data = o;
  step.o.token_stride = headsQ * dim;
  step.o.head_stride = dim;

  const int64_t pages = (context + PEER_PAGE_TOKENS - 1) / PEER_PAGE_TOKENS;
  int32_t *table = allocate(pages * 4);
  for (int64_t page = 0; page < pages; ++page)
    table[page] = (int32_t)page;
  step.pages = allocate(pages * PEER_PAGE_BYTES);
  step.page_stride = PEER_PAGE_BYTES;
  step.num_pages = step.block_table_stride = pages;
  step.block_table = table;
  int32_t begins[2] = {0, (int32_t)context}, lengths[1] = {(int32_t)context};
  step.num_seqs = 1;
  step.query_start_loc = begins;
  step.seq_lens = lengths;
  run(&peer_append, &step);
  begins[1] = (int32_t)queries;
  run(&peer_decode, &step);
  if (isBf16())
    widen(o, queries * headsQ * dim);
  if (fwrite(o, 4, (size_t)(queries * headsQ * dim), results) != (size_t)(queries * headsQ * dim) || fclose(results) != 0)
    fail("the results cannot be written");
  return 0;
}
