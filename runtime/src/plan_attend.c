/* plan_attend.c: the items of attends, by query block, split and head, and of the merges of blocks with several splits. */
#include "internal.h"

static uint64_t blockCost(const kvrt_block *block) {
  const int64_t queries = block->end - block->begin;
  return kvrt_attend_cost(block->tokens, queries) + kvrt_attend_cost(0, queries) * (uint64_t)(block->splits - 1);
}
static uint64_t mergeCost(const kvrt_block *block) { return (uint64_t)(block->splits * (block->end - block->begin)); }

static int64_t partialBytes(const kv_kernel *kernel, const kv_variant *variant, const kvrt_block *block) {
  return kvrt_partial_bytes(kernel, variant->row_bytes, block->end - block->begin);
}

/* kv heads that one call takes for items of `queries` queries. */
static int64_t headsOfCall(const kv_variant *variant, int64_t queries) {
  return kvrt_max(kvrt_min(variant->item_heads, kvrt_max(variant->item_heads, variant->query_block) / queries), 1);
}

kvrt_totals kvrt_attend_totals(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step,
                               const kvrt_sequence *sequence) {
  kvrt_totals totals = {0, 0, 0};
  const int64_t heads = kernel->heads_kv;
  for (int64_t index = 0; index < sequence->blocks; ++index) {
    const kvrt_block block = kvrt_block_of(kernel, variant, step, sequence, index);
    if (block.splits > 1)
      totals.partial_bytes += heads * block.splits * partialBytes(kernel, variant, &block);
    totals.items += heads * block.splits;
    totals.cost += (uint64_t)heads * blockCost(&block);
  }
  return totals;
}

/* Heads [first, last) of a query block. */
static void attendBlock(kvrt_walk *w, const kvrt_sequence *sequence, int64_t index, int64_t first, int64_t last) {
  const kvrt_block block = kvrt_block_of(w->kernel, w->variant, w->step, sequence, index);
  const int64_t queries = block.end - block.begin, most = headsOfCall(w->variant, queries);
  const int64_t bytes = partialBytes(w->kernel, w->variant, &block);
  for (int64_t split = 0; split < block.splits; ++split) {
    const int64_t begin = split * sequence->split_tokens, end = kvrt_min(begin + sequence->split_tokens, block.tokens);
    const uint64_t cost = kvrt_attend_cost(end - begin, queries);
    for (int64_t head = first; head < last;) {
      int64_t count = 0;
      for (; count < most && head + count < last && kvrt_in_range(w); ++count)
        w->place += cost;
      if (count == 0) {
        w->place += cost;
        ++head;
        continue;
      }
      kv_item item = kvrt_item_of(w, sequence->seq, head, block.begin, block.end);
      item.num_heads = count;
      item.token_begin = begin;
      item.token_end = end;
      item.num_partials = block.splits;
      item.flags = sequence->fused ? KV_ITEM_STORE : 0;
      if (block.splits > 1)
        item.partial = (char *)w->step->workspace + w->partial + (head * block.splits + split) * bytes;
      w->run(w->step, &item);
      head += count;
    }
  }
  if (block.splits > 1)
    w->partial += w->kernel->heads_kv * block.splits * bytes;
}

/* Every query block reads the cache of its heads from the start: head by head, the next block finds it in a nearer cache. */
void kvrt_attend_run(kvrt_walk *w, const kvrt_sequence *sequence) {
  const int64_t heads = w->kernel->heads_kv, together = sequence->blocks > 1 ? 1 : heads, partial = w->partial;
  for (int64_t head = 0; head < heads && w->place < w->high; head += together) {
    w->partial = partial;
    for (int64_t index = 0; index < sequence->blocks && w->place < w->high; ++index)
      attendBlock(w, sequence, index, head, head + together);
  }
}

kvrt_totals kvrt_merge_totals(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step,
                              const kvrt_sequence *sequence) {
  kvrt_totals totals = {0, 0, 0};
  const int64_t heads = kernel->heads_kv;
  for (int64_t index = 0; index < sequence->blocks; ++index) {
    const kvrt_block block = kvrt_block_of(kernel, variant, step, sequence, index);
    if (block.splits <= 1)
      continue;
    totals.partial_bytes += heads * block.splits * partialBytes(kernel, variant, &block);
    totals.items += heads;
    totals.cost += (uint64_t)heads * mergeCost(&block);
  }
  return totals;
}

void kvrt_merge_run(kvrt_walk *w, const kvrt_sequence *sequence) {
  for (int64_t index = 0; index < sequence->blocks; ++index) {
    const kvrt_block block = kvrt_block_of(w->kernel, w->variant, w->step, sequence, index);
    if (block.splits <= 1)
      continue;
    for (int64_t head = 0; head < w->kernel->heads_kv; ++head) {
      if (kvrt_in_range(w)) {
        kv_item item = kvrt_item_of(w, sequence->seq, head, block.begin, block.end);
        item.token_end = block.tokens;
        item.partial = (char *)w->step->workspace + w->partial;
        item.num_partials = block.splits;
        w->run(w->step, &item);
      }
      w->place += mergeCost(&block);
      w->partial += block.splits * partialBytes(w->kernel, w->variant, &block);
    }
  }
}
