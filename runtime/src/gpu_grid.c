/* gpu_grid.c: the grids of a step on a GPU and its workspace, from what the host knows: num_seqs, the width of the block table, and
 * the bounds of the launch. What the grids mean stands at kv_gpu_variant in kv_abi.h. */
#include "gpu_driver.h"

/* An append's blocks share the new tokens of a sequence. */
enum { APPEND_TOKENS = 32, APPEND_MOST = 256, APPEND_UNBOUNDED = 16 };

kv_status kvrt_gpu_check_variant(const kv_kernel *kernel, const kv_gpu_variant *variant) {
  const char *name = kernel->name;
  if (!variant->target || !variant->ptx || !variant->entries[kvrt_attends(kernel) ? KV_PHASE_ATTEND : KV_PHASE_APPEND])
    return kvrt_fail(KV_ERROR_VARIANT, "%s: GPU variant has no target, code or entry", name);
  const int64_t most = 1 << 30;
  if (variant->threads < 1 || variant->threads > 1024 || variant->shared_bytes < 0 || variant->shared_bytes > most ||
      variant->split_tokens < 1 || variant->split_tokens > INT32_MAX || variant->query_block < 1 ||
      variant->query_block > INT32_MAX)
    return kvrt_fail(KV_ERROR_VARIANT, "%s for %s: threads %lld, shared_bytes %lld, split_tokens %lld, query_block %lld", name,
                     variant->target, (long long)variant->threads, (long long)variant->shared_bytes,
                     (long long)variant->split_tokens, (long long)variant->query_block);
  const int appendsFirst = kernel->max_queries > variant->query_block || (kernel->needs & KV_NEEDS_APPEND);
  if (kernel->op == KV_OP_APPEND_ATTEND && appendsFirst && !variant->entries[KV_PHASE_APPEND])
    return kvrt_fail(KV_ERROR_VARIANT, "%s for %s: no append entry", name, variant->target);
  return kvrt_check_partials(kernel, variant->target, variant->flags, variant->split_tokens, variant->align_tokens,
                             variant->row_bytes, variant->token_bytes);
}

kv_status kvrt_gpu_check_launch(const kv_gpu_launch *launch) {
  if (launch->struct_size != sizeof(kv_gpu_launch))
    return kvrt_fail(KV_ERROR_STRUCT_SIZE, "launch's struct_size is %u; sizeof(kv_gpu_launch) is %zu", launch->struct_size,
                     sizeof(kv_gpu_launch));
  if (launch->flags & ~KV_GPU_COUNTERS_READY)
    return kvrt_fail(KV_ERROR_RESERVED, "launch's flags are %#x; expected 0 or %#x", launch->flags, KV_GPU_COUNTERS_READY);
  if (launch->max_queries < 0 || launch->max_queries > INT32_MAX)
    return kvrt_fail(KV_ERROR_BOUNDS, "launch's max_queries is %lld; expected 0 .. 2^31 - 1", (long long)launch->max_queries);
  if (launch->max_tokens < 0 || launch->max_tokens > INT32_MAX)
    return kvrt_fail(KV_ERROR_BOUNDS, "launch's max_tokens is %lld; expected 0 .. 2^31 - 1", (long long)launch->max_tokens);
  return KV_OK;
}

kv_status kvrt_gpu_check_step(const kv_kernel *kernel, const kv_step *step, const kv_gpu_launch *launch) {
  kv_status status = kvrt_check_lengths(step);
  if (status != KV_OK || step->num_seqs == 0)
    return status;
  status = kvrt_check_pages(kernel, step);
  if (status == KV_OK)
    status = kvrt_check_table_fields(kernel, step);
  /* How many tokens there are is known to the device. Strides must be good for two, where there may be two. */
  const int one = step->num_seqs == 1 && (launch->max_queries == 1 || (kvrt_attends(kernel) && kernel->max_queries == 1));
  return status == KV_OK ? kvrt_check_tensors(kernel, step, one ? 1 : 2) : status;
}

/* The most tokens of a sequence: by the launch, and by what a row of the table can name. */
static kv_status boundTokens(const kv_kernel *kernel, const kv_step *step, const kv_gpu_launch *launch, int64_t *tokens) {
  int64_t most = kernel->tokens.page_tokens;
  if (kernel->tokens.kind != KV_TOKENS_DENSE) {
    if (step->block_table_stride < 0)
      return kvrt_fail(KV_ERROR_BLOCK_TABLE, "block_table_stride is %lld; expected at least 0",
                       (long long)step->block_table_stride);
    if (__builtin_mul_overflow(step->block_table_stride, kernel->tokens.page_tokens, &most))
      most = INT32_MAX;
  }
  most = kvrt_min(most, INT32_MAX); /* seq_lens says no more */
  *tokens = launch->max_tokens ? kvrt_min(launch->max_tokens, most) : most;
  return KV_OK;
}

