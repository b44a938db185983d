/* check.c: validation of a kernel, a variant and the fields of a step. Each refusal has a status of its own and says what was seen
 * and then the rule. The batch's arrays are check_batch.c's. */
#include "internal.h"

static int appends(const kv_kernel *kernel) { return kernel->op != KV_OP_ATTEND; }
static int attends(const kv_kernel *kernel) { return kernel->op != KV_OP_APPEND; }
static int aligned(const void *pointer, uintptr_t bytes) { return (uintptr_t)pointer % bytes == 0; }

kv_status kvrt_check_kernel(const kv_kernel *kernel) {
  if (!kernel)
    return kvrt_fail(KV_ERROR_NULL, "kernel is null");
  if (kernel->abi_version != KV_ABI_VERSION)
    return kvrt_fail(KV_ERROR_ABI_VERSION, "kernel has ABI version %u; this runtime has %u", kernel->abi_version, KV_ABI_VERSION);
  if (kernel->struct_size != sizeof(kv_kernel))
    return kvrt_fail(KV_ERROR_STRUCT_SIZE, "kernel's struct_size is %u; sizeof(kv_kernel) is %zu", kernel->struct_size,
                     sizeof(kv_kernel));
  if (!kernel->name || !kernel->cache)
    return kvrt_fail(KV_ERROR_KERNEL, "kernel has no name or cache");
  const char *name = kernel->name;
  if (kernel->op < KV_OP_APPEND || kernel->op > KV_OP_APPEND_ATTEND)
    return kvrt_fail(KV_ERROR_KERNEL, "%s: op is %d; expected a kv_op", name, kernel->op);
  if (kernel->q_type < KV_TYPE_F32 || kernel->q_type > KV_TYPE_BF16)
    return kvrt_fail(KV_ERROR_KERNEL, "%s: q_type is %d; expected f32, f16 or bf16", name, kernel->q_type);
  if (attends(kernel) && (kernel->o_type < KV_TYPE_F32 || kernel->o_type > KV_TYPE_BF16))
    return kvrt_fail(KV_ERROR_KERNEL, "%s: o_type is %d; expected f32, f16 or bf16", name, kernel->o_type);
  /* 2^31 tokens of 64 splits, heads and channels each in 4 bytes stay below 2^63. kvcc refuses more heads too (CheckCache.cpp). */
  const int64_t most = 2048, mostHeads = 4096;
  if (kernel->heads_kv < 1 || kernel->heads_kv > mostHeads || kernel->dim_k < 1 || kernel->dim_k > most || kernel->dim_v < 1 ||
      kernel->dim_v > most)
    return kvrt_fail(KV_ERROR_KERNEL, "%s: heads_kv %lld, dim_k %lld, dim_v %lld; expected 1 .. %lld, 1 .. %lld", name,
                     (long long)kernel->heads_kv, (long long)kernel->dim_k, (long long)kernel->dim_v, (long long)mostHeads,
                     (long long)most);
  if (attends(kernel) && (kernel->heads_q < 1 || kernel->heads_q > mostHeads || kernel->heads_q % kernel->heads_kv))
    return kvrt_fail(KV_ERROR_KERNEL, "%s: heads_q is %lld; expected a multiple of heads_kv %lld, 1 .. %lld", name,
                     (long long)kernel->heads_q, (long long)kernel->heads_kv, (long long)mostHeads);
  if (kernel->page_tokens < 1 || kernel->page_bytes < 1 || kernel->page_bytes % 64)
    return kvrt_fail(KV_ERROR_KERNEL, "%s: page of %lld tokens, %lld bytes; expected positive, bytes a multiple of 64", name,
                     (long long)kernel->page_tokens, (long long)kernel->page_bytes);
  if (attends(kernel) && (kernel->min_queries < 0 || kernel->max_queries < 1 || kernel->min_queries > kernel->max_queries))
    return kvrt_fail(KV_ERROR_KERNEL, "%s: queries %lld .. %lld", name, (long long)kernel->min_queries,
                     (long long)kernel->max_queries);
  if (kernel->num_params < 0 || kernel->num_params > KV_MAX_PARAMS)
    return kvrt_fail(KV_ERROR_KERNEL, "%s: num_params is %d; at most %d", name, kernel->num_params, KV_MAX_PARAMS);
  const int64_t mostRows = 4096;
  if (kernel->num_variants < 0 || kernel->num_gpu_variants < 0 || kernel->num_gpu_variants > mostRows ||
      kernel->num_variants + kernel->num_gpu_variants == 0 || (kernel->num_variants && !kernel->variants) ||
      (kernel->num_gpu_variants && !kernel->gpu_variants))
    return kvrt_fail(KV_ERROR_KERNEL, "%s: no variants", name);
  for (int32_t i = 0; i < kernel->num_variants; ++i)
    if (!kernel->variants[i].target)
      return kvrt_fail(KV_ERROR_KERNEL, "%s: variant %d has no target", name, i);
  for (int64_t i = 0; i < kernel->num_gpu_variants; ++i)
    if (!kernel->gpu_variants[i].target)
      return kvrt_fail(KV_ERROR_KERNEL, "%s: GPU variant %lld has no target", name, (long long)i);
  return KV_OK;
}

