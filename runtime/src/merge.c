/* merge.c: joins what attention over disjoint sets of keys gave. Its exp and log are its own, in the order in which they stand: the
 * bits of a result must not depend on a machine's mathematical library. */
#include "float_state.h"
#include "internal.h"

#include <math.h>

/* No product may be fused with a sum: GCC does not with -std=c11, clang does unless told. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

/* exp(x) for x <= 0, within 2e-16 of it in ratio; 0 below -700. e^x = 2^k e^r, |r| <= log(2) / 2, e^r by its series. */
static double expOf(double x) {
  if (x < -700)
    return 0;
  const double toInteger = 0x1.8p52, ln2High = 0x1.62e42feep-1, ln2Low = 0x1.a39ef35793c76p-33;
  const double k = (x * 0x1.71547652b82fep0 + toInteger) - toInteger;
  const double r = (x - k * ln2High) - k * ln2Low;
  double sum = 1;
  for (int i = 14; i >= 1; --i)
    sum = 1 + r / i * sum;
  if (!(k >= -1022)) /* a NaN */
    return sum;
  const uint64_t bits = (uint64_t)((int64_t)k + 1023) << 52;
  double power;
  memcpy(&power, &bits, 8);
  return sum * power;
}

/* log(x) for finite x >= 1: x = 2^e m, log(m) = 2 (s + s^3 / 3 + s^5 / 5 ..) with s = (m - 1) / (m + 1), |s| < 0.172. */
static double logOf(double x) {
  uint64_t bits;
  memcpy(&bits, &x, 8);
  int64_t e = (int64_t)(bits >> 52) - 1023;
  bits = (bits & 0xfffffffffffffu) | (uint64_t)1023 << 52;
  double m;
  memcpy(&m, &bits, 8);
  if (m > 0x1.6a09e667f3bcdp0) { /* sqrt(2) */
    m *= 0.5;
    ++e;
  }
  const double s = (m - 1) / (m + 1), z = s * s;
  double sum = 0;
  for (int i = 23; i >= 1; i -= 2)
    sum = 1.0 / i + z * sum;
  return (double)e * 0x1.62e42fefa39efp-1 + 2 * s * sum;
}

/* One row. States are read before what they may share with the result is written. */
static void mergeRow(int64_t row, int64_t dim, int64_t n, const float *const *o, const float *const *lse, float *merged,
                     float *mergedLse) {
  double greatest = -INFINITY, total = 0;
  int isEmpty = 1;
  for (int64_t i = 0; i < n; ++i) {
    const double own = lse[i][row];
    greatest = own > greatest ? own : greatest;
    isEmpty &= own == -INFINITY;
  }
  for (int64_t i = 0; i < n && !isEmpty; ++i)
    total += expOf(lse[i][row] - greatest);
  enum { chunk = 64 };
  for (int64_t first = 0; first < dim; first += chunk) {
    const int64_t count = dim - first < chunk ? dim - first : chunk;
    double sums[chunk] = {0};
    for (int64_t i = 0; i < n && !isEmpty; ++i) {
      const double weight = expOf(lse[i][row] - greatest) / total;
      if (weight == 0) /* whatever is in o */
        continue;
      const float *from = o[i] + row * dim + first;
      for (int64_t d = 0; d < count; ++d)
        sums[d] += weight * from[d];
    }
    for (int64_t d = 0; d < count; ++d)
      merged[row * dim + first + d] = (float)sums[d];
  }
  if (mergedLse)
    mergedLse[row] = isEmpty ? -INFINITY : (float)(greatest + (total < INFINITY ? logOf(total) : total));
}

kv_status kv_merge_states(int64_t rows, int64_t dim, int64_t n, const float *const *o, const float *const *lse, float *merged,
                          float *mergedLse) {
  const int64_t most = (int64_t)1 << 31;
  if (rows < 0 || rows > most || dim < 1 || dim > most || n < 0 || n > most || rows * dim > INT64_MAX / 4)
    return kvrt_fail(
        KV_ERROR_SIZE,
        "%lld states of %lld rows of %lld channels; expected 0 .. 2^31 states and rows, 1 .. 2^31 channels, together below 2^61",
        (long long)n, (long long)rows, (long long)dim);
  if (rows == 0)
    return KV_OK;
  if (!merged || (n && (!o || !lse)))
    return kvrt_fail(KV_ERROR_NULL, "%s is null", !merged ? "merged" : !o ? "o" : "lse");
  if ((uintptr_t)merged % 4 || (uintptr_t)mergedLse % 4)
    return kvrt_fail(KV_ERROR_ALIGNMENT, "%s is at %p; expected a multiple of 4", (uintptr_t)merged % 4 ? "merged" : "merged_lse",
                     (uintptr_t)merged % 4 ? (void *)merged : (void *)mergedLse);
  for (int64_t i = 0; i < n; ++i) {
    const float *const given[] = {o[i], lse[i]};
    for (int j = 0; j < 2; ++j) {
      if (!given[j])
        return kvrt_fail(KV_ERROR_NULL, "%s of state %lld is null", j ? "lse" : "o", (long long)i);
      if ((uintptr_t)given[j] % 4)
        return kvrt_fail(KV_ERROR_ALIGNMENT, "%s of state %lld is at %p; expected a multiple of 4", j ? "lse" : "o", (long long)i,
                         (const void *)given[j]);
    }
  }
  const uint64_t state = kvrt_enter_float_default();
  for (int64_t row = 0; row < rows; ++row)
    mergeRow(row, dim, n, o, lse, merged, mergedLse);
  kvrt_leave_float_default(state);
  return KV_OK;
}
