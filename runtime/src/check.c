/* check.c: validation of a step: its cache, tensors and workspace. Each refusal has a status of its own and says what was seen and
 * then the rule. The kernel is check_kernel.c's, the batch's arrays check_batch.c's, all other fields check_fields.c's. */
#include "internal.h"

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
  if (!kvrt_aligned(step->pages, 64))
    return kvrt_fail(KV_ERROR_PAGES, "pages is %p; expected a multiple of 64", step->pages);
  if (!kvrt_fits_in_memory(step->pages, (uint64_t)step->num_pages, (uint64_t)step->page_stride))
    return kvrt_fail(KV_ERROR_PAGES, "%lld pages %lld bytes apart from %p leave the address space", (long long)step->num_pages,
                     (long long)step->page_stride, step->pages);
  return KV_OK;
}

/* A tensor [tokens][heads][dim] with channels contiguous. Rows must not overlap, in either order of heads and tokens. */
static kv_status checkTensor(const char *name, const kv_tensor *tensor, int64_t tokens, int64_t heads, int64_t dim, int64_t bytes) {
  const void *data = tensor->data;
  const int64_t tokenStride = tensor->token_stride, headStride = tensor->head_stride;
  if (!data)
    return kvrt_fail(KV_ERROR_TENSOR, "%s.data is null", name);
  if (!kvrt_aligned(data, (uintptr_t)bytes))
    return kvrt_fail(KV_ERROR_ALIGNMENT, "%s.data is %p; expected a multiple of %lld", name, data, (long long)bytes);
  if (heads > 1 && headStride < dim)
    return kvrt_fail(KV_ERROR_TENSOR_STRIDE, "%s.head_stride is %lld; expected at least %lld channels", name, (long long)headStride,
                     (long long)dim);
  if (tokens > 1 && tokenStride < dim)
    return kvrt_fail(KV_ERROR_TENSOR_STRIDE, "%s.token_stride is %lld; expected at least %lld channels", name,
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
  if (kvrt_appends(kernel)) {
    status = checkTensor("k", &step->k, tokens, kernel->heads_kv, kernel->stream_dims[0], bytes);
    if (status == KV_OK)
      status = checkTensor("v", &step->v, tokens, kernel->heads_kv, kernel->stream_dims[1], bytes);
  }
  if (status != KV_OK || !kvrt_attends(kernel))
    return status;
  status = checkTensor("q", &step->q, tokens, kernel->heads_q, kernel->dim_k, bytes);
  if (status == KV_OK)
    status = checkTensor("o", &step->o, tokens, kernel->heads_q, kernel->dim_v, bytesOf(kernel->o_type));
  if (status != KV_OK)
    return status;
  if (step->lse && !kernel->has_lse)
    return kvrt_fail(KV_ERROR_LSE, "lse is given; %s has none", kernel->name);
  if (!kvrt_aligned(step->lse, sizeof(float)))
    return kvrt_fail(KV_ERROR_ALIGNMENT, "lse is %p; expected a multiple of 4", (void *)step->lse);
  return kvrt_check_arguments(kernel, step);
}

kv_status kvrt_check_workspace(const kv_step *step, int64_t bytes, int32_t threads) {
  if (bytes == 0)
    return KV_OK;
  if (!step->workspace)
    return kvrt_fail(KV_ERROR_WORKSPACE, "workspace is null; expected %lld bytes", (long long)bytes);
  if (!kvrt_aligned(step->workspace, 64))
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
    status = kvrt_check_header(kernel, step);
  if (status == KV_OK)
    status = kvrt_check_flags(kernel, variant->target, variant->flags, step);
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
    status = kvrt_check_tables(kernel, step, variant->align_tokens);
  if (status == KV_OK)
    status = kvrt_check_tensors(kernel, step, tokens);
  if (status != KV_OK)
    return status;
  const int64_t partials = kvrt_attends(kernel) ? kvrt_plan_phase(kernel, variant, step, KV_PHASE_MERGE).partial_bytes : 0;
  return kvrt_check_workspace(step, kvrt_scratch_offset(partials) + kvrt_scratch_stride(variant) * threads, threads);
}
