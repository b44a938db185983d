/* fakecuda.h: a CUDA driver that does nothing but record what it is asked and answer what a test has set. */
#ifndef KVRT_TESTS_FAKECUDA_H
#define KVRT_TESTS_FAKECUDA_H

#include "kv/kv_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FAKE_CUDA_CALLS = 16 };

/* A launch, or a memset (entry "memset", step empty). */
typedef struct fake_cuda_call {
  char entry[64];
  unsigned grid[3], block[3], shared;
  void *stream;
  kv_step step;
  int64_t flag;
  uint64_t address, bytes; /* memset */
} fake_cuda_call;

typedef struct fake_cuda {
  /* The test sets. */
  int devices, major, minor, shared;
  uint64_t context, context_id; /* of every thread; 0: none */
  const char *failing;          /* the function that answers `result` */
  int result;
  const char *log; /* of a failing cuModuleLoadDataEx */
  /* The driver counts. */
  int inits, loads, unloads, functions, attributes, attribute_value, num_calls;
  const void *image; /* of the last load */
  fake_cuda_call calls[FAKE_CUDA_CALLS];
} fake_cuda;

/* The state, by the library's symbol of this name. */
fake_cuda *fake_cuda_state(void);

#ifdef __cplusplus
}
#endif
#endif
