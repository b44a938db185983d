/* plan.c: cuts a step into kernel calls, and finds those of one part without memory of its own.
 *
 * A phase is a fixed sequence of items, and each has a cost (about proportional to its time). Laying the items end to end gives
 * every item a place; part i of n takes the items whose place begins in [total * i / n, total * (i + 1) / n). So every item belongs
 * to one part, whatever n is, and which items exist does not depend on n.
 *
 *   append  for sequence: for chunk of new tokens: for kv head        (sequences whose attend does not store)
 *   attend  for sequence: for query block: for split: for kv head     (of several query blocks: for kv head: for query block: for
 * split) merge   for sequence: for query block: for kv head                (blocks with more than one split)
 *
 * An append alone that has a slot_mapping may store any token anywhere: two tokens that share a byte (4-bit codes of two slots of
 * one head) may be in any two sequences. There an item is a run of tokens in one unit of slots, and its place follows from the
 * unit, not from the item's turn: whatever goes into one unit of one head is stored by one part, in the order of the batch.
 *
 * Neighbouring heads of one split that fall to the same part go to the kernel in one call, as many as the variant takes: it reads
 * each page once for all of them. A head's result does not depend on who else is in the call.
 *
 * Splits. A query block is split so that a sequence gives about length / split_tokens items for each head, however many blocks it
 * has: a split of a sequence with B blocks is B times as long, and a long prompt is not split at all. Longer sequences than
 * KVRT_MAX_SPLITS splits get longer splits. With a causal mask a block ends at its last query. All of it follows from the
 * sequence's own length and queries, so a batch does not change a result. */
#include "internal.h"

static int appends(const kv_kernel *kernel) { return kernel->op != KV_OP_ATTEND; }
static int attends(const kv_kernel *kernel) { return kernel->op != KV_OP_APPEND; }

kvrt_sequence kvrt_sequence_of(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int64_t seq) {
  kvrt_sequence result;
  result.queries = (int64_t)step->query_start_loc[seq + 1] - step->query_start_loc[seq];
  result.length = step->seq_lens[seq];
  result.blocks = kvrt_ceil_div(result.queries, variant->query_block);
  const int64_t split = variant->split_tokens * kvrt_max(result.blocks, 1);
  result.split_tokens = split * kvrt_max(kvrt_ceil_div(result.length, split * KVRT_MAX_SPLITS), 1);
  result.fused = kernel->op == KV_OP_APPEND_ATTEND && result.blocks == 1;
  return result;
}

kvrt_block kvrt_block_of(const kv_kernel *kernel, const kv_variant *variant, const kvrt_sequence *sequence, int64_t block) {
  kvrt_block result;
  result.begin = block * variant->query_block;
  result.end = kvrt_min(result.begin + variant->query_block, sequence->queries);
  result.tokens = kernel->causal ? sequence->length - sequence->queries + result.end : sequence->length;
  result.splits = kvrt_ceil_div(result.tokens, sequence->split_tokens);
  return result;
}

int64_t kvrt_partial_floats(const kv_kernel *kernel, int64_t queries) {
  return queries * (kernel->heads_q / kernel->heads_kv) * (kernel->dim_v + 2);
}

/* Reading a token costs about 4, each query on it 1 (a step of eight queries takes some 2.5 times that of one); a call costs about
 * as much as 16 tokens. */
static uint64_t attendCost(int64_t tokens, int64_t queries) { return (uint64_t)(tokens + 16) * (uint64_t)(queries + 4); }
static uint64_t blockCost(const kvrt_block *block) {
  const int64_t queries = block->end - block->begin;
  return attendCost(block->tokens, queries) + attendCost(0, queries) * (uint64_t)(block->splits - 1);
}
static uint64_t mergeCost(const kvrt_block *block) { return (uint64_t)(block->splits * (block->end - block->begin)); }

/* Chunks of append begin at a page, or inside a large page at a multiple of 256 slots: two tokens that share a byte are never
 * apart. */
enum { chunkSlots = 256, smallestChunk = 64 };
static int64_t chunkEnd(const kv_kernel *kernel, int64_t position) {
  const kv_tokens tokens = kv_tokens_of(kernel);
  const kv_place place = kv_place_of(tokens, position);
  if (tokens.page_tokens > chunkSlots)
    return position - place.slot + kvrt_min((place.slot / chunkSlots + 1) * chunkSlots, tokens.page_tokens);
  const int64_t pages = kv_entries(tokens, smallestChunk);
  return (place.entry / pages + 1) * pages * tokens.page_tokens;
}

