/* The smallest use, in plain C: a dense f16 cache (one contiguous page a sequence, no page table), two sequences of different
 * lengths in one step, and a check against attention in double precision.
 *
 *   example-02 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv/kv.h"
#include "mha.h"

enum { HEADS = 8, DIM = 64, SEQS = 2, LONGEST = 200, ROW = HEADS * DIM };

static const int32_t lengths[SEQS] = {200, 77};

static void require(kv_status status, const char *what) {
  if (status != KV_OK) {
    fprintf(stderr, "%s: %s\n", what, kv_last_error());
    exit(1);
  }
}

static void *allocate(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!memory)
    exit(1);
  memset(memory, 0, bytes);
  return memory;
}

/* A number in -1 .. 1; the same sequence on every machine. */
static float uniform(void) {
  static uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  return (float)(state >> 8) / 8388608.0f - 1.0f;
}

/* Squared difference between `o` and exact attention of one query over the first `count` tokens; the squared norm is added to
 * `norm`. */
static double compare(const float *q, const float *k, const float *v, const float *o, int count, double *norm) {
  double weights[LONGEST], sum = 0, most = -INFINITY, error = 0;
  for (int j = 0; j < count; ++j) {
    weights[j] = 0;
    for (int d = 0; d < DIM; ++d)
      weights[j] += (double)q[d] * k[j * ROW + d] / sqrt(DIM);
    most = fmax(most, weights[j]);
  }
  for (int j = 0; j < count; ++j)
    sum += weights[j] = exp(weights[j] - most);
  for (int d = 0; d < DIM; ++d) {
    double exact = 0;
    for (int j = 0; j < count; ++j)
      exact += weights[j] / sum * v[j * ROW + d];
    error += (o[d] - exact) * (o[d] - exact);
    *norm += exact * exact;
  }
  return error;
}

int main(void) {
  /* All tokens of both sequences, one after another: the ragged batch of kv_abi.h. */
  int32_t start[SEQS + 1] = {0, lengths[0], lengths[0] + lengths[1]};
  int32_t last[SEQS + 1] = {0, 1, 2};
  int tokens = start[SEQS];
  float *k = allocate(sizeof(float) * (size_t)tokens * ROW), *v = allocate(sizeof(float) * (size_t)tokens * ROW);
  float *q = allocate(sizeof(float) * SEQS * ROW), *o = allocate(sizeof(float) * SEQS * ROW);
  for (int i = 0; i < tokens * ROW; ++i)
    k[i] = 2 * uniform(), v[i] = uniform();
  for (int i = 0; i < SEQS * ROW; ++i)
    q[i] = 2 * uniform();

  kv_bounds bounds = {SEQS, tokens, LONGEST, LONGEST};
  int64_t needed = kv_workspace_bytes(&mha_append, NULL, &bounds, 1), more = kv_workspace_bytes(&mha_decode, NULL, &bounds, 1);
  if (needed < 0 || more < 0)
    require(KV_ERROR_WORKSPACE, "workspace");
  needed = needed > more ? needed : more;

  kv_step step;
  kv_step_init(&step);
  step.pages = allocate(SEQS * (size_t)MHA_PAGE_BYTES); /* dense: sequence b lives in page b */
  step.page_stride = MHA_PAGE_BYTES;
  step.num_pages = SEQS;
  step.num_seqs = SEQS;
  step.query_start_loc = start;
  step.seq_lens = lengths;
  step.k.data = k;
  step.v.data = v;
  step.q.data = q;
  step.o.data = o;
  step.k.token_stride = step.v.token_stride = step.q.token_stride = step.o.token_stride = ROW;
  step.k.head_stride = step.v.head_stride = step.q.head_stride = step.o.head_stride = DIM;
  step.workspace = allocate((size_t)needed + 64);
  step.workspace_bytes = needed;

  require(kv_run(&mha_append, &step, NULL), "append");
  printf("stored %d and %d tokens, %d bytes a sequence\n", lengths[0], lengths[1], MHA_PAGE_BYTES);

  /* One query for each sequence, at its last token. */
  step.query_start_loc = last;
  require(kv_run(&mha_decode, &step, NULL), "decode");

  double error = 0, norm = 0;
  for (int b = 0; b < SEQS; ++b)
    for (int h = 0; h < HEADS; ++h)
      error += compare(q + b * ROW + h * DIM, k + start[b] * ROW + h * DIM, v + start[b] * ROW + h * DIM, o + b * ROW + h * DIM,
                       lengths[b], &norm);
  error = sqrt(error / norm);
  printf("error %.1e relative RMS against double precision on the unrounded inputs\n", error);

  /* What a mistake looks like: a status and a sentence, and nothing has been touched. */
  step.num_pages = 1;
  kv_status status = kv_run(&mha_decode, &step, NULL);
  printf("with one page too few: %s: %s\n", kv_status_text(status), kv_last_error());
  return error < 2e-3 && status == KV_ERROR_NUM_PAGES ? 0 : 1;
}
