/* check_kernel.c: validation of a kernel's descriptor and of its variants. Each refusal says what was seen and then the rule. */
#include "internal.h"

#include "kv/kv_gpu.h"

const kv_variant *kv_variant_at(const kv_kernel *kernel, int64_t index) {
  if (!kernel || index < 0 || index >= kernel->num_variants)
    return NULL;
  return (const kv_variant *)(const void *)((const char *)kernel->variants + index * kernel->variant_size);
}

const kv_gpu_variant *kv_gpu_variant_at(const kv_kernel *kernel, int64_t index) {
  if (!kernel || index < 0 || index >= kernel->num_gpu_variants)
    return NULL;
  return (const kv_gpu_variant *)(const void *)((const char *)kernel->gpu_variants + index * kernel->gpu_variant_size);
}

/* The least bit of `needs` in a word. */
static const char *nameOfNeed(uint64_t needs) {
  static const char *const names[] = {"tails", "evict", "select", "observe", "late"};
  for (int bit = 0; bit < 5; ++bit)
    if (needs >> bit & 1)
      return names[bit];
  return "a newer feature";
}

/* Arrays that the attend declares: those of scores, [heads_q] of f32. */
static kv_status checkDeclared(const kv_kernel *kernel) {
  const char *name = kernel->name;
  if (kernel->num_arguments < 0 || kernel->num_arguments > KV_MAX_ARGUMENTS)
    return kvrt_fail(KV_ERROR_KERNEL, "%s: num_arguments is %lld; at most %d", name, (long long)kernel->num_arguments,
                     KV_MAX_ARGUMENTS);
  if (kernel->num_arguments && (!kernel->arguments || kernel->argument_size < (int64_t)sizeof(kv_argument_spec)))
    return kvrt_fail(KV_ERROR_KERNEL, "%s: %lld arguments at %p, argument_size %lld; expected at least %zu", name,
                     (long long)kernel->num_arguments, (const void *)kernel->arguments, (long long)kernel->argument_size,
                     sizeof(kv_argument_spec));
  for (int64_t i = 0; i < kernel->num_arguments; ++i) {
    const kv_argument_spec *spec = kvrt_argument_at(kernel, i);
    if (!spec->name)
      return kvrt_fail(KV_ERROR_KERNEL, "%s: argument %lld has no name", name, (long long)i);
    if (spec->type != KV_ARGUMENT_F32 || (spec->role != KV_ROLE_ARRAY && spec->role != KV_ROLE_SINKS) ||
        spec->axes[0] != KV_AXIS_HEADS_Q || spec->axes[1] || spec->axes[2] || spec->axes[3])
      return kvrt_fail(
          KV_ERROR_KERNEL, "%s: argument %lld, %s, has type %d, role %d, axes %d, %d, %d, %d; this runtime knows f32 [Hq]", name,
          (long long)i, spec->name, spec->type, spec->role, spec->axes[0], spec->axes[1], spec->axes[2], spec->axes[3]);
  }
  return KV_OK;
}

static kv_status checkTables(const kv_kernel *kernel) {
  const char *name = kernel->name;
  const int64_t mostRows = 4096;
  if (kernel->num_variants < 0 || kernel->num_variants > mostRows || kernel->num_gpu_variants < 0 ||
      kernel->num_gpu_variants > mostRows || kernel->num_variants + kernel->num_gpu_variants == 0 ||
      (kernel->num_variants && !kernel->variants) || (kernel->num_gpu_variants && !kernel->gpu_variants))
    return kvrt_fail(KV_ERROR_KERNEL, "%s: no variants", name);
  if ((kernel->num_variants && kernel->variant_size < (int64_t)sizeof(kv_variant)) ||
      (kernel->num_gpu_variants && kernel->gpu_variant_size < (int64_t)sizeof(kv_gpu_variant)))
    return kvrt_fail(KV_ERROR_KERNEL, "%s: variant_size %lld, gpu_variant_size %lld; expected at least %zu, %zu", name,
                     (long long)kernel->variant_size, (long long)kernel->gpu_variant_size, sizeof(kv_variant),
                     sizeof(kv_gpu_variant));
  for (int64_t i = 0; i < kernel->num_variants; ++i)
    if (!kv_variant_at(kernel, i)->target)
      return kvrt_fail(KV_ERROR_KERNEL, "%s: variant %lld has no target", name, (long long)i);
  for (int64_t i = 0; i < kernel->num_gpu_variants; ++i)
    if (!kv_gpu_variant_at(kernel, i)->target)
      return kvrt_fail(KV_ERROR_KERNEL, "%s: GPU variant %lld has no target", name, (long long)i);
  return KV_OK;
}