/* A walk over the items of a phase. Everything it holds is a running sum. */
typedef struct walk {
  const kv_kernel *kernel;
  const kv_variant *variant;
  const kv_step *step;
  uint64_t low, high; /* the part's range of places */
  uint64_t place;     /* of the next item */
  int64_t partial;    /* of the next block with more than one split: floats from the workspace's start */
  void *scratch;
} walk;

static int inRange(const walk *w) { return w->place >= w->low && w->place < w->high; }

/* kv heads that one call takes for items of `queries` queries. */
static int64_t headsOfCall(const kv_variant *variant, int64_t queries) {
  return kvrt_max(kvrt_min(variant->item_heads, kvrt_max(variant->item_heads, variant->query_block) / queries), 1);
}

static kv_item itemOf(const walk *w, int64_t seq, int64_t head, int64_t begin, int64_t end) {
  kv_item item;
  memset(&item, 0, sizeof item);
  item.seq = seq;
  item.head = head;
  item.num_heads = 1;
  item.query_begin = begin;
  item.query_end = end;
  item.scratch = w->scratch;
  return item;
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
  const kv_tokens tokens = kv_tokens_of(kernel);
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

static void appendBySlot(walk *w, uint64_t cost) {
  const int64_t heads = w->kernel->heads_kv;
  for (int64_t seq = 0; seq < w->step->num_seqs; ++seq) {
    const int64_t start = w->step->query_start_loc[seq], queries = w->step->query_start_loc[seq + 1] - start;
    for (slot_run run = {0, 0, 0}; nextRun(w->kernel, w->step->slot_mapping + start, queries, &run);)
      for (int64_t head = 0; head < heads; ++head) {
        w->place = placeOf(cost, run.unit, (uint64_t)heads, (uint64_t)head);
        const kv_item item = itemOf(w, seq, head, run.begin, run.end);
        if (inRange(w))
          w->variant->append(w->step, &item);
      }
  }
}

static kvrt_totals totalsBySlot(const kv_kernel *kernel, const kv_step *step) {
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

/* Whether the phase's items follow slots. A fused step's slots are those of block_table. */
static int goesBySlot(const kv_kernel *kernel, const kv_step *step, int32_t phase) {
  return phase == KV_PHASE_APPEND && kernel->op == KV_OP_APPEND && step->slot_mapping;
}

static void appendSequence(walk *w, int64_t seq, const kvrt_sequence *sequence) {
  const int64_t first = sequence->length - sequence->queries;
  for (int64_t position = first; position < sequence->length;) {
    const int64_t end = kvrt_min(chunkEnd(w->kernel, position), sequence->length);
    const uint64_t cost = (uint64_t)(end - position);
    for (int64_t head = 0; head < w->kernel->heads_kv; ++head, w->place += cost) {
      if (!inRange(w))
        continue;
      const kv_item item = itemOf(w, seq, head, position - first, end - first);
      w->variant->append(w->step, &item);
    }
    position = end;
  }
}

/* Heads [first, last) of a query block. */
static void attendBlock(walk *w, int64_t seq, const kvrt_sequence *sequence, int64_t index, int64_t first, int64_t last) {
  const kvrt_block block = kvrt_block_of(w->kernel, w->variant, sequence, index);
  const int64_t queries = block.end - block.begin, most = headsOfCall(w->variant, queries);
  const int64_t floats = kvrt_partial_floats(w->kernel, queries);
  for (int64_t split = 0; split < block.splits; ++split) {
    const int64_t begin = split * sequence->split_tokens, end = kvrt_min(begin + sequence->split_tokens, block.tokens);
    const uint64_t cost = attendCost(end - begin, queries);
    for (int64_t head = first; head < last;) {
      int64_t count = 0;
      for (; count < most && head + count < last && inRange(w); ++count)
        w->place += cost;
      if (count == 0) {
        w->place += cost;
        ++head;
        continue;
      }
      kv_item item = itemOf(w, seq, head, block.begin, block.end);
      item.num_heads = count;
      item.token_begin = begin;
      item.token_end = end;
      item.num_partials = block.splits;
      item.partial = block.splits > 1 ? (float *)w->step->workspace + w->partial + (head * block.splits + split) * floats : NULL;
      w->variant->attend(w->step, &item);
      head += count;
    }
  }
  if (block.splits > 1)
    w->partial += w->kernel->heads_kv * block.splits * floats;
}

/* Every query block reads the cache of its heads from the start: head by head, the next block finds it in a nearer cache. */
static void attendSequence(walk *w, int64_t seq, const kvrt_sequence *sequence) {
  const int64_t heads = w->kernel->heads_kv, together = sequence->blocks > 1 ? 1 : heads, partial = w->partial;
  for (int64_t head = 0; head < heads && w->place < w->high; head += together) {
    w->partial = partial;
    for (int64_t index = 0; index < sequence->blocks && w->place < w->high; ++index)
      attendBlock(w, seq, sequence, index, head, head + together);
  }
}

static void mergeSequence(walk *w, int64_t seq, const kvrt_sequence *sequence) {
  for (int64_t index = 0; index < sequence->blocks; ++index) {
    const kvrt_block block = kvrt_block_of(w->kernel, w->variant, sequence, index);
    if (block.splits <= 1)
      continue;
    for (int64_t head = 0; head < w->kernel->heads_kv; ++head) {
      if (inRange(w)) {
        kv_item item = itemOf(w, seq, head, block.begin, block.end);
        item.token_end = block.tokens;
        item.partial = (float *)w->step->workspace + w->partial;
        item.num_partials = block.splits;
        w->variant->merge(w->step, &item);
      }
      w->place += mergeCost(&block);
      w->partial += block.splits * kvrt_partial_floats(w->kernel, block.end - block.begin);
    }
  }
}

/* One sequence's share. */
static kvrt_totals totalsOf(const kv_kernel *kernel, const kv_variant *variant, const kvrt_sequence *sequence, int32_t phase) {
  kvrt_totals totals = {0, 0, 0};
  if (phase == KV_PHASE_APPEND) {
    if (!appends(kernel) || sequence->fused)
      return totals;
    totals.cost = (uint64_t)(sequence->queries * kernel->heads_kv);
    for (int64_t position = sequence->length - sequence->queries; position < sequence->length;
         position = chunkEnd(kernel, position))
      totals.items += kernel->heads_kv;
    return totals;
  }
  if (!attends(kernel))
    return totals;
  const int64_t heads = kernel->heads_kv;
  for (int64_t index = 0; index < sequence->blocks; ++index) {
    const kvrt_block block = kvrt_block_of(kernel, variant, sequence, index);
    if (block.splits > 1)
      totals.partial_floats += heads * block.splits * kvrt_partial_floats(kernel, block.end - block.begin);
    if (phase == KV_PHASE_ATTEND) {
      totals.items += heads * block.splits;
      totals.cost += (uint64_t)heads * blockCost(&block);
    } else if (block.splits > 1) {
      totals.items += heads;
      totals.cost += (uint64_t)heads * mergeCost(&block);
    }
  }
  return totals;
}

kvrt_totals kvrt_plan_phase(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t phase) {
  kvrt_totals sum = {0, 0, 0};
  if (goesBySlot(kernel, step, phase))
    return totalsBySlot(kernel, step);
  for (int64_t seq = 0; seq < step->num_seqs; ++seq) {
    const kvrt_sequence sequence = kvrt_sequence_of(kernel, variant, step, seq);
    if (sequence.queries == 0)
      continue;
    const kvrt_totals one = totalsOf(kernel, variant, &sequence, phase);
    sum.items += one.items;
    sum.cost += one.cost;
    sum.partial_floats += one.partial_floats;
  }
  return sum;
}

void kvrt_plan_run(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t phase, uint64_t low,
                   uint64_t high, void *scratch) {
  walk w = {kernel, variant, step, low, high, 0, 0, scratch};
  if (goesBySlot(kernel, step, phase)) {
    appendBySlot(&w, totalsBySlot(kernel, step).cost);
    return;
  }
  for (int64_t seq = 0; seq < step->num_seqs && w.place < high; ++seq) {
    const kvrt_sequence sequence = kvrt_sequence_of(kernel, variant, step, seq);
    if (sequence.queries == 0)
      continue;
    const kvrt_totals one = totalsOf(kernel, variant, &sequence, phase);
    if (one.items == 0)
      continue;
    if (w.place + one.cost <= low) {
      w.place += one.cost;
      w.partial += one.partial_floats;
    } else if (phase == KV_PHASE_APPEND) {
      appendSequence(&w, seq, &sequence);
    } else if (phase == KV_PHASE_ATTEND) {
      attendSequence(&w, seq, &sequence);
    } else {
      mergeSequence(&w, seq, &sequence);
    }
  }
}