/* x = blocks * num_seqs * heads_kv, each less than 2^31 but the product. */
static kv_status width(const kv_kernel *kernel, const kv_step *step, int64_t blocks, int64_t queries, int64_t *x) {
  if (!__builtin_mul_overflow(blocks * step->num_seqs, kernel->heads_kv, x) && *x <= INT32_MAX)
    return KV_OK;
  return kvrt_fail(KV_ERROR_GPU_LIMIT,
                   "%s: %lld sequences of up to %lld new tokens and %lld heads need a wider grid than 2^31 - 1 blocks; "
                   "max_queries of the launch bounds the tokens",
                   kernel->name, (long long)step->num_seqs, (long long)queries, (long long)kernel->heads_kv);
}

static kv_status planAttend(const kv_kernel *kernel, const kv_gpu_variant *variant, const kv_step *step, int64_t tokens,
                            int64_t queries, kvrt_gpu_grid *grid) {
  /* Rounding adds less than a unit to the one range, or two to each of several, which may share what it adds. */
  const int several = (kernel->needs & KV_NEEDS_APPEND) != 0;
  const int64_t rounding = several ? 2 * KV_MAX_RANGES * variant->align_tokens : variant->align_tokens - 1;
  const int64_t most = several ? tokens + rounding : tokens;
  const int64_t visible = kernel->visible_tokens ? kvrt_min(most, kernel->visible_tokens + rounding) : most;
  grid->attend_y = kvrt_max(1, kvrt_ceil_div(visible, variant->split_tokens));
  if (grid->attend_y > 65535)
    return kvrt_fail(KV_ERROR_GPU_LIMIT,
                     "%s: up to %lld tokens have %lld splits; a grid has at most 65535; max_tokens of the launch bounds the tokens",
                     kernel->name, (long long)tokens, (long long)grid->attend_y);
  const kv_status status = width(kernel, step, kvrt_ceil_div(queries, variant->query_block), queries, &grid->attend_x);
  if (status != KV_OK || grid->attend_y == 1)
    return status;
  /* Less than 2^31 * 2^16 partials. */
  int64_t partial, partials;
  grid->counter_bytes = grid->attend_x * 4;
  if (__builtin_mul_overflow(kvrt_partial_bytes(kernel, 1, variant->query_block), variant->row_bytes, &partial) ||
      __builtin_mul_overflow(grid->attend_x * grid->attend_y, partial, &partials) || partials > INT64_MAX / 2)
    return kvrt_fail(KV_ERROR_GPU_LIMIT, "%s: the step needs more than 2^62 bytes of workspace", kernel->name);
  grid->workspace_bytes = kvrt_round_up(grid->counter_bytes, 64) + partials;
  return KV_OK;
}

kv_status kvrt_gpu_plan(const kv_kernel *kernel, const kv_gpu_variant *variant, const kv_step *step, const kv_gpu_launch *launch,
                        kvrt_gpu_grid *grid) {
  memset(grid, 0, sizeof *grid);
  if (step->num_seqs == 0)
    return KV_OK;
  int64_t queries = launch->max_queries;
  if (kvrt_attends(kernel)) {
    int64_t tokens = 0;
    kv_status status = boundTokens(kernel, step, launch, &tokens);
    if (status != KV_OK)
      return status;
    queries = kvrt_min(queries ? queries : kernel->max_queries, kernel->max_queries);
    queries = kvrt_max(1, kvrt_min(queries, tokens));
    status = planAttend(kernel, variant, step, tokens, queries, grid);
    const int apart = (kernel->needs & KV_NEEDS_APPEND) != 0;
    grid->attend_flag = kernel->op == KV_OP_APPEND_ATTEND && !apart;
    if (status != KV_OK || kernel->op == KV_OP_ATTEND || (queries <= variant->query_block && !apart))
      return status;
    grid->append_flag = apart ? 0 : variant->query_block;
  }
  grid->append_y = queries ? kvrt_min(kvrt_ceil_div(queries, APPEND_TOKENS), APPEND_MOST) : APPEND_UNBOUNDED;
  return width(kernel, step, 1, queries, &grid->append_x);
}
