/* status.c: status codes in words, and the sentence of the last failure of each thread. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>

/* Long enough for what a GPU's compiler has to say. */
static _Thread_local char lastError[2048];

const char *kv_status_text(kv_status status) {
  switch (status) {
  case KV_OK:
    return "ok";
  case KV_ERROR_NULL:
    return "null argument";
  case KV_ERROR_ABI_VERSION:
    return "wrong ABI version";
  case KV_ERROR_STRUCT_SIZE:
    return "wrong struct size";
  case KV_ERROR_RESERVED:
    return "unknown to this runtime, and not zero";
  case KV_ERROR_KERNEL:
    return "malformed kernel descriptor";
  case KV_ERROR_VARIANT:
    return "malformed variant";
  case KV_ERROR_NO_VARIANT:
    return "no variant runs on this processor";
  case KV_ERROR_TARGET_UNKNOWN:
    return "no variant of that name";
  case KV_ERROR_TARGET_FEATURES:
    return "variant needs missing processor features";
  case KV_ERROR_PAGES:
    return "bad pages pointer";
  case KV_ERROR_PAGE_STRIDE:
    return "bad page stride";
  case KV_ERROR_NUM_PAGES:
    return "bad number of pages";
  case KV_ERROR_NUM_SEQS:
    return "bad number of sequences";
  case KV_ERROR_QUERY_START_LOC:
    return "bad query_start_loc";
  case KV_ERROR_SEQ_LENS:
    return "bad seq_lens";
  case KV_ERROR_QUERIES:
    return "number of queries outside the kernel's range";
  case KV_ERROR_BLOCK_TABLE:
    return "bad block_table";
  case KV_ERROR_PAGE_NUMBER:
    return "page number out of range";
  case KV_ERROR_SLOT_MAPPING:
    return "bad slot_mapping";
  case KV_ERROR_TENSOR:
    return "tensor is null";
  case KV_ERROR_TENSOR_STRIDE:
    return "bad tensor stride";
  case KV_ERROR_ALIGNMENT:
    return "misaligned array";
  case KV_ERROR_LSE:
    return "kernel has no lse";
  case KV_ERROR_ARGUMENTS:
    return "bad arguments";
  case KV_ERROR_WORKSPACE:
    return "bad workspace";
  case KV_ERROR_THREADS:
    return "bad number of threads";
  case KV_ERROR_PART:
    return "part out of range";
  case KV_ERROR_PHASE:
    return "phase out of range";
  case KV_ERROR_BOUNDS:
    return "bad bounds";
  case KV_ERROR_SIZE:
    return "size out of range";
  case KV_ERROR_OUT_OF_PAGES:
    return "out of pages";
  case KV_ERROR_PAGE_STATE:
    return "page is not allocated";
  case KV_ERROR_MEMORY:
    return "out of memory";
  case KV_ERROR_SYSTEM:
    return "system error";
  case KV_ERROR_NO_GPU:
    return "no GPU";
  case KV_ERROR_GPU_CONTEXT:
    return "no CUDA context is current";
  case KV_ERROR_GPU:
    return "GPU driver error";
  case KV_ERROR_GPU_COMPILE:
    return "the GPU driver cannot compile the kernel";
  case KV_ERROR_GPU_LIMIT:
    return "more than the GPU has";
  case KV_ERROR_PAGE_REPEATED:
    return "page stands twice in a row";
  case KV_ERROR_UNUSED:
    return "field of a feature that the kernel does not have";
  case KV_NUM_STATUS:
    break;
  }
  return "unknown status";
}

const char *kv_last_error(void) { return lastError; }

kv_status kvrt_fail(kv_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(lastError, sizeof lastError, format, arguments);
  va_end(arguments);
  return status;
}
