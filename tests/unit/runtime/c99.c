/* c99.c: the public headers as strict C99, the ABI's sizes and offsets as constants, and selection under KV_TARGET.
 * Prints the target selected for the fake kernel, or the error; ctest runs it with several values of KV_TARGET. */
#include "kv/kv_abi.h"

#include "kv/kv.h"

#include "kv/kv_gpu.h"

#include "fake.h"

#include <stddef.h>
#include <stdio.h>

#define CHECK(name, condition) typedef char check_##name[(condition) ? 1 : -1]
#define OFFSET(type, field, offset) CHECK(type##_##field, offsetof(type, field) == (offset))

CHECK(step_size, sizeof(kv_step) == 328);
OFFSET(kv_step, struct_size, 0);
OFFSET(kv_step, abi_version, 4);
OFFSET(kv_step, pages, 8);
OFFSET(kv_step, page_stride, 16);
OFFSET(kv_step, num_pages, 24);
OFFSET(kv_step, num_seqs, 32);
OFFSET(kv_step, query_start_loc, 40);
OFFSET(kv_step, seq_lens, 48);
OFFSET(kv_step, block_table, 56);
OFFSET(kv_step, block_table_stride, 64);
OFFSET(kv_step, slot_mapping, 72);
OFFSET(kv_step, q, 80);
OFFSET(kv_step, q_token_stride, 88);
OFFSET(kv_step, q_head_stride, 96);
OFFSET(kv_step, k, 104);
OFFSET(kv_step, k_token_stride, 112);
OFFSET(kv_step, k_head_stride, 120);
OFFSET(kv_step, v, 128);
OFFSET(kv_step, v_token_stride, 136);
OFFSET(kv_step, v_head_stride, 144);
OFFSET(kv_step, o, 152);
OFFSET(kv_step, o_token_stride, 160);
OFFSET(kv_step, o_head_stride, 168);
OFFSET(kv_step, lse, 176);
OFFSET(kv_step, params, 184);
OFFSET(kv_step, workspace, 248);
OFFSET(kv_step, workspace_bytes, 256);
OFFSET(kv_step, reserved, 264);

CHECK(item_size, sizeof(kv_item) == 80);
OFFSET(kv_item, seq, 0);
OFFSET(kv_item, head, 8);
OFFSET(kv_item, num_heads, 16);
OFFSET(kv_item, query_begin, 24);
OFFSET(kv_item, query_end, 32);
OFFSET(kv_item, token_begin, 40);
OFFSET(kv_item, token_end, 48);
OFFSET(kv_item, partial, 56);
OFFSET(kv_item, num_partials, 64);
OFFSET(kv_item, scratch, 72);

CHECK(variant_size, sizeof(kv_variant) == 72);
OFFSET(kv_variant, target, 0);
OFFSET(kv_variant, features, 8);
OFFSET(kv_variant, append, 16);
OFFSET(kv_variant, attend, 24);
OFFSET(kv_variant, merge, 32);
OFFSET(kv_variant, split_tokens, 40);
OFFSET(kv_variant, query_block, 48);
OFFSET(kv_variant, item_heads, 56);
OFFSET(kv_variant, scratch_bytes, 64);

CHECK(kernel_size, sizeof(kv_kernel) == 152);
OFFSET(kv_kernel, struct_size, 0);
OFFSET(kv_kernel, abi_version, 4);
OFFSET(kv_kernel, name, 8);
OFFSET(kv_kernel, cache, 16);
OFFSET(kv_kernel, layout_hash, 24);
OFFSET(kv_kernel, op, 32);
OFFSET(kv_kernel, q_type, 36);
OFFSET(kv_kernel, o_type, 40);
OFFSET(kv_kernel, has_lse, 44);
OFFSET(kv_kernel, heads_q, 48);
OFFSET(kv_kernel, heads_kv, 56);
OFFSET(kv_kernel, dim_k, 64);
OFFSET(kv_kernel, dim_v, 72);
OFFSET(kv_kernel, page_tokens, 80);
OFFSET(kv_kernel, page_bytes, 88);
OFFSET(kv_kernel, min_queries, 96);
OFFSET(kv_kernel, max_queries, 104);
OFFSET(kv_kernel, dense, 112);
OFFSET(kv_kernel, causal, 116);
OFFSET(kv_kernel, num_params, 120);
OFFSET(kv_kernel, num_variants, 124);
OFFSET(kv_kernel, variants, 128);
OFFSET(kv_kernel, num_gpu_variants, 136);
OFFSET(kv_kernel, gpu_variants, 144);

CHECK(gpu_variant_size, sizeof(kv_gpu_variant) == 80);
OFFSET(kv_gpu_variant, target, 0);
OFFSET(kv_gpu_variant, ptx, 8);
OFFSET(kv_gpu_variant, entry, 16);
OFFSET(kv_gpu_variant, append_entry, 24);
OFFSET(kv_gpu_variant, capability, 32);
OFFSET(kv_gpu_variant, threads, 40);
OFFSET(kv_gpu_variant, shared_bytes, 48);
OFFSET(kv_gpu_variant, split_tokens, 56);
OFFSET(kv_gpu_variant, query_block, 64);
OFFSET(kv_gpu_variant, partial_bytes, 72);

CHECK(launch_size, sizeof(kv_gpu_launch) == 40);
OFFSET(kv_gpu_launch, flags, 4);
OFFSET(kv_gpu_launch, stream, 8);
OFFSET(kv_gpu_launch, max_queries, 16);
OFFSET(kv_gpu_launch, max_tokens, 24);
OFFSET(kv_gpu_launch, variant, 32);

int main(void) {
  kv_status status;
  const kv_variant *variant = kv_select(&fakeKernels[KV_OP_ATTEND], &status);
  kv_step step;
  kv_step_init(&step);
  if (variant)
    printf("selected %s\n", variant->target);
  else
    printf("status %d: %s: %s\n", (int)status, kv_status_text(status), kv_last_error());
  /* An empty step is fine where a variant runs. */
  return kv_run(&fakeKernels[KV_OP_ATTEND], &step, NULL) == status ? 0 : 1;
}
