/* plan.c: cuts a step into kernel calls, and finds those of one part without memory of its own.
 *
 * A phase is a fixed sequence of items, and each has a cost (about proportional to its time). Laying the items end to end gives
 * every item a place; part i of n takes the items whose place begins in [total * i / n, total * (i + 1) / n). So every item belongs
 * to one part, whatever n is, and which items exist does not depend on n.
 *
 *   append  for sequence: for chunk of new tokens: for kv head        (sequences whose attend does not store)
 *   attend  for sequence: for query block: for split: for kv head
 *           (of several query blocks: for kv head: for query block: for split)
 *   merge   for sequence: for query block: for kv head                (blocks with more than one split)
 *
 * An append alone that has a slot_mapping may store any token anywhere: two tokens that share a byte (4-bit codes of two slots of
 * one head) may be in any two sequences. There an item is a run of tokens in one unit of slots, and its place follows from the
 * unit, not from the item's turn: whatever goes into one unit of one head is stored by one part, in the order of the batch.
 *
 * Neighbouring heads of one split that fall to the same part go to the kernel in one call, as many as the variant takes: it reads
 * each page once for all of them. A head's result does not depend on who else is in the call.
 *
 * Splits cut the visible tokens of a query block. A block is split so that a sequence gives about length / split_tokens items for
 * each head, however many blocks it has: a split of a sequence with B blocks is B times as long, and a long prompt is not split at
 * all. Longer sequences than KVRT_MAX_SPLITS splits get longer splits. All of it follows from the sequence's own length and
 * queries, so a batch does not change a result. */
#include "internal.h"

kvrt_sequence kvrt_sequence_of(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int64_t seq) {
  kvrt_sequence result;
  result.seq = seq;
  result.queries = (int64_t)step->query_start_loc[seq + 1] - step->query_start_loc[seq];
  result.length = step->seq_lens[seq];
  result.blocks = kvrt_ceil_div(result.queries, variant->query_block);
  const int64_t split = variant->split_tokens * kvrt_max(result.blocks, 1);
  result.split_tokens = split * kvrt_max(kvrt_ceil_div(result.length, split * KVRT_MAX_SPLITS), 1);
  result.fused = kernel->op == KV_OP_APPEND_ATTEND && result.blocks == 1 && !(kernel->needs & KV_NEEDS_APPEND);
  return result;
}

int64_t kvrt_visible_tokens(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int64_t seq, int64_t begin,
                            int64_t end) {
  int64_t ranges[KV_MAX_RANGES][2], tokens = 0;
  const int64_t align = variant->align_tokens;
  const int32_t count = kernel->ranges(step, seq, begin, end, ranges);
  for (int32_t i = 0; i < count; ++i) {
    const int64_t last = i + 1 < count ? kvrt_round_up(ranges[i][1], align) : ranges[i][1];
    if (ranges[i][0] < ranges[i][1])
      tokens += last - ranges[i][0] / align * align;
  }
  return tokens;
}

kvrt_block kvrt_block_of(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, const kvrt_sequence *sequence,
                         int64_t block) {
  kvrt_block result;
  result.begin = block * variant->query_block;
  result.end = kvrt_min(result.begin + variant->query_block, sequence->queries);
  result.tokens = kvrt_visible_tokens(kernel, variant, step, sequence->seq, result.begin, result.end);
  result.splits = kvrt_max(kvrt_ceil_div(result.tokens, sequence->split_tokens), 1); /* what sees nothing is written too */
  return result;
}

int64_t kvrt_partial_bytes(const kv_kernel *kernel, int64_t rowBytes, int64_t queries) {
  return queries * (kernel->heads_q / kernel->heads_kv) * rowBytes;
}

static int never(const kv_kernel *kernel) {
  (void)kernel;
  return 0;
}

/* The phases: which kernels have one, and the items of one sequence in it. */
typedef struct phase_row {
  int (*has)(const kv_kernel *kernel);
  kvrt_totals (*totals)(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, const kvrt_sequence *sequence);
  void (*run)(kvrt_walk *w, const kvrt_sequence *sequence);
} phase_row;
static const phase_row phases[KV_NUM_PHASES] = {
    [KV_PHASE_APPEND] = {kvrt_appends, kvrt_append_totals, kvrt_append_run},
    [KV_PHASE_SELECT] = {never, NULL, NULL}, /* kernels that need it are refused */
    [KV_PHASE_ATTEND] = {kvrt_attends, kvrt_attend_totals, kvrt_attend_run},
    [KV_PHASE_MERGE] = {kvrt_attends, kvrt_merge_totals, kvrt_merge_run},
};

kvrt_totals kvrt_plan_phase(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t phase) {
  kvrt_totals sum = {0, 0, 0};
  if (!phases[phase].has(kernel))
    return sum;
  if (phase == KV_PHASE_APPEND && kvrt_goes_by_slot(kernel, step))
    return kvrt_slot_totals(kernel, step);
  for (int64_t seq = 0; seq < step->num_seqs; ++seq) {
    const kvrt_sequence sequence = kvrt_sequence_of(kernel, variant, step, seq);
    if (sequence.queries == 0)
      continue;
    const kvrt_totals one = phases[phase].totals(kernel, variant, step, &sequence);
    sum.items += one.items;
    sum.cost += one.cost;
    sum.partial_bytes += one.partial_bytes;
  }
  return sum;
}

void kvrt_plan_run(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t phase, uint64_t low,
                   uint64_t high, void *scratch) {
  kvrt_walk w = {kernel, variant, step, variant->run[phase], low, high, 0, 0, scratch};
  if (!phases[phase].has(kernel))
    return;
  if (phase == KV_PHASE_APPEND && kvrt_goes_by_slot(kernel, step)) {
    kvrt_slot_run(&w);
    return;
  }
  for (int64_t seq = 0; seq < step->num_seqs && w.place < high; ++seq) {
    const kvrt_sequence sequence = kvrt_sequence_of(kernel, variant, step, seq);
    if (sequence.queries == 0)
      continue;
    const kvrt_totals one = phases[phase].totals(kernel, variant, step, &sequence);
    if (one.items == 0)
      continue;
    if (w.place + one.cost <= low) {
      w.place += one.cost;
      w.partial += one.partial_bytes;
    } else {
      phases[phase].run(&w, &sequence);
    }
  }
}
