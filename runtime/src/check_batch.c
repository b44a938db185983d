/* check_batch.c: validation of the arrays that describe the batch: query_start_loc, seq_lens, block_table, slot_mapping. */
#include "internal.h"

kv_status kvrt_check_lengths(const kv_step *step) {
  if (step->num_seqs < 0 || step->num_seqs > INT32_MAX)
    return kvrt_fail(KV_ERROR_NUM_SEQS, "num_seqs is %lld; expected 0 .. 2^31 - 1", (long long)step->num_seqs);
  if (step->num_seqs == 0)
    return KV_OK;
  const int32_t *starts = step->query_start_loc, *lengths = step->seq_lens;
  if (!starts)
    return kvrt_fail(KV_ERROR_QUERY_START_LOC, "query_start_loc is null");
  if (!kvrt_aligned(starts, 4))
    return kvrt_fail(KV_ERROR_ALIGNMENT, "query_start_loc is %p; expected a multiple of 4", (const void *)starts);
  if (!lengths)
    return kvrt_fail(KV_ERROR_SEQ_LENS, "seq_lens is null");
  if (!kvrt_aligned(lengths, 4))
    return kvrt_fail(KV_ERROR_ALIGNMENT, "seq_lens is %p; expected a multiple of 4", (const void *)lengths);
  return KV_OK;
}

kv_status kvrt_check_batch(const kv_kernel *kernel, const kv_step *step) {
  const kv_status status = kvrt_check_lengths(step);
  if (status != KV_OK || step->num_seqs == 0)
    return status;
  const int64_t seqs = step->num_seqs;
  const int32_t *starts = step->query_start_loc, *lengths = step->seq_lens;
  if (starts[0] != 0)
    return kvrt_fail(KV_ERROR_QUERY_START_LOC, "query_start_loc[0] is %d; expected 0", starts[0]);
  const int64_t lowest = kernel->op == KV_OP_APPEND ? 0 : kernel->min_queries;
  const int64_t most = kernel->op == KV_OP_APPEND ? INT32_MAX : kernel->max_queries;
  for (int64_t b = 0; b < seqs; ++b) {
    if (starts[b + 1] < starts[b])
      return kvrt_fail(KV_ERROR_QUERY_START_LOC, "query_start_loc[%lld] is %d after %d; expected ascending", (long long)b + 1,
                       starts[b + 1], starts[b]);
    const int64_t queries = (int64_t)starts[b + 1] - starts[b];
    if (lengths[b] < queries)
      return kvrt_fail(KV_ERROR_SEQ_LENS, "seq_lens[%lld] is %d; expected at least its %lld new tokens", (long long)b, lengths[b],
                       (long long)queries);
    if (queries != 0 && (queries < lowest || queries > most))
      return kvrt_fail(KV_ERROR_QUERIES, "sequence %lld has %lld queries; %s takes %lld .. %lld", (long long)b, (long long)queries,
                       kernel->name, (long long)lowest, (long long)most);
    if (kernel->tokens.kind == KV_TOKENS_DENSE && queries != 0 && lengths[b] > kernel->tokens.page_tokens)
      return kvrt_fail(KV_ERROR_SEQ_LENS, "seq_lens[%lld] is %d; the dense cache holds %lld", (long long)b, lengths[b],
                       (long long)kernel->tokens.page_tokens);
  }
  return KV_OK;
}

/* Rows are wide enough for their sequences. */
static kv_status checkWidth(const kv_kernel *kernel, const kv_step *step) {
  for (int64_t b = 0; b < step->num_seqs; ++b) {
    const int64_t pages = kv_entries(kernel->tokens, step->seq_lens[b]);
    if (pages > step->block_table_stride && step->query_start_loc[b + 1] != step->query_start_loc[b])
      return kvrt_fail(KV_ERROR_BLOCK_TABLE, "block_table_stride is %lld; sequence %lld of %d tokens needs %lld pages",
                       (long long)step->block_table_stride, (long long)b, step->seq_lens[b], (long long)pages);
  }
  return KV_OK;
}

/* Entries of a sequence's row: pages of its tokens [firstToken, endToken). */
static kv_status checkEntries(const kv_kernel *kernel, const kv_step *step, int64_t seq, int64_t firstToken, int64_t endToken) {
  const kv_tokens tokens = kernel->tokens;
  const int64_t begin = kv_place_of(tokens, firstToken).entry, end = kv_entries(tokens, endToken);
  const int32_t *row = step->block_table + seq * step->block_table_stride;
  /* One pass without exits, so that it is vectorised; then the culprit. */
  const uint32_t pages = (uint32_t)kvrt_min(step->num_pages, (int64_t)INT32_MAX + 1);
  int bad = 0;
  for (int64_t i = begin; i < end; ++i)
    bad |= (uint32_t)row[i] >= pages;
  for (int64_t i = begin; bad && i < end; ++i)
    if ((uint32_t)row[i] >= pages)
      return kvrt_fail(KV_ERROR_PAGE_NUMBER, "block_table[%lld][%lld] is %d; expected a page 0 .. %lld", (long long)seq,
                       (long long)i, row[i], (long long)step->num_pages - 1);
  int64_t first;
  const int64_t again = kvrt_find_repeat(row, begin, end, &first);
  if (again >= 0)
    return kvrt_fail(KV_ERROR_PAGE_REPEATED,
                     "block_table[%lld][%lld] is %d, as block_table[%lld][%lld] is; expected each page of a sequence once "
                     "(entries are of 32 bits)",
                     (long long)seq, (long long)again, row[again], (long long)seq, (long long)first);
  return KV_OK;
}

/* The entries that a step touches: pages of its new tokens, and of the tokens that its queries see. Of a kernel with several
 * ranges, which may share pages, a page that is named in two of them is not found. */
