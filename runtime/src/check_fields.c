/* check_fields.c: version and size of a step, the fields of features, and the arrays that an attend declares. */
#include "internal.h"

/* Fields of features that no kernel has yet, and what it lacks. `flags` is kvrt_check_flags()'s. */
typedef struct feature_field {
  const char *name, *lacks;
  size_t offset, bytes;
} feature_field;
#define FIELD(name, lacks)                                                                                                         \
  { #name, lacks, offsetof(kv_step, name), sizeof(((kv_step *)0)->name) }
static const feature_field featureFields[] = {
    FIELD(more[0], "has the streams k and v alone"),
    FIELD(more[1], "has the streams k and v alone"),
    FIELD(positions, "has no rope"),
    FIELD(kept, "keeps all tokens"),
    FIELD(evict, "keeps all tokens"),
    FIELD(tail_table, "has no tail"),
    FIELD(tail_table_stride, "has no tail"),
    FIELD(late, "has no states"),
    FIELD(late_stride, "has no states"),
    FIELD(selected, "reads all pages"),
    FIELD(selected_stride, "reads all pages"),
    FIELD(counters, "counts nothing"),
};
#undef FIELD

/* The first word of bytes [begin, end) that is not zero; `end` or more where all are. Fields are whole words. */
static size_t firstNonzero(const void *start, size_t begin, size_t end) {
  for (; begin < end; begin += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, (const char *)start + begin, sizeof word);
    if (word)
      break;
  }
  return begin;
}

kv_step kvrt_whole_step(const kv_step *step) {
  kv_step whole;
  memset(&whole, 0, sizeof whole);
  memcpy(&whole, step, step->struct_size < sizeof whole ? step->struct_size : sizeof whole);
  return whole;
}

kv_status kvrt_check_header(const kv_kernel *kernel, const kv_step *step) {
  if (!step)
    return kvrt_fail(KV_ERROR_NULL, "step is null");
  if (step->abi_version != KV_ABI_VERSION)
    return kvrt_fail(KV_ERROR_ABI_VERSION, "step has ABI version %u; this runtime has %u", step->abi_version, KV_ABI_VERSION);
  if (step->struct_size < (uint64_t)kernel->step_bytes)
    return kvrt_fail(KV_ERROR_STRUCT_SIZE, "step's struct_size is %u; %s reads %lld bytes", step->struct_size, kernel->name,
                     (long long)kernel->step_bytes);
  /* No struct of this version will have more. */
  const uint32_t most = 1 << 16;
  if (step->struct_size > most || step->struct_size % 8)
    return kvrt_fail(KV_ERROR_STRUCT_SIZE, "step's struct_size is %u; expected a multiple of 8, at most %u", step->struct_size,
                     most);
  const size_t beyond = firstNonzero(step, sizeof *step, step->struct_size);
  if (beyond < step->struct_size)
    return kvrt_fail(KV_ERROR_RESERVED, "byte %zu of the step is not 0; this runtime knows %zu", beyond, sizeof *step);
  for (size_t i = 0; i < sizeof featureFields / sizeof *featureFields; ++i) {
    const feature_field *field = &featureFields[i];
    const size_t end = field->offset + field->bytes;
    if (end <= step->struct_size && firstNonzero(step, field->offset, end) < end)
      return kvrt_fail(KV_ERROR_UNUSED, "%s is given; %s %s", field->name, kernel->name, field->lacks);
  }
  return KV_OK;
}

kv_status kvrt_check_flags(const kv_kernel *kernel, const char *target, uint64_t variantFlags, const kv_step *step) {
  if (step->struct_size < offsetof(kv_step, flags) + sizeof step->flags || step->flags == 0)
    return KV_OK;
  if (step->flags & ~(uint64_t)KV_STEP_HARDENED)
    return kvrt_fail(KV_ERROR_RESERVED, "flags are %#llx; expected 0 or %#llx", (unsigned long long)step->flags,
                     (unsigned long long)KV_STEP_HARDENED);
  if (!(variantFlags & KV_VARIANT_HARDENED))
    return kvrt_fail(KV_ERROR_UNUSED, "flags ask for a hardened variant; %s of %s is none", target, kernel->name);
  return KV_OK;
}

kv_status kvrt_check_arguments(const kv_kernel *kernel, const kv_step *step) {
  for (int32_t i = 0; i < KV_MAX_ARGUMENTS; ++i) {
    const kv_argument *given = &step->arguments[i];
    if (i >= kernel->num_arguments) {
      if (firstNonzero(given, 0, sizeof *given) < sizeof *given)
        return kvrt_fail(KV_ERROR_ARGUMENTS, "arguments[%d] is given; %s declares %lld", i, kernel->name,
                         (long long)kernel->num_arguments);
      continue;
    }
    const char *name = kvrt_argument_at(kernel, i)->name;
    if (!given->data)
      return kvrt_fail(KV_ERROR_ARGUMENTS, "arguments[%d].data is null; %s declares %s", i, kernel->name, name);
    if (!kvrt_aligned(given->data, sizeof(float)))
      return kvrt_fail(KV_ERROR_ALIGNMENT, "arguments[%d].data is %p; expected a multiple of 4", i, given->data);
    if (given->count < kernel->heads_q)
      return kvrt_fail(KV_ERROR_ARGUMENTS, "arguments[%d].count is %lld; expected a number of %s for each of %lld query heads", i,
                       (long long)given->count, name, (long long)kernel->heads_q);
    if (given->stride[0] || given->stride[1])
      return kvrt_fail(KV_ERROR_ARGUMENTS, "arguments[%d].stride is %lld, %lld; expected 0, as %s has one axis", i,
                       (long long)given->stride[0], (long long)given->stride[1], name);
    if (!kvrt_fits_in_memory(given->data, (uint64_t)given->count, sizeof(float)))
      return kvrt_fail(KV_ERROR_ARGUMENTS, "arguments[%d] of %lld numbers leaves the address space", i, (long long)given->count);
  }
  return KV_OK;
}