kv_status kvrt_check_kernel(const kv_kernel *kernel) {
  if (!kernel)
    return kvrt_fail(KV_ERROR_NULL, "kernel is null");
  if (kernel->abi_version != KV_ABI_VERSION)
    return kvrt_fail(KV_ERROR_ABI_VERSION, "kernel has ABI version %u; this runtime has %u", kernel->abi_version, KV_ABI_VERSION);
  if (kernel->struct_size < sizeof(kv_kernel))
    return kvrt_fail(KV_ERROR_STRUCT_SIZE, "kernel's struct_size is %u; expected at least %zu", kernel->struct_size,
                     sizeof(kv_kernel));
  if (!kernel->name || !kernel->cache)
    return kvrt_fail(KV_ERROR_KERNEL, "kernel has no name or cache");
  const char *name = kernel->name;
  const uint64_t refused = kernel->needs & ~KV_NEEDS_APPEND;
  if (refused)
    return kvrt_fail(KV_ERROR_RESERVED, "%s: needs is %#llx (%s), which this runtime does not do", name,
                     (unsigned long long)kernel->needs, nameOfNeed(refused));
  if (kernel->op < KV_OP_APPEND || kernel->op > KV_OP_APPEND_ATTEND)
    return kvrt_fail(KV_ERROR_KERNEL, "%s: op is %d; expected a kv_op", name, kernel->op);
  if (kernel->q_type < KV_TYPE_F32 || kernel->q_type > KV_TYPE_BF16)
    return kvrt_fail(KV_ERROR_KERNEL, "%s: q_type is %d; expected f32, f16 or bf16", name, kernel->q_type);
  if (kvrt_attends(kernel) && (kernel->o_type < KV_TYPE_F32 || kernel->o_type > KV_TYPE_BF16))
    return kvrt_fail(KV_ERROR_KERNEL, "%s: o_type is %d; expected f32, f16 or bf16", name, kernel->o_type);
  /* 2^31 tokens of 64 splits, heads and channels each in 4 bytes stay below 2^63. kvcc refuses more heads too (CheckCache.cpp). */
  const int64_t most = 2048, mostHeads = 4096;
  if (kernel->heads_kv < 1 || kernel->heads_kv > mostHeads || kernel->dim_k < 1 || kernel->dim_k > most || kernel->dim_v < 1 ||
      kernel->dim_v > most)
    return kvrt_fail(KV_ERROR_KERNEL, "%s: heads_kv %lld, dim_k %lld, dim_v %lld; expected 1 .. %lld, 1 .. %lld", name,
                     (long long)kernel->heads_kv, (long long)kernel->dim_k, (long long)kernel->dim_v, (long long)mostHeads,
                     (long long)most);
  if (kvrt_attends(kernel) && (kernel->heads_q < 1 || kernel->heads_q > mostHeads || kernel->heads_q % kernel->heads_kv))
    return kvrt_fail(KV_ERROR_KERNEL, "%s: heads_q is %lld; expected a multiple of heads_kv %lld, 1 .. %lld", name,
                     (long long)kernel->heads_q, (long long)kernel->heads_kv, (long long)mostHeads);
  if (kernel->tokens.page_tokens < 1 || kernel->page_bytes < 1 || kernel->page_bytes % 64)
    return kvrt_fail(KV_ERROR_KERNEL, "%s: page of %lld tokens, %lld bytes; expected positive, bytes a multiple of 64", name,
                     (long long)kernel->tokens.page_tokens, (long long)kernel->page_bytes);
  if (kernel->tokens.kind != KV_TOKENS_DENSE && kernel->tokens.kind != KV_TOKENS_PAGED)
    return kvrt_fail(KV_ERROR_KERNEL, "%s: tokens.kind is %lld; this runtime knows dense and paged caches", name,
                     (long long)kernel->tokens.kind);
  if (kernel->num_streams != 2 || kernel->stream_dims[0] != kernel->dim_k || kernel->stream_dims[1] != kernel->dim_v)
    return kvrt_fail(KV_ERROR_KERNEL,
                     "%s: num_streams is %lld of %lld, %lld channels; this runtime knows k of dim_k and v of dim_v", name,
                     (long long)kernel->num_streams, (long long)kernel->stream_dims[0], (long long)kernel->stream_dims[1]);
  if (kvrt_attends(kernel) && (kernel->min_queries < 0 || kernel->max_queries < 1 || kernel->min_queries > kernel->max_queries))
    return kvrt_fail(KV_ERROR_KERNEL, "%s: queries %lld .. %lld", name, (long long)kernel->min_queries,
                     (long long)kernel->max_queries);
  if (kvrt_attends(kernel) && !kernel->ranges)
    return kvrt_fail(KV_ERROR_KERNEL, "%s: ranges is null", name);
  if (kernel->step_bytes < (int64_t)offsetof(kv_step, flags) || kernel->step_bytes > (int64_t)sizeof(kv_step))
    return kvrt_fail(KV_ERROR_KERNEL, "%s: step_bytes is %lld; this runtime's steps have %zu .. %zu", name,
                     (long long)kernel->step_bytes, offsetof(kv_step, flags), sizeof(kv_step));
  const kv_status status = checkDeclared(kernel);
  return status == KV_OK ? checkTables(kernel) : status;
}