static kv_status checkRow(const kv_kernel *kernel, const kv_step *step, int64_t align, int64_t seq) {
  const int64_t length = step->seq_lens[seq];
  const int64_t queries = (int64_t)step->query_start_loc[seq + 1] - step->query_start_loc[seq];
  int64_t ranges[KV_MAX_RANGES][2], first = length - queries;
  int32_t count = 0;
  kv_status status = KV_OK;
  if (kvrt_attends(kernel))
    count = kernel->ranges(step, seq, 0, queries, ranges);
  for (int32_t i = 0; i < count && status == KV_OK; ++i) {
    const int64_t begin = ranges[i][0] / align * align;
    const int64_t end = i + 1 < count ? kvrt_min(kvrt_round_up(ranges[i][1], align), length) : ranges[i][1];
    if (ranges[i][0] < ranges[i][1])
      status = checkEntries(kernel, step, seq, begin, end);
    if (begin <= first && first < end) /* new tokens up to here are checked */
      first = end;
  }
  if (status == KV_OK && kvrt_appends(kernel) && first < length)
    status = checkEntries(kernel, step, seq, first, length);
  return status;
}

/* Every new token's slot: -1, or one of the cache's; for append_attend, the very one where attend will look for it. */
static kv_status checkSlots(const kv_kernel *kernel, const kv_step *step) {
  const kv_tokens tokens = kernel->tokens;
  for (int64_t b = 0; b < step->num_seqs; ++b) {
    const int64_t start = step->query_start_loc[b], queries = step->query_start_loc[b + 1] - start;
    const int64_t first = step->seq_lens[b] - queries;
    for (int64_t i = 0; i < queries; ++i) {
      const int64_t slot = step->slot_mapping[start + i];
      if (slot == -1)
        continue;
      if (slot < 0 || kv_place_of_slot(tokens, slot).entry >= step->num_pages)
        return kvrt_fail(KV_ERROR_SLOT_MAPPING, "slot_mapping[%lld] is %lld; expected -1 or a slot of %lld pages of %lld",
                         (long long)(start + i), (long long)slot, (long long)step->num_pages, (long long)tokens.page_tokens);
      if (kernel->op != KV_OP_APPEND_ATTEND)
        continue;
      const int64_t position = first + i;
      const kv_place place = kv_place_of(tokens, position);
      const int64_t page = step->block_table ? step->block_table[b * step->block_table_stride + place.entry] : b;
      const int64_t expected = kv_slot_number(tokens, page, place.slot);
      if (slot != expected)
        return kvrt_fail(KV_ERROR_SLOT_MAPPING,
                         "slot_mapping[%lld] is %lld; block_table puts token %lld of sequence %lld in slot %lld",
                         (long long)(start + i), (long long)slot, (long long)position, (long long)b, (long long)expected);
    }
  }
  return KV_OK;
}

/* Whether a step reads slot_mapping, and whether it reads block_table. */
static int slotsUsed(const kv_kernel *kernel, const kv_step *step) { return step->slot_mapping && kernel->op != KV_OP_ATTEND; }
static int tableUsed(const kv_kernel *kernel, const kv_step *step) {
  return !(slotsUsed(kernel, step) && kernel->op == KV_OP_APPEND);
}

kv_status kvrt_check_table_fields(const kv_kernel *kernel, const kv_step *step) {
  if (slotsUsed(kernel, step) && !kvrt_aligned(step->slot_mapping, 8))
    return kvrt_fail(KV_ERROR_ALIGNMENT, "slot_mapping is %p; expected a multiple of 8", (const void *)step->slot_mapping);
  if (!tableUsed(kernel, step))
    return KV_OK;
  if (step->block_table) {
    if (!kvrt_aligned(step->block_table, 4))
      return kvrt_fail(KV_ERROR_ALIGNMENT, "block_table is %p; expected a multiple of 4", (const void *)step->block_table);
    /* A sequence has less than 2^31 tokens, so no more pages; hence the product fits in 64 bits. */
    const int64_t stride = step->block_table_stride;
    if (stride < 0 || stride > INT32_MAX)
      return kvrt_fail(KV_ERROR_BLOCK_TABLE, "block_table_stride is %lld; expected 0 .. 2^31 - 1", (long long)stride);
    if (!kvrt_fits_in_memory(step->block_table, (uint64_t)(step->num_seqs * stride), sizeof(int32_t)))
      return kvrt_fail(KV_ERROR_BLOCK_TABLE, "block_table of %lld rows of %lld entries leaves the address space",
                       (long long)step->num_seqs, (long long)stride);
    return KV_OK;
  }
  if (kernel->tokens.kind != KV_TOKENS_DENSE)
    return kvrt_fail(KV_ERROR_BLOCK_TABLE, "block_table is null; %s is paged", kernel->name);
  if (step->num_seqs > step->num_pages)
    return kvrt_fail(KV_ERROR_NUM_PAGES, "num_pages is %lld; without block_table, expected one for each of %lld sequences",
                     (long long)step->num_pages, (long long)step->num_seqs);
  return KV_OK;
}

kv_status kvrt_check_tables(const kv_kernel *kernel, const kv_step *step, int64_t align) {
  kv_status status = kvrt_check_table_fields(kernel, step);
  if (status == KV_OK && tableUsed(kernel, step) && step->block_table) {
    status = checkWidth(kernel, step);
    for (int64_t b = 0; b < step->num_seqs && status == KV_OK; ++b) {
      const int64_t queries = (int64_t)step->query_start_loc[b + 1] - step->query_start_loc[b];
      if (queries != 0)
        status = checkRow(kernel, step, align, b);
    }
  }
  return status == KV_OK && slotsUsed(kernel, step) ? checkSlots(kernel, step) : status;
}
