/* Appends one token and attends to it: with a single key, the output is that token's value. */
#include <stdio.h>
#include <stdlib.h>

#include "kv/kv.h"
#include "tiny.h"

int main(void) {
  enum { headsQ = 8, headsKv = TINY_HEADS_KV, dim = TINY_DIM_V };
  float q[headsQ * dim], k[headsKv * dim], v[headsKv * dim], o[headsQ * dim], lse[headsQ];
  for (int i = 0; i < headsQ * dim; ++i)
    q[i] = 1;
  for (int i = 0; i < headsKv * dim; ++i)
    k[i] = 1, v[i] = (float)i;

  int32_t start[2] = {0, 1}, length = 1, table[1] = {0};
  kv_bounds bounds = {1, 1, 1, 1};
  int64_t bytes = kv_workspace_bytes(&tiny_append_decode, NULL, &bounds, 1);
  kv_step step;
  kv_step_init(&step);
  step.pages = aligned_alloc(64, TINY_PAGE_BYTES);
  step.page_stride = TINY_PAGE_BYTES;
  step.num_pages = 1;
  step.num_seqs = 1;
  step.query_start_loc = start;
  step.seq_lens = &length;
  step.block_table = table;
  step.block_table_stride = 1;
  step.q.data = q;
  step.k.data = k;
  step.v.data = v;
  step.o.data = o;
  step.lse = lse;
  step.q.token_stride = step.o.token_stride = headsQ * dim;
  step.k.token_stride = step.v.token_stride = headsKv * dim;
  step.q.head_stride = step.k.head_stride = step.v.head_stride = step.o.head_stride = dim;
  step.workspace = bytes > 0 ? aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64) : NULL;
  step.workspace_bytes = bytes;
  if (kv_run(&tiny_append_decode, &step, NULL) != KV_OK) {
    fprintf(stderr, "%s\n", kv_last_error());
    return 1;
  }
  for (int h = 0; h < headsQ; ++h)
    for (int d = 0; d < dim; ++d)
      if (o[h * dim + d] != v[h / (headsQ / headsKv) * dim + d])
        return 1;
  printf("one token in, the same token out: %d query heads, %d kv heads\n", (int)tiny_append_decode.heads_q,
         (int)tiny_append_decode.heads_kv);
  return 0;
}