/* Whether the kernel has a variant of these functions: this one, or one that it is a copy of. */
static int isRowOf(const kv_kernel *kernel, const kv_variant *variant) {
  for (int32_t i = 0; i < kernel->num_variants; ++i) {
    const kv_variant *own = &kernel->variants[i];
    if (variant == own || (variant->append == own->append && variant->attend == own->attend && variant->merge == own->merge))
      return 1;
  }
  return 0;
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
  if (attends(kernel) && (!variant->attend || !variant->merge))
    return kvrt_fail(KV_ERROR_VARIANT, "%s for %s: no attend or merge function", kernel->name, variant->target);
  /* A fused step in one query block stores inside attend. */
  const int needsAppend =
      kernel->op == KV_OP_APPEND || (kernel->op == KV_OP_APPEND_ATTEND && kernel->max_queries > variant->query_block);
  if (needsAppend && !variant->append)
    return kvrt_fail(KV_ERROR_VARIANT, "%s for %s: no append function", kernel->name, variant->target);
  if (!isRowOf(kernel, variant))
    return kvrt_fail(KV_ERROR_VARIANT, "%s: variant %s is none of the kernel's", kernel->name, variant->target);
  return KV_OK;
}

kv_status kvrt_check_header(const kv_step *step) {
  if (!step)
    return kvrt_fail(KV_ERROR_NULL, "step is null");
  if (step->abi_version != KV_ABI_VERSION)
    return kvrt_fail(KV_ERROR_ABI_VERSION, "step has ABI version %u; this runtime has %u", step->abi_version, KV_ABI_VERSION);
  if (step->struct_size != sizeof(kv_step))
    return kvrt_fail(KV_ERROR_STRUCT_SIZE, "step's struct_size is %u; sizeof(kv_step) is %zu", step->struct_size, sizeof(kv_step));
  for (int i = 0; i < 8; ++i)
    if (step->reserved[i])
      return kvrt_fail(KV_ERROR_RESERVED, "reserved[%d] is %llu; expected 0", i, (unsigned long long)step->reserved[i]);
  return KV_OK;
}

kv_status kvrt_check_pages(const kv_kernel *kernel, const kv_step *step) {
  if (step->num_pages < 0)
    return kvrt_fail(KV_ERROR_NUM_PAGES, "num_pages is %lld; expected at least 0", (long long)step->num_pages);
  if (step->page_stride % 64)
    return kvrt_fail(KV_ERROR_PAGE_STRIDE, "page_stride is %lld; expected a multiple of 64", (long long)step->page_stride);
  if (step->page_stride < kernel->page_bytes)
    return kvrt_fail(KV_ERROR_PAGE_STRIDE, "page_stride is %lld; expected at least page_bytes %lld", (long long)step->page_stride,
                     (long long)kernel->page_bytes);
  if (!step->pages)
    return kvrt_fail(KV_ERROR_PAGES, "pages is null");
  if (!aligned(step->pages, 64))
    return kvrt_fail(KV_ERROR_PAGES, "pages is %p; expected a multiple of 64", step->pages);
  if (!kvrt_fits_in_memory(step->pages, (uint64_t)step->num_pages, (uint64_t)step->page_stride))
    return kvrt_fail(KV_ERROR_PAGES, "%lld pages %lld bytes apart from %p leave the address space", (long long)step->num_pages,
                     (long long)step->page_stride, step->pages);
  return KV_OK;
}

/* A tensor [tokens][heads][dim] with channels contiguous. Rows must not overlap, in either order of heads and tokens. */
static kv_status checkTensor(const char *name, const void *data, int64_t tokenStride, int64_t headStride, int64_t tokens,
                             int64_t heads, int64_t dim, int64_t bytes) {
  if (!data)
    return kvrt_fail(KV_ERROR_TENSOR, "%s is null", name);
  if (!aligned(data, (uintptr_t)bytes))
    return kvrt_fail(KV_ERROR_ALIGNMENT, "%s is %p; expected a multiple of %lld", name, data, (long long)bytes);
  if (heads > 1 && headStride < dim)
    return kvrt_fail(KV_ERROR_TENSOR_STRIDE, "%s_head_stride is %lld; expected at least %lld channels", name, (long long)headStride,
                     (long long)dim);
  if (tokens > 1 && tokenStride < dim)
    return kvrt_fail(KV_ERROR_TENSOR_STRIDE, "%s_token_stride is %lld; expected at least %lld channels", name,
                     (long long)tokenStride, (long long)dim);
  int64_t headSpan = 0, tokenSpan = 0, end = 0;
  if ((heads > 1 && __builtin_mul_overflow(heads - 1, headStride, &headSpan)) ||
      (tokens > 1 && __builtin_mul_overflow(tokens - 1, tokenStride, &tokenSpan)) ||
      __builtin_add_overflow(headSpan, tokenSpan, &end) || __builtin_add_overflow(end, dim, &end) ||
      !kvrt_fits_in_memory(data, (uint64_t)end, (uint64_t)bytes))
    return kvrt_fail(KV_ERROR_TENSOR_STRIDE, "%s with strides %lld, %lld leaves the address space", name, (long long)tokenStride,
                     (long long)headStride);
  if (heads > 1 && tokens > 1 && tokenStride < headSpan + dim && headStride < tokenSpan + dim)
    return kvrt_fail(KV_ERROR_TENSOR_STRIDE, "%s with strides %lld, %lld: rows of %lld tokens and %lld heads overlap", name,
                     (long long)tokenStride, (long long)headStride, (long long)tokens, (long long)heads);
  return KV_OK;
}

