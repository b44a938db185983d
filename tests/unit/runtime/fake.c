/* fake.c: see fake.h. */
#include "fake.h"

#include <math.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

static fake_record *records;
static int64_t recordCapacity;
static _Atomic int64_t recordCount;

void fakeRecord(fake_record *memory, int64_t capacity) {
  records = memory;
  recordCapacity = capacity;
  atomic_store(&recordCount, 0);
}

int64_t fakeRecorded(void) { return atomic_load(&recordCount); }

enum { GROUP = FAKE_HEADS_Q / FAKE_HEADS_KV };

/* The item of one of a call's heads. */
static kv_item ofHead(const kv_item *item, int64_t index) {
  kv_item one = *item;
  one.head += index;
  one.num_heads = 1;
  if (one.partial)
    one.partial = (char *)one.partial + index * item->num_partials * (item->query_end - item->query_begin) * GROUP * FAKE_ROW_BYTES;
  return one;
}

static void record(int32_t phase, const kv_item *item) {
  /* All of the scratch is this thread's alone: sanitizers see it when it is not. */
  memset(item->scratch, phase, FAKE_SCRATCH);
  if (!records)
    return;
  const int64_t index = atomic_fetch_add(&recordCount, 1);
  if (index < recordCapacity) {
    records[index].phase = phase;
    records[index].item = *item;
  }
}

static float *pageOf(const kv_step *step, int64_t seq, int64_t token) {
  const int64_t page = step->block_table[seq * step->block_table_stride + token / FAKE_PAGE_TOKENS];
  return (float *)((char *)step->pages + page * step->page_stride);
}

static float *keyOf(float *page, int64_t head, int64_t slot) { return page + (head * FAKE_PAGE_TOKENS + slot) * FAKE_DIM_K; }
static float *valueOf(float *page, int64_t head, int64_t slot) {
  return page + FAKE_HEADS_KV * FAKE_PAGE_TOKENS * FAKE_DIM_K + (head * FAKE_PAGE_TOKENS + slot) * FAKE_DIM_V;
}

/* Stores new tokens [begin, end). */
static void store(const kv_step *step, int64_t seq, int64_t head, int64_t begin, int64_t end) {
  const int64_t start = step->query_start_loc[seq], queries = step->query_start_loc[seq + 1] - start;
  const int64_t first = step->seq_lens[seq] - queries;
  for (int64_t i = begin; i < end; ++i) {
    float *page;
    int64_t slot = (first + i) % FAKE_PAGE_TOKENS;
    if (step->slot_mapping) {
      const int64_t mapped = step->slot_mapping[start + i];
      if (mapped < 0)
        continue;
      page = (float *)((char *)step->pages + mapped / FAKE_PAGE_TOKENS * step->page_stride);
      slot = mapped % FAKE_PAGE_TOKENS;
    } else {
      page = pageOf(step, seq, first + i);
    }
    memcpy(keyOf(page, head, slot), (const float *)step->k.data + (start + i) * step->k.token_stride + head * step->k.head_stride,
           FAKE_DIM_K * sizeof(float));
    memcpy(valueOf(page, head, slot), (const float *)step->v.data + (start + i) * step->v.token_stride + head * step->v.head_stride,
           FAKE_DIM_V * sizeof(float));
  }
}

void fakeAppend(const kv_step *step, const kv_item *item) {
  record(KV_PHASE_APPEND, item);
  store(step, item->seq, item->head, item->query_begin, item->query_end);
}

static void finish(const kv_step *step, const kv_item *item, int64_t row, float max, float sum, const float *acc) {
  const int64_t token = step->query_start_loc[item->seq] + item->query_begin + row / GROUP;
  const int64_t head = item->head * GROUP + row % GROUP;
  float *o = (float *)step->o.data + token * step->o.token_stride + head * step->o.head_stride;
  for (int64_t d = 0; d < FAKE_DIM_V; ++d)
    o[d] = sum > 0 ? acc[d] / sum : 0;
  if (step->lse)
    step->lse[token * FAKE_HEADS_Q + head] = sum > 0 ? (max + log2f(sum)) * 0.693147182f : -INFINITY;
}

static void attendRow(const kv_step *step, const kv_item *item, int64_t row, float *maxOut, float *sumOut, float *acc) {
  const int64_t start = step->query_start_loc[item->seq], queries = step->query_start_loc[item->seq + 1] - start;
  const int64_t query = item->query_begin + row / GROUP, position = step->seq_lens[item->seq] - queries + query;
  const float *q = (const float *)step->q.data + (start + query) * step->q.token_stride +
                   (item->head * GROUP + row % GROUP) * step->q.head_stride;
  float max = -INFINITY, sum = 0;
  memset(acc, 0, FAKE_DIM_V * sizeof(float));
  for (int64_t token = item->token_begin; token < item->token_end && token <= position; ++token) {
    float *page = pageOf(step, item->seq, token);
    const float *key = keyOf(page, item->head, token % FAKE_PAGE_TOKENS);
    const float *value = valueOf(page, item->head, token % FAKE_PAGE_TOKENS);
    float score = 0;
    for (int64_t d = 0; d < FAKE_DIM_K; ++d)
      score += q[d] * key[d];
    const float next = fmaxf(max, score), correction = exp2f(max - next), p = exp2f(score - next);
    sum = sum * correction + p;
    for (int64_t d = 0; d < FAKE_DIM_V; ++d)
      acc[d] = acc[d] * correction + p * value[d];
    max = next;
  }
  *maxOut = max;
  *sumOut = sum;
}

