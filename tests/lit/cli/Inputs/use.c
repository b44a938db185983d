#include "tiny.h"

#include <string.h>

int main(void) {
  const kv_kernel *kernel = &tiny_append_decode;
  if (kernel->struct_size != sizeof(kv_kernel) || kernel->abi_version != KV_ABI_VERSION)
    return 1;
  if (kernel->op != KV_OP_APPEND_ATTEND || kernel->q_type != KV_TYPE_F16 || kernel->o_type != KV_TYPE_F32 || !kernel->has_lse)
    return 2;
  if (kernel->heads_q != 4 || kernel->heads_kv != TINY_HEADS_KV || kernel->dim_k != TINY_DIM_K || kernel->dim_v != TINY_DIM_V)
    return 3;
  if (kernel->tokens.page_tokens != TINY_PAGE_TOKENS || kernel->page_bytes != TINY_PAGE_BYTES ||
      kernel->tokens.kind != KV_TOKENS_PAGED || !kernel->ranges)
    return 4;
  if (kernel->min_queries != 1 || kernel->max_queries != 4 || kernel->num_arguments != 1 || kernel->num_variants != 1)
    return 5;
  if (kernel->layout_hash != TINY_LAYOUT_HASH || tiny_append.layout_hash != TINY_LAYOUT_HASH)
    return 6;
  const kv_kernel_fn *run = kernel->variants[0].run;
  if (!run[KV_PHASE_APPEND] || run[KV_PHASE_SELECT] || !run[KV_PHASE_ATTEND] || !run[KV_PHASE_MERGE] ||
      kernel->variants[0].features)
    return 7;
  if (tiny_append.variants[0].run[KV_PHASE_ATTEND] || tiny_decode.variants[0].run[KV_PHASE_APPEND] || tiny_append.heads_q != 0)
    return 8;
  if (kernel->variant_size != sizeof(kv_variant) || kernel->argument_size != sizeof(kv_argument_spec) || kernel->num_streams != 2)
    return 9;
  const kv_argument_spec *slope = kernel->arguments;
  if (strcmp(slope->name, "slope") || slope->type != KV_ARGUMENT_F32 || slope->axes[0] != KV_AXIS_HEADS_Q || slope->axes[1])
    return 10;
  if (kernel->variants[0].row_bytes != (TINY_DIM_V + 2) * 4 || kernel->variants[0].token_bytes || kernel->needs)
    return 11;
  /* Two new tokens of the second sequence, which then has 7: the first of them sees 6. */
  int32_t starts[] = {0, 1, 3}, lengths[] = {4, 7};
  int64_t seen[KV_MAX_RANGES][2];
  kv_step step;
  memset(&step, 0, sizeof step);
  step.query_start_loc = starts;
  step.seq_lens = lengths;
  if (kernel->ranges(&step, 1, 0, 1, seen) != 1 || seen[0][0] != 0 || seen[0][1] != 6 || tiny_append.ranges)
    return 12;
  return 0;
}