static int64_t bytesOf(int32_t type) { return type == KV_TYPE_F32 ? 4 : 2; }

kv_status kvrt_check_tensors(const kv_kernel *kernel, const kv_step *step, int64_t tokens) {
  const int64_t bytes = bytesOf(kernel->q_type);
  kv_status status = KV_OK;
  if (appends(kernel)) {
    status = checkTensor("k", step->k, step->k_token_stride, step->k_head_stride, tokens, kernel->heads_kv, kernel->dim_k, bytes);
    if (status == KV_OK)
      status = checkTensor("v", step->v, step->v_token_stride, step->v_head_stride, tokens, kernel->heads_kv, kernel->dim_v, bytes);
  }
  if (status != KV_OK || !attends(kernel))
    return status;
  status = checkTensor("q", step->q, step->q_token_stride, step->q_head_stride, tokens, kernel->heads_q, kernel->dim_k, bytes);
  if (status == KV_OK)
    status = checkTensor("o", step->o, step->o_token_stride, step->o_head_stride, tokens, kernel->heads_q, kernel->dim_v,
                         bytesOf(kernel->o_type));
  if (status != KV_OK)
    return status;
  if (step->lse && !kernel->has_lse)
    return kvrt_fail(KV_ERROR_LSE, "lse is given; %s has none", kernel->name);
  if (!aligned(step->lse, sizeof(float)))
    return kvrt_fail(KV_ERROR_ALIGNMENT, "lse is %p; expected a multiple of 4", (void *)step->lse);
  for (int32_t i = 0; i < KV_MAX_PARAMS; ++i) {
    if (i < kernel->num_params && !step->params[i])
      return kvrt_fail(KV_ERROR_PARAMS, "params[%d] is null; %s declares %d", i, kernel->name, kernel->num_params);
    if (i >= kernel->num_params && step->params[i])
      return kvrt_fail(KV_ERROR_PARAMS, "params[%d] is given; %s declares %d", i, kernel->name, kernel->num_params);
    if (!aligned(step->params[i], sizeof(float)))
      return kvrt_fail(KV_ERROR_ALIGNMENT, "params[%d] is %p; expected a multiple of 4", i, (const void *)step->params[i]);
  }
  return KV_OK;
}

kv_status kvrt_check_workspace(const kv_step *step, int64_t bytes, int32_t threads) {
  if (bytes == 0)
    return KV_OK;
  if (!step->workspace)
    return kvrt_fail(KV_ERROR_WORKSPACE, "workspace is null; expected %lld bytes", (long long)bytes);
  if (!aligned(step->workspace, 64))
    return kvrt_fail(KV_ERROR_WORKSPACE, "workspace is %p; expected a multiple of 64", step->workspace);
  if (step->workspace_bytes < bytes)
    return kvrt_fail(KV_ERROR_WORKSPACE,
                     threads ? "workspace_bytes is %lld; expected at least %lld for %d threads"
                             : "workspace_bytes is %lld; expected at least %lld",
                     (long long)step->workspace_bytes, (long long)bytes, threads);
  return KV_OK;
}

kv_status kv_check(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t threads) {
  kv_status status = kvrt_check_kernel(kernel);
  if (status == KV_OK)
    status = kvrt_check_variant(kernel, variant);
  if (status == KV_OK)
    status = kvrt_check_header(step);
  if (status != KV_OK)
    return status;
  if (threads < 1 || threads > KV_MAX_THREADS)
    return kvrt_fail(KV_ERROR_THREADS, "threads is %d; expected 1 .. %d", threads, KV_MAX_THREADS);
  status = kvrt_check_batch(kernel, step);
  if (status != KV_OK)
    return status;
  const int64_t tokens = step->num_seqs ? step->query_start_loc[step->num_seqs] : 0;
  if (tokens == 0) /* nothing to read or write: the rest may be null */
    return KV_OK;
  status = kvrt_check_pages(kernel, step);
  if (status == KV_OK)
    status = kvrt_check_tables(kernel, step);
  if (status == KV_OK)
    status = kvrt_check_tensors(kernel, step, tokens);
  if (status != KV_OK)
    return status;
  const int64_t partials = attends(kernel) ? kvrt_plan_phase(kernel, variant, step, KV_PHASE_MERGE).partial_floats : 0;
  return kvrt_check_workspace(step, kvrt_scratch_offset(partials) + kvrt_scratch_stride(variant) * threads, threads);
}