/* Whether the kernel has a variant of these functions: this one, or one that it is a copy of. */
static int isRowOf(const kv_kernel *kernel, const kv_variant *variant) {
  for (int64_t i = 0; i < kernel->num_variants; ++i) {
    const kv_variant *own = kv_variant_at(kernel, i);
    int same = 1;
    for (int32_t phase = 0; phase < KV_NUM_PHASES; ++phase)
      same &= own->run[phase] == variant->run[phase];
    if (variant == own || same)
      return 1;
  }
  return 0;
}

kv_status kvrt_check_partials(const kv_kernel *kernel, const char *target, uint64_t flags, int64_t splitTokens, int64_t alignTokens,
                              int64_t rowBytes, int64_t tokenBytes) {
  if (flags & ~(uint64_t)KV_VARIANT_HARDENED)
    return kvrt_fail(KV_ERROR_VARIANT, "%s for %s: flags are %#llx; this runtime knows %#llx", kernel->name, target,
                     (unsigned long long)flags, (unsigned long long)KV_VARIANT_HARDENED);
  if (alignTokens < 1 || splitTokens % alignTokens)
    return kvrt_fail(KV_ERROR_VARIANT, "%s for %s: align_tokens %lld; expected to divide split_tokens %lld", kernel->name, target,
                     (long long)alignTokens, (long long)splitTokens);
  const int64_t most = 1 << 20;
  if (kvrt_attends(kernel) && (rowBytes < 4 || rowBytes > most || rowBytes % 4))
    return kvrt_fail(KV_ERROR_VARIANT, "%s for %s: row_bytes %lld; expected a multiple of 4, 4 .. %lld", kernel->name, target,
                     (long long)rowBytes, (long long)most);
  if (tokenBytes)
    return kvrt_fail(KV_ERROR_VARIANT, "%s for %s: token_bytes %lld; expected 0 without observers", kernel->name, target,
                     (long long)tokenBytes);
  return KV_OK;
}

kv_status kvrt_check_variant(const kv_kernel *kernel, const kv_variant *variant) {
  if (!variant)
    return kvrt_fail(KV_ERROR_NULL, "variant is null");
  if (!variant->target)
    return kvrt_fail(KV_ERROR_VARIANT, "%s: variant has no target", kernel->name);
  const uint64_t missing = variant->features & ~(kv_cpu_features() | KV_FEATURES_OF_SPEED);
  if (missing) {
    char names[128];
    kvrt_feature_names(missing, names, sizeof names);
    return kvrt_fail(KV_ERROR_TARGET_FEATURES, "variant %s of %s needs %s, which this processor lacks", variant->target,
                     kernel->name, names);
  }
  if (variant->split_tokens < 1 || variant->split_tokens > INT32_MAX || variant->query_block < 1 ||
      variant->query_block > INT32_MAX || variant->item_heads < 1 || variant->item_heads > INT32_MAX ||
      variant->scratch_bytes < 0 || variant->scratch_bytes > INT64_MAX / (4 * KV_MAX_THREADS))
    return kvrt_fail(KV_ERROR_VARIANT, "%s for %s: split_tokens %lld, query_block %lld, item_heads %lld, scratch_bytes %lld",
                     kernel->name, variant->target, (long long)variant->split_tokens, (long long)variant->query_block,
                     (long long)variant->item_heads, (long long)variant->scratch_bytes);
  const kv_status status = kvrt_check_partials(kernel, variant->target, variant->flags, variant->split_tokens,
                                               variant->align_tokens, variant->row_bytes, variant->token_bytes);
  if (status != KV_OK)
    return status;
  if (kvrt_attends(kernel) && (!variant->run[KV_PHASE_ATTEND] || !variant->run[KV_PHASE_MERGE]))
    return kvrt_fail(KV_ERROR_VARIANT, "%s for %s: no attend or merge function", kernel->name, variant->target);
  /* A fused step in one query block stores inside attend. */
  const int apart = kernel->max_queries > variant->query_block || (kernel->needs & KV_NEEDS_APPEND);
  const int needsAppend = kernel->op == KV_OP_APPEND || (kernel->op == KV_OP_APPEND_ATTEND && apart);
  if (needsAppend && !variant->run[KV_PHASE_APPEND])
    return kvrt_fail(KV_ERROR_VARIANT, "%s for %s: no append function", kernel->name, variant->target);
  if (!isRowOf(kernel, variant))
    return kvrt_fail(KV_ERROR_VARIANT, "%s: variant %s is none of the kernel's", kernel->name, variant->target);
  return KV_OK;
}
