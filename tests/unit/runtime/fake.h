/* fake.h: a kernel in plain C for testing the runtime: f32 attention with a causal mask over an f32 cache in pages of 16 tokens,
 * [K: h][t][d] then [V: h][t][d]. It records its items, and it stores, splits and merges as compiled kernels do. */
#ifndef KVRT_TESTS_FAKE_H
#define KVRT_TESTS_FAKE_H

#include "kv/kv.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  FAKE_HEADS_Q = 4,
  FAKE_HEADS_KV = 2,
  FAKE_DIM_K = 8,
  FAKE_DIM_V = 16,
  FAKE_PAGE_TOKENS = 16,
  FAKE_PAGE_BYTES = FAKE_HEADS_KV * FAKE_PAGE_TOKENS * (FAKE_DIM_K + FAKE_DIM_V) * 4,
  FAKE_SPLIT = 32,
  FAKE_ALIGN = 8,
  FAKE_ROW_BYTES = (FAKE_DIM_V + 2) * 4,
  FAKE_QUERY_BLOCK = 4,
  FAKE_ITEM_HEADS = 2,
  FAKE_MAX_QUERIES = 64,
  FAKE_SCRATCH = 200
};

void fakeAppend(const kv_step *step, const kv_item *item);
void fakeAttend(const kv_step *step, const kv_item *item);
void fakeAppendAttend(const kv_step *step, const kv_item *item);
void fakeMerge(const kv_step *step, const kv_item *item);
int32_t fakeRanges(const kv_step *step, int64_t seq, int64_t queryBegin, int64_t queryEnd, int64_t out[KV_MAX_RANGES][2]);

/* Variants: one of a feature no processor has, then one that runs everywhere. */
extern const kv_variant fakeVariants[3][2];
extern const kv_kernel fakeKernels[3]; /* by kv_op */

/* Items are recorded while there is memory for them, one for each head: how heads are joined in calls depends on the parts. */
typedef struct fake_record {
  int32_t phase;
  kv_item item;
} fake_record;
void fakeRecord(fake_record *records, int64_t capacity);
int64_t fakeRecorded(void);

#ifdef __cplusplus
}
#endif
#endif
