#include "tiny.h"

int main(void) {
  const kv_kernel *kernel = &tiny_append_decode;
  if (kernel->struct_size != sizeof(kv_kernel) || kernel->abi_version != KV_ABI_VERSION)
    return 1;
  if (kernel->op != KV_OP_APPEND_ATTEND || kernel->q_type != KV_TYPE_F16 || kernel->o_type != KV_TYPE_F32 || !kernel->has_lse)
    return 2;
  if (kernel->heads_q != 4 || kernel->heads_kv != TINY_HEADS_KV || kernel->dim_k != TINY_DIM_K || kernel->dim_v != TINY_DIM_V)
    return 3;
  if (kernel->page_tokens != TINY_PAGE_TOKENS || kernel->page_bytes != TINY_PAGE_BYTES || kernel->dense || !kernel->causal)
    return 4;
  if (kernel->min_queries != 1 || kernel->max_queries != 4 || kernel->num_params != 1 || kernel->num_variants != 1)
    return 5;
  if (kernel->layout_hash != TINY_LAYOUT_HASH || tiny_append.layout_hash != TINY_LAYOUT_HASH)
    return 6;
  if (!kernel->variants[0].append || !kernel->variants[0].attend || !kernel->variants[0].merge || kernel->variants[0].features)
    return 7;
  if (tiny_append.variants[0].attend || tiny_decode.variants[0].append || tiny_append.heads_q != 0)
    return 8;
  return 0;
}
