/* faulty.c: an attend whose first byte of the cache says what becomes of the process that runs it. */
#include "kv/kv_abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void attend(const kv_step *step, const kv_item *item) {
  volatile char *order = step->pages;
  switch (*order) {
  case 'c': /* crashes */
    *(volatile int *)16 = 1;
    break;
  case 'h': /* hangs */
    for (;;)
      usleep(1000);
  case 'e': /* ends */
    exit(3);
  case 'p': /* prints */
    printf("hello");
    fflush(stdout);
    break;
  default:
    for (int64_t row = 0; row < step->num_seqs; ++row)
      if (item->seq == row)
        ((float *)step->o)[row * step->o_token_stride] = ((const float *)step->q)[row * step->q_token_stride] + 1.0f;
  }
}
static void merge(const kv_step *step, const kv_item *item) { (void)step, (void)item; }

static const kv_variant variants[] = {
    {"future", 1ull << 63, 0, attend, merge, 64, 1, 1, 0},
    {"plain", 0, 0, attend, merge, 64, 1, 1, 128},
};
const kv_kernel faulty = {sizeof(kv_kernel),
                          KV_ABI_VERSION,
                          "faulty",
                          "cache",
                          1,
                          KV_OP_ATTEND,
                          KV_TYPE_F32,
                          KV_TYPE_F32,
                          0,
                          1, /* heads_q */
                          1,
                          1,
                          1,
                          16, /* page_tokens */
                          128,
                          1, /* queries */
                          1,
                          0,
                          1,
                          0,
                          2,
                          variants};
