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

CHECK(tensor_size, sizeof(kv_tensor) == 24);
OFFSET(kv_tensor, data, 0);
OFFSET(kv_tensor, token_stride, 8);
OFFSET(kv_tensor, head_stride, 16);

CHECK(argument_size, sizeof(kv_argument) == 32);
OFFSET(kv_argument, data, 0);
OFFSET(kv_argument, count, 8);
OFFSET(kv_argument, stride, 16);

CHECK(step_size, sizeof(kv_step) == 848);
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
OFFSET(kv_step, k, 104);
OFFSET(kv_step, v, 128);
OFFSET(kv_step, more, 152);
OFFSET(kv_step, o, 200);
OFFSET(kv_step, lse, 224);
OFFSET(kv_step, workspace, 232);
OFFSET(kv_step, workspace_bytes, 240);
OFFSET(kv_step, arguments, 248);
OFFSET(kv_step, flags, 760);
OFFSET(kv_step, positions, 768);
OFFSET(kv_step, kept, 776);
OFFSET(kv_step, evict, 784);
OFFSET(kv_step, tail_table, 792);
OFFSET(kv_step, tail_table_stride, 800);
OFFSET(kv_step, late, 808);
OFFSET(kv_step, late_stride, 816);
OFFSET(kv_step, selected, 824);
OFFSET(kv_step, selected_stride, 832);
OFFSET(kv_step, counters, 840);

CHECK(item_size, sizeof(kv_item) == 88);
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
OFFSET(kv_item, flags, 80);

CHECK(variant_size, sizeof(kv_variant) == 112);
OFFSET(kv_variant, target, 0);
OFFSET(kv_variant, features, 8);
OFFSET(kv_variant, flags, 16);
OFFSET(kv_variant, run, 24);
OFFSET(kv_variant, split_tokens, 56);
OFFSET(kv_variant, align_tokens, 64);
OFFSET(kv_variant, query_block, 72);
OFFSET(kv_variant, item_heads, 80);
OFFSET(kv_variant, scratch_bytes, 88);
OFFSET(kv_variant, row_bytes, 96);
OFFSET(kv_variant, token_bytes, 104);

CHECK(tiers_size, sizeof(kv_tiers) == 32);
OFFSET(kv_tiers, first, 0);
OFFSET(kv_tiers, last, 8);
OFFSET(kv_tiers, flush, 16);
OFFSET(kv_tiers, spare, 24);

CHECK(tokens_size, sizeof(kv_tokens) == 184);
OFFSET(kv_tokens, kind, 0);
OFFSET(kv_tokens, page_tokens, 8);
OFFSET(kv_tokens, first, 16);
OFFSET(kv_tokens, tail_pages, 24);
OFFSET(kv_tokens, tail_tokens, 32);
OFFSET(kv_tokens, tail_first, 40);
OFFSET(kv_tokens, tail_ring, 48);
OFFSET(kv_tokens, streams, 56);

CHECK(argument_spec_size, sizeof(kv_argument_spec) == 32);
OFFSET(kv_argument_spec, name, 0);
OFFSET(kv_argument_spec, type, 8);
OFFSET(kv_argument_spec, role, 12);
OFFSET(kv_argument_spec, axes, 16);

CHECK(kernel_size, sizeof(kv_kernel) == 496);
OFFSET(kv_kernel, struct_size, 0);
OFFSET(kv_kernel, abi_version, 4);
OFFSET(kv_kernel, name, 8);
OFFSET(kv_kernel, cache, 16);
OFFSET(kv_kernel, layout_hash, 24);
OFFSET(kv_kernel, needs, 32);
OFFSET(kv_kernel, op, 40);
OFFSET(kv_kernel, q_type, 44);
OFFSET(kv_kernel, o_type, 48);
OFFSET(kv_kernel, has_lse, 52);
OFFSET(kv_kernel, heads_q, 56);
OFFSET(kv_kernel, heads_kv, 64);
OFFSET(kv_kernel, dim_k, 72);
OFFSET(kv_kernel, dim_v, 80);
OFFSET(kv_kernel, num_streams, 88);
OFFSET(kv_kernel, stream_dims, 96);
OFFSET(kv_kernel, page_bytes, 128);
OFFSET(kv_kernel, tokens, 136);
OFFSET(kv_kernel, min_queries, 320);
OFFSET(kv_kernel, max_queries, 328);
OFFSET(kv_kernel, ranges, 336);
OFFSET(kv_kernel, visible_tokens, 344);
OFFSET(kv_kernel, step_bytes, 352);
OFFSET(kv_kernel, keep_budget, 360);
OFFSET(kv_kernel, keep_first, 368);
OFFSET(kv_kernel, keep_last, 376);
OFFSET(kv_kernel, keep_every, 384);
OFFSET(kv_kernel, keep_layer, 392);
OFFSET(kv_kernel, num_states, 400);
OFFSET(kv_kernel, num_observers, 408);
OFFSET(kv_kernel, select_pages, 416);
OFFSET(kv_kernel, num_arguments, 424);
OFFSET(kv_kernel, argument_size, 432);
OFFSET(kv_kernel, arguments, 440);
OFFSET(kv_kernel, num_variants, 448);
OFFSET(kv_kernel, variant_size, 456);
OFFSET(kv_kernel, variants, 464);
OFFSET(kv_kernel, num_gpu_variants, 472);
OFFSET(kv_kernel, gpu_variant_size, 480);
OFFSET(kv_kernel, gpu_variants, 488);

CHECK(gpu_variant_size, sizeof(kv_gpu_variant) == 120);
OFFSET(kv_gpu_variant, target, 0);
OFFSET(kv_gpu_variant, ptx, 8);
OFFSET(kv_gpu_variant, entries, 16);
OFFSET(kv_gpu_variant, flags, 48);
OFFSET(kv_gpu_variant, capability, 56);
OFFSET(kv_gpu_variant, threads, 64);
OFFSET(kv_gpu_variant, shared_bytes, 72);
OFFSET(kv_gpu_variant, split_tokens, 80);
OFFSET(kv_gpu_variant, align_tokens, 88);
OFFSET(kv_gpu_variant, query_block, 96);
OFFSET(kv_gpu_variant, row_bytes, 104);
OFFSET(kv_gpu_variant, token_bytes, 112);

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
