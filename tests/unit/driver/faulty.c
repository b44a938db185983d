/* faulty.c: an attend whose first byte of the cache says what becomes of the process that runs it. */
#include "kv/kv_abi.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void attend(const kv_step *step, const kv_item *item) {
  volatile char *order = step->pages;
  switch (*order) {
  case 'c': /* crashes */
    *(volatile int *)16 = 1;
    break;
  case 'h': /* hangs */
    for (;;)
      usleep(1000);
  case 'e': /* ends */
    exit(3);
  case 'p': /* prints */
    printf("hello");
    fflush(stdout);
    break;
  default:
    for (int64_t row = 0; row < step->num_seqs; ++row)
      if (item->seq == row)
        ((float *)step->o.data)[row * step->o.token_stride] = ((const float *)step->q.data)[row * step->q.token_stride] + 1.0f;
  }
}
static void merge(const kv_step *step, const kv_item *item) { (void)step, (void)item; }

static int32_t ranges(const kv_step *step, int64_t seq, int64_t begin, int64_t end, int64_t out[KV_MAX_RANGES][2]) {
  (void)begin, (void)end;
  out[0][0] = 0;
  out[0][1] = step->seq_lens[seq];
  return 1;
}

#define VARIANT(name, needed, scratch)                                                                                             \
  {                                                                                                                                \
    .target = name, .features = needed, .run = {[KV_PHASE_ATTEND] = attend, [KV_PHASE_MERGE] = merge}, .split_tokens = 64,         \
    .align_tokens = 1, .query_block = 1, .item_heads = 1, .scratch_bytes = scratch, .row_bytes = 12                                \
  }
static const kv_variant variants[] = {VARIANT("future", 1ull << 63, 0), VARIANT("plain", 0, 128)};
const kv_kernel faulty = {.struct_size = sizeof(kv_kernel),
                          .abi_version = KV_ABI_VERSION,
                          .name = "faulty",
                          .cache = "cache",
                          .layout_hash = 1,
                          .op = KV_OP_ATTEND,
                          .heads_q = 1,
                          .heads_kv = 1,
                          .dim_k = 1,
                          .dim_v = 1,
                          .num_streams = 2,
                          .stream_dims = {1, 1},
                          .page_bytes = 128,
                          .tokens = {.kind = KV_TOKENS_PAGED, .page_tokens = 16},
                          .min_queries = 1,
                          .max_queries = 1,
                          .ranges = ranges,
                          .step_bytes = offsetof(kv_step, flags),
                          .num_variants = 2,
                          .variant_size = sizeof(kv_variant),
                          .variants = variants};