static void attend(const kv_step *step, const kv_item *item) {
  const int64_t rows = (item->query_end - item->query_begin) * GROUP;
  for (int64_t row = 0; row < rows; ++row) {
    float max, sum, acc[FAKE_DIM_V];
    attendRow(step, item, row, &max, &sum, acc);
    if (!item->partial) {
      finish(step, item, row, max, sum, acc);
      continue;
    }
    float *partial = item->partial;
    partial[row] = max;
    partial[rows + row] = sum;
    memcpy(partial + 2 * rows + row * FAKE_DIM_V, acc, sizeof acc);
  }
}

void fakeAttend(const kv_step *step, const kv_item *item) {
  for (int64_t index = 0; index < item->num_heads; ++index) {
    const kv_item one = ofHead(item, index);
    record(KV_PHASE_ATTEND, &one);
    attend(step, &one);
  }
}

static void appendAttend(const kv_step *step, const kv_item *item) {
  record(KV_PHASE_ATTEND, item);
  const int64_t queries = step->query_start_loc[item->seq + 1] - step->query_start_loc[item->seq];
  if (item->flags & KV_ITEM_STORE) {
    const int64_t first = step->seq_lens[item->seq] - queries;
    const int64_t begin = item->token_begin > first ? item->token_begin - first : 0;
    if (item->token_end > first)
      store(step, item->seq, item->head, begin, item->token_end - first);
  }
  attend(step, item);
}

void fakeAppendAttend(const kv_step *step, const kv_item *item) {
  for (int64_t index = 0; index < item->num_heads; ++index) {
    const kv_item one = ofHead(item, index);
    appendAttend(step, &one);
  }
}

void fakeMerge(const kv_step *step, const kv_item *item) {
  record(KV_PHASE_MERGE, item);
  const int64_t rows = (item->query_end - item->query_begin) * GROUP, size = rows * (FAKE_DIM_V + 2);
  const float *partials = item->partial;
  for (int64_t row = 0; row < rows; ++row) {
    float max = -INFINITY, sum = 0, acc[FAKE_DIM_V] = {0};
    for (int64_t i = 0; i < item->num_partials; ++i)
      max = fmaxf(max, partials[i * size + row]);
    for (int64_t i = 0; i < item->num_partials; ++i) {
      const float *partial = partials + i * size;
      const float weight = partial[rows + row] > 0 ? exp2f(partial[row] - max) : 0;
      sum += weight * partial[rows + row];
      for (int64_t d = 0; d < FAKE_DIM_V; ++d)
        acc[d] += weight * partial[2 * rows + row * FAKE_DIM_V + d];
    }
    finish(step, item, row, max, sum, acc);
  }
}

int32_t fakeRanges(const kv_step *step, int64_t seq, int64_t queryBegin, int64_t queryEnd, int64_t out[KV_MAX_RANGES][2]) {
  const int64_t queries = step->query_start_loc[seq + 1] - step->query_start_loc[seq];
  (void)queryBegin;
  out[0][0] = 0;
  out[0][1] = step->seq_lens[seq] - queries + queryEnd;
  return 1;
}

#define VARIANT(name, needed, append, attend, merge)                                                                               \
  {                                                                                                                                \
    .target = name, .features = needed, .run = {[KV_PHASE_APPEND] = append, [KV_PHASE_ATTEND] = attend, [KV_PHASE_MERGE] = merge}, \
    .split_tokens = FAKE_SPLIT, .align_tokens = FAKE_ALIGN, .query_block = FAKE_QUERY_BLOCK, .item_heads = FAKE_ITEM_HEADS,        \
    .scratch_bytes = FAKE_SCRATCH, .row_bytes = FAKE_ROW_BYTES                                                                     \
  }
#define VARIANTS(append, attend, merge)                                                                                            \
  { VARIANT("future", 1ull << 63, append, attend, merge), VARIANT("generic", 0, append, attend, merge) }
const kv_variant fakeVariants[3][2] = {VARIANTS(fakeAppend, NULL, NULL), VARIANTS(NULL, fakeAttend, fakeMerge),
                                       VARIANTS(fakeAppend, fakeAppendAttend, fakeMerge)};

#define KERNEL(called, what, headsQ, minQueries, maxQueries)                                                                       \
  {                                                                                                                                \
    .struct_size = sizeof(kv_kernel), .abi_version = KV_ABI_VERSION, .name = called, .cache = "fake", .layout_hash = 1,            \
    .op = what, .q_type = KV_TYPE_F32, .o_type = KV_TYPE_F32, .has_lse = 1, .heads_q = headsQ, .heads_kv = FAKE_HEADS_KV,          \
    .dim_k = FAKE_DIM_K, .dim_v = FAKE_DIM_V, .num_streams = 2, .stream_dims = {FAKE_DIM_K, FAKE_DIM_V},                           \
    .page_bytes = FAKE_PAGE_BYTES, .tokens = {.kind = KV_TOKENS_PAGED, .page_tokens = FAKE_PAGE_TOKENS},                           \
    .min_queries = minQueries, .max_queries = maxQueries, .ranges = fakeRanges, .step_bytes = offsetof(kv_step, flags),            \
    .argument_size = sizeof(kv_argument_spec), .num_variants = 2, .variant_size = sizeof(kv_variant),                              \
    .variants = fakeVariants[what], .gpu_variant_size = sizeof(kv_gpu_variant)                                                     \
  }
const kv_kernel fakeKernels[3] = {KERNEL("fake_append", KV_OP_APPEND, 0, 0, 0),
                                  KERNEL("fake_decode", KV_OP_ATTEND, FAKE_HEADS_Q, 1, FAKE_MAX_QUERIES),
                                  KERNEL("fake_append_decode", KV_OP_APPEND_ATTEND, FAKE_HEADS_Q, 1, FAKE_MAX_QUERIES)};
