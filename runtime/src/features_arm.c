/* features_arm.c: KV_FEATURE_ARM_* by what Linux says: the auxiliary vector and the length of SVE vectors.
 *
 * The bits and the prctl are those of the kernel's ABI, named here so that headers older than a feature will do. Other systems than
 * Linux get no feature, and run what needs none. */
#include "internal.h"

enum { /* AT_HWCAP */
       capFpHalf = 1u << 9,
       capSimdHalf = 1u << 10,
       capSimdDot = 1u << 20,
       capSve = 1u << 22,
       capSimdFhm = 1u << 23
};
enum { /* AT_HWCAP2 */
       cap2Sve2 = 1u << 1,
       cap2SveI8mm = 1u << 9,
       cap2SveBf16 = 1u << 12,
       cap2I8mm = 1u << 13,
       cap2Bf16 = 1u << 14
};

static int hasAll(uint64_t word, uint64_t bits) { return (word & bits) == bits; }

uint64_t kvrt_arm_features(uint64_t hwcap, uint64_t hwcap2, int64_t sveBits) {
  uint64_t features = 0;
  if (hasAll(hwcap, capSimdDot))
    features |= KV_FEATURE_ARM_DOTPROD;
  if (hasAll(hwcap, capFpHalf | capSimdHalf))
    features |= KV_FEATURE_ARM_FP16;
  if (hasAll(hwcap, capSimdFhm))
    features |= KV_FEATURE_ARM_FHM;
  const int sve = hasAll(hwcap, capSve) && sveBits > 0;
  if (hasAll(hwcap2, cap2I8mm | (sve ? cap2SveI8mm : 0)))
    features |= KV_FEATURE_ARM_I8MM;
  if (hasAll(hwcap2, cap2Bf16 | (sve ? cap2SveBf16 : 0)))
    features |= KV_FEATURE_ARM_BF16;
  if (!sve)
    return features;
  features |= KV_FEATURE_ARM_SVE;
  if (hasAll(hwcap2, cap2Sve2))
    features |= KV_FEATURE_ARM_SVE2;
  switch (sveBits) {
  case 128:
    return features | KV_FEATURE_ARM_SVE_128;
  case 256:
    return features | KV_FEATURE_ARM_SVE_256;
  case 512:
    return features | KV_FEATURE_ARM_SVE_512;
  default:
    return features;
  }
}

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#include <sys/prctl.h>

/* The calling thread's; a thread that changes its own length later is on its own. */
static int64_t sveBitsOfThread(void) {
  enum { getVectorLength = 51, lengthMask = 0xffff }; /* PR_SVE_GET_VL, PR_SVE_VL_LEN_MASK */
  const int answer = prctl(getVectorLength, 0, 0, 0, 0);
  return answer < 0 ? 0 : (int64_t)(answer & lengthMask) * 8;
}

uint64_t kvrt_detect_features(void) {
  enum { wordOne = 16, wordTwo = 26 }; /* AT_HWCAP, AT_HWCAP2 */
  return kvrt_arm_features(getauxval(wordOne), getauxval(wordTwo), sveBitsOfThread());
}
#elif !defined(__x86_64__)
uint64_t kvrt_detect_features(void) { return 0; }
#endif
