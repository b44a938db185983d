/* plan_append.c: the items of an append: by chunks of a sequence's new tokens, or by slots where slot_mapping says them. */
#include "internal.h"

/* Chunks begin at a page, or inside a large page at a multiple of 256 slots: two tokens that share a byte are never apart. */
enum { chunkSlots = 256, smallestChunk = 64 };
static int64_t chunkEnd(const kv_kernel *kernel, int64_t position) {
  const kv_tokens tokens = kernel->tokens;
  const kv_place place = kv_place_of(tokens, position);
  if (tokens.page_tokens > chunkSlots)
    return position - place.slot + kvrt_min((place.slot / chunkSlots + 1) * chunkSlots, tokens.page_tokens);
  const int64_t pages = kv_entries(tokens, smallestChunk);
  return (place.entry / pages + 1) * pages * tokens.page_tokens;
}

kvrt_totals kvrt_append_totals(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step,
                               const kvrt_sequence *sequence) {
  (void)variant, (void)step;
  kvrt_totals totals = {0, 0, 0};
  if (sequence->fused)
    return totals;
  totals.cost = (uint64_t)(sequence->queries * kernel->heads_kv);
  for (int64_t position = sequence->length - sequence->queries; position < sequence->length; position = chunkEnd(kernel, position))
    totals.items += kernel->heads_kv;
  return totals;
}

void kvrt_append_run(kvrt_walk *w, const kvrt_sequence *sequence) {
  const int64_t first = sequence->length - sequence->queries;
  for (int64_t position = first; position < sequence->length;) {
    const int64_t end = kvrt_min(chunkEnd(w->kernel, position), sequence->length);
    const uint64_t cost = (uint64_t)(end - position);
    for (int64_t head = 0; head < w->kernel->heads_kv; ++head, w->place += cost) {
      if (!kvrt_in_range(w))
        continue;
      const kv_item item = kvrt_item_of(w, sequence->seq, head, position - first, end - first);
      w->run(w->step, &item);
    }
    position = end;
  }
}

/* Slots of a page that share no byte with others: unit / 16 of a page. */
enum { unitSlots = 16 };

/* New tokens [begin, end) of a sequence go into slots of one unit; those of slot -1 between them nowhere. */
typedef struct slot_run {
  int64_t begin, end;
  uint64_t unit;
} slot_run;

/* The run after `run`, which is all zero at first. False: there is none. */
static int nextRun(const kv_kernel *kernel, const int64_t *slots, int64_t queries, slot_run *run) {
  int64_t i = run->end;
  while (i < queries && slots[i] < 0)
    ++i;
  if (i == queries)
    return 0;
  const kv_tokens tokens = kernel->tokens;
  const kv_place place = kv_place_of_slot(tokens, slots[i]);
  const int64_t first = slots[i] - place.slot, unit = place.slot / unitSlots, low = first + unit * unitSlots;
  const int64_t high = kvrt_min(low + unitSlots, first + tokens.page_tokens);
  run->begin = i;
  while (i < queries && (slots[i] < 0 || (slots[i] >= low && slots[i] < high)))
    ++i;
  run->end = i;
  run->unit = (uint64_t)(place.entry * kvrt_ceil_div(tokens.page_tokens, unitSlots) + unit);
  return 1;
}

/* A place below `cost` for a head's part of a unit. Multiples of the golden ratio spread neighbours evenly. */
static uint64_t placeOf(uint64_t cost, uint64_t unit, uint64_t heads, uint64_t head) {
  const uint64_t share = (unit * heads + head) * UINT64_C(0x9e3779b97f4a7c15) >> 32; /* of 2^32 */
  return (cost >> 32) * share + ((cost & UINT32_MAX) * share >> 32);
}

/* A fused step's slots are those of block_table. */
int kvrt_goes_by_slot(const kv_kernel *kernel, const kv_step *step) { return kernel->op == KV_OP_APPEND && step->slot_mapping; }

kvrt_totals kvrt_slot_totals(const kv_kernel *kernel, const kv_step *step) {
  kvrt_totals totals = {0, 0, 0};
  for (int64_t seq = 0; seq < step->num_seqs; ++seq) {
    const int64_t start = step->query_start_loc[seq], queries = step->query_start_loc[seq + 1] - start;
    for (slot_run run = {0, 0, 0}; nextRun(kernel, step->slot_mapping + start, queries, &run);) {
      totals.items += kernel->heads_kv;
      totals.cost += (uint64_t)((run.end - run.begin) * kernel->heads_kv);
    }
  }
  return totals;
}

void kvrt_slot_run(kvrt_walk *w) {
  const int64_t heads = w->kernel->heads_kv;
  const uint64_t cost = kvrt_slot_totals(w->kernel, w->step).cost;
  for (int64_t seq = 0; seq < w->step->num_seqs; ++seq) {
    const int64_t start = w->step->query_start_loc[seq], queries = w->step->query_start_loc[seq + 1] - start;
    for (slot_run run = {0, 0, 0}; nextRun(w->kernel, w->step->slot_mapping + start, queries, &run);)
      for (int64_t head = 0; head < heads; ++head) {
        w->place = placeOf(cost, run.unit, (uint64_t)heads, (uint64_t)head);
        const kv_item item = kvrt_item_of(w, seq, head, run.begin, run.end);
        if (kvrt_in_range(w))
          w->run(w->step, &item);
      }
  }
}
