/* run.c: drives the phases of a step: on the caller's executor, on the built-in pool, or as part i of n for someone else's threads.
 */
#include "float_state.h"
#include "internal.h"

/* total * i / n without overflow. */
static uint64_t share(uint64_t total, int32_t i, int32_t n) {
  const uint64_t parts = (uint64_t)n, part = (uint64_t)i;
  return total / parts * part + total % parts * part / parts;
}

static void runPart(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t phase,
                    const kvrt_totals *totals, int32_t part, int32_t parts) {
  const int64_t stride = kvrt_scratch_stride(variant);
  void *scratch = stride ? (char *)step->workspace + kvrt_scratch_offset(totals->partial_bytes) + stride * part : NULL;
  const uint64_t low = share(totals->cost, part, parts), high = share(totals->cost, part + 1, parts);
  if (low >= high)
    return;
  const uint64_t state = kvrt_enter_float_default();
  kvrt_plan_run(kernel, variant, step, phase, low, high, scratch);
  kvrt_leave_float_default(state);
}

kv_status kv_run_part(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t phase, int32_t part,
                      int32_t parts) {
  if (!kernel || !variant || !step)
    return kvrt_fail(KV_ERROR_NULL, "%s is null", !kernel ? "kernel" : !variant ? "variant" : "step");
  if (phase < 0 || phase >= KV_NUM_PHASES)
    return kvrt_fail(KV_ERROR_PHASE, "phase is %d; expected 0 .. %d", phase, KV_NUM_PHASES - 1);
  if (parts < 1 || parts > KV_MAX_THREADS)
    return kvrt_fail(KV_ERROR_THREADS, "parts is %d; expected 1 .. %d", parts, KV_MAX_THREADS);
  if (part < 0 || part >= parts)
    return kvrt_fail(KV_ERROR_PART, "part is %d; expected 0 .. %d", part, parts - 1);
  const kvrt_totals totals = kvrt_plan_phase(kernel, variant, step, phase);
  if (totals.items)
    runPart(kernel, variant, step, phase, &totals, part, parts);
  return KV_OK;
}

int64_t kv_phase_items(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t phase) {
  if (!kernel || !variant || !step) {
    kvrt_fail(KV_ERROR_NULL, "%s is null", !kernel ? "kernel" : !variant ? "variant" : "step");
    return -1;
  }
  if (phase < 0 || phase >= KV_NUM_PHASES) {
    kvrt_fail(KV_ERROR_PHASE, "phase is %d; expected 0 .. %d", phase, KV_NUM_PHASES - 1);
    return -1;
  }
  return kvrt_plan_phase(kernel, variant, step, phase).items;
}

/* What the executor's parts need. */
typedef struct phase_job {
  const kv_kernel *kernel;
  const kv_variant *variant;
  const kv_step *step;
  kvrt_totals totals;
  int32_t phase, parts;
} phase_job;

static void runJobPart(void *argument, int32_t part) {
  const phase_job *job = argument;
  runPart(job->kernel, job->variant, job->step, job->phase, &job->totals, part, job->parts);
}

/* About how long one thread would take: only to decide whether others are worth waking. */
static uint64_t estimateNanoseconds(const phase_job *job) {
  if (job->phase == KV_PHASE_APPEND)
    return job->totals.cost * 20;
  if (job->phase == KV_PHASE_MERGE)
    return job->totals.cost * 50;
  /* A token of one query costs 5; memory gives about 30 bytes a nanosecond. */
  const uint64_t bytes = (uint64_t)(job->kernel->page_bytes / job->kernel->tokens.page_tokens / job->kernel->heads_kv) + 1;
  return job->totals.cost / 150 * bytes;
}

/* A dispatch to a foreign executor costs some microseconds, as far as anyone can know. */
enum { aloneBelowNanoseconds = 10000 };

static void runPhase(phase_job *job, const kv_executor *executor) {
  job->totals = kvrt_plan_phase(job->kernel, job->variant, job->step, job->phase);
  if (job->totals.items == 0)
    return;
  job->parts = executor ? (int32_t)kvrt_min(executor->threads, job->totals.items) : 1;
  const uint64_t nanoseconds = job->parts > 1 ? estimateNanoseconds(job) : 0;
  const int pool = executor && kvrt_is_pool(executor);
  if (job->parts == 1 || (!pool && nanoseconds < aloneBelowNanoseconds)) {
    job->parts = 1;
    runJobPart(job, 0);
  } else if (pool) {
    kvrt_pool_run(executor->context, job->parts, runJobPart, job, nanoseconds);
  } else {
    executor->run(executor->context, job->parts, runJobPart, job);
  }
}

kv_status kv_run_variant(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, const kv_executor *executor) {
  if (executor && !executor->run)
    return kvrt_fail(KV_ERROR_NULL, "executor's run is null");
  if (executor && executor->reserved)
    return kvrt_fail(KV_ERROR_RESERVED, "executor's reserved is %d; expected 0", executor->reserved);
  const kv_status status = kv_check(kernel, variant, step, executor ? executor->threads : 1);
  if (status != KV_OK)
    return status;
  phase_job job = {kernel, variant, step, {0, 0, 0}, 0, 1};
  for (job.phase = 0; job.phase < KV_NUM_PHASES; ++job.phase)
    runPhase(&job, executor);
  return KV_OK;
}

kv_status kv_run(const kv_kernel *kernel, const kv_step *step, const kv_executor *executor) {
  kv_status status;
  const kv_variant *variant = kv_select(kernel, &status);
  return variant ? kv_run_variant(kernel, variant, step, executor) : status;
}
