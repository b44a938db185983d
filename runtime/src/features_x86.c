/* features_x86.c: KV_FEATURE_X86_* by cpuid and xgetbv. Empty on other processors. */
#include "internal.h"

#if defined(__x86_64__)
#include <cpuid.h>

static uint64_t readXcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

static int hasAll(uint32_t reg, uint32_t bits) { return (reg & bits) == bits; }

/* Ticks of 64 rounds of twelve instructions that do not wait for each other, on zeros. */
#define TWELVE(op)                                                                                                                 \
  op " %%zmm12, %%zmm12, %%zmm0\n" op " %%zmm12, %%zmm12, %%zmm1\n" op " %%zmm12, %%zmm12, %%zmm2\n" op                            \
     " %%zmm12, %%zmm12, %%zmm3\n" op " %%zmm12, %%zmm12, %%zmm4\n" op " %%zmm12, %%zmm12, %%zmm5\n" op                            \
     " %%zmm12, %%zmm12, %%zmm6\n" op " %%zmm12, %%zmm12, %%zmm7\n" op " %%zmm12, %%zmm12, %%zmm8\n" op                            \
     " %%zmm12, %%zmm12, %%zmm9\n" op " %%zmm12, %%zmm12, %%zmm10\n" op " %%zmm12, %%zmm12, %%zmm11\n"
#define TICKS(op)                                                                                                                  \
  do {                                                                                                                             \
    uint64_t rounds = 64;                                                                                                          \
    const uint64_t start = __builtin_ia32_rdtsc();                                                                                 \
    __asm__ volatile("vzeroall\n1:\n" TWELVE(op) "dec %0\njnz 1b\nvzeroupper\n"                                                    \
                     : "+r"(rounds)                                                                                                \
                     :                                                                                                             \
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",     \
                       "xmm12", "xmm13", "xmm14", "xmm15");                                                                        \
    return __builtin_ia32_rdtsc() - start;                                                                                         \
  } while (0)
static uint64_t ticksOfFma(void) { TICKS("vfmadd231ps"); }
static uint64_t ticksOfDot(void) { TICKS("vdpbf16ps"); }

/* A dot does the work of two multiply-adds and spares two conversions. Processors that have it run it at the rate of a multiply-add
 * (ratio 1) or a quarter of it (ratio 4). The least of many pairs, 30 us together: what interrupts one does not interrupt all. */
static int runsDotsFast(void) {
  uint64_t fma = UINT64_MAX, dot = UINT64_MAX;
  for (int i = 0; i < 64; ++i) {
    const uint64_t a = ticksOfFma(), b = ticksOfDot();
    fma = a < fma ? a : fma;
    dot = b < dot ? b : dot;
  }
  return dot < 2 * fma;
}

uint64_t kvrt_detect_features(void) {
  uint32_t a, b, c, d, a7, b7, c7, d7;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7))
    return 0;
  /* v3 without what kernels never use (LZCNT, MOVBE) would do, but the name promises the level: SSE3, SSSE3, FMA, CX16, SSE4.1,
   * SSE4.2, MOVBE, POPCNT, XSAVE by the system, AVX, F16C; BMI1, AVX2, BMI2; LZCNT. */
  const uint32_t level3c =
      1u << 0 | 1u << 9 | 1u << 12 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 22 | 1u << 23 | 1u << 27 | 1u << 28 | 1u << 29;
  const uint32_t level3b7 = 1u << 3 | 1u << 5 | 1u << 8;
  uint32_t ea, eb, ec, ed;
  if (!__get_cpuid(0x80000001u, &ea, &eb, &ec, &ed) || !hasAll(ec, 1u << 5))
    return 0;
  if (!hasAll(c, level3c) || !hasAll(b7, level3b7))
    return 0;
  const uint64_t xcr0 = readXcr0();
  if ((xcr0 & 0x6) != 0x6) /* XMM and YMM */
    return 0;
  uint64_t features = KV_FEATURE_X86_V3;

  uint32_t a71 = 0, b71 = 0, c71 = 0, d71 = 0;
  if (a7 >= 1)
    __get_cpuid_count(7, 1, &a71, &b71, &c71, &d71);
  if (hasAll(a71, 1u << 4))
    features |= KV_FEATURE_X86_AVX_VNNI;

  const uint32_t level4b7 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31; /* F, DQ, CD, BW, VL */
  if (!hasAll(b7, level4b7) || (xcr0 & 0xe6) != 0xe6)                             /* opmask and ZMM too */
    return features;
  features |= KV_FEATURE_X86_V4;
  if (hasAll(c7, 1u << 11))
    features |= KV_FEATURE_X86_AVX512_VNNI;
  if (hasAll(a71, 1u << 5))
    features |= KV_FEATURE_X86_AVX512_BF16 | (runsDotsFast() ? KV_FEATURE_X86_BF16_RATE : 0);
  return features;
}
#endif
