/* workspace.c: how much scratch a step needs. The workspace is [partial results of split sequences][scratch of each part]. */
#include "internal.h"

int64_t kvrt_scratch_stride(const kv_variant *variant) { return kvrt_round_up(variant->scratch_bytes, 64); }

int64_t kvrt_scratch_offset(int64_t partialBytes) { return kvrt_round_up(partialBytes, 64); }

static int64_t fail(kv_status status) {
  (void)status; /* its sentence is in kv_last_error() */
  return -1;
}

int64_t kv_step_workspace_bytes(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t threads) {
  kv_status status = kvrt_check_kernel(kernel);
  if (status == KV_OK && !variant && !(variant = kv_select(kernel, &status)))
    return -1;
  if (status == KV_OK)
    status = kvrt_check_variant(kernel, variant);
  if (status == KV_OK && !step)
    status = kvrt_fail(KV_ERROR_NULL, "step is null");
  if (status == KV_OK && (threads < 1 || threads > KV_MAX_THREADS))
    status = kvrt_fail(KV_ERROR_THREADS, "threads is %d; expected 1 .. %d", threads, KV_MAX_THREADS);
  if (status == KV_OK)
    status = kvrt_check_batch(kernel, step);
  if (status != KV_OK)
    return fail(status);
  const kvrt_totals totals = kvrt_plan_phase(kernel, variant, step, KV_PHASE_MERGE);
  return kvrt_scratch_offset(totals.partial_bytes) + kvrt_scratch_stride(variant) * threads;
}

/* An upper bound on the partial rows (queries x splits) of a batch. A sequence of n new tokens and length L has B = ceil(n / block)
 * query blocks and S <= min(ceil(L / (split * B)), KVRT_MAX_SPLITS) splits. With B = 1 that is n * S rows; with more, and S > 1,
 * n * S < n * (L / (split * B) + 1) <= block * L / split + n. */
static int64_t boundPartialRows(const kv_kernel *kernel, const kv_variant *variant, const kv_bounds *bounds) {
  /* Several ranges share what rounding adds. */
  const int64_t shared = kernel->needs & KV_NEEDS_APPEND ? 2 * KV_MAX_RANGES * variant->align_tokens : 0;
  const int64_t tokens = bounds->max_seq_len + shared;
  if (tokens <= variant->split_tokens)
    return 0;
  const int64_t splits = kvrt_ceil_div(tokens, variant->split_tokens);
  if (bounds->max_queries <= variant->query_block)
    return kvrt_min(bounds->num_seqs * bounds->max_queries, bounds->num_tokens) * kvrt_min(splits, KVRT_MAX_SPLITS);
  return kvrt_min(kvrt_min(bounds->num_seqs * variant->query_block, bounds->num_tokens) * splits + bounds->num_tokens,
                  bounds->num_tokens * kvrt_min(splits, KVRT_MAX_SPLITS));
}

int64_t kv_workspace_bytes(const kv_kernel *kernel, const kv_variant *variant, const kv_bounds *bounds, int32_t threads) {
  kv_status status = kvrt_check_kernel(kernel);
  if (status == KV_OK && !variant && !(variant = kv_select(kernel, &status)))
    return -1;
  if (status == KV_OK)
    status = kvrt_check_variant(kernel, variant);
  if (status != KV_OK)
    return fail(status);
  if (!bounds)
    return fail(kvrt_fail(KV_ERROR_NULL, "bounds is null"));
  if (threads < 1 || threads > KV_MAX_THREADS)
    return fail(kvrt_fail(KV_ERROR_THREADS, "threads is %d; expected 1 .. %d", threads, KV_MAX_THREADS));
  const int64_t fields[] = {bounds->num_seqs, bounds->num_tokens, bounds->max_queries, bounds->max_seq_len};
  static const char *const names[] = {"num_seqs", "num_tokens", "max_queries", "max_seq_len"};
  for (int i = 0; i < 4; ++i)
    if (fields[i] < 0 || fields[i] > INT32_MAX)
      return fail(kvrt_fail(KV_ERROR_BOUNDS, "bounds.%s is %lld; expected 0 .. 2^31 - 1", names[i], (long long)fields[i]));
  kv_bounds least = *bounds;
  least.max_queries = kvrt_min(bounds->max_queries, kvrt_min(bounds->num_tokens, bounds->max_seq_len));
  int64_t bytes = 0;
  if (kvrt_attends(kernel) &&
      __builtin_mul_overflow(boundPartialRows(kernel, variant, &least), kernel->heads_q * variant->row_bytes, &bytes))
    return fail(kvrt_fail(KV_ERROR_BOUNDS, "bounds need more than 2^63 bytes"));
  if (bytes > INT64_MAX / 4)
    return fail(kvrt_fail(KV_ERROR_BOUNDS, "bounds need more than 2^61 bytes"));
  return kvrt_scratch_offset(bytes) + kvrt_scratch_stride(variant) * threads;
}
