/* features.c: which KV_FEATURE_* this processor has and the operating system has enabled, asked once; and their names. */
#include "internal.h"

#include <stdatomic.h>
#include <stdio.h>

uint64_t kv_cpu_features(void) {
  static _Atomic uint64_t cached; /* features + 1; 0 before the first call. Two first calls store the same value. */
  uint64_t value = atomic_load_explicit(&cached, memory_order_relaxed);
  if (value == 0) {
    value = kvrt_detect_features() + 1;
    atomic_store_explicit(&cached, value, memory_order_relaxed);
  }
  return value - 1;
}

static const char *nameOf(uint64_t feature) {
  static const struct {
    uint64_t feature;
    const char *name;
  } table[] = {
      {KV_FEATURE_X86_V3, "x86-64-v3"},
      {KV_FEATURE_X86_V4, "x86-64-v4"},
      {KV_FEATURE_X86_AVX512_VNNI, "avx512_vnni"},
      {KV_FEATURE_X86_AVX512_BF16, "avx512_bf16"},
      {KV_FEATURE_X86_AVX_VNNI, "avx_vnni"},
      {KV_FEATURE_X86_BF16_RATE, "fast avx512_bf16"},
      {KV_FEATURE_ARM_DOTPROD, "dotprod"},
      {KV_FEATURE_ARM_FP16, "fp16"},
      {KV_FEATURE_ARM_FHM, "fp16fml"},
      {KV_FEATURE_ARM_I8MM, "i8mm"},
      {KV_FEATURE_ARM_BF16, "bf16"},
      {KV_FEATURE_ARM_SVE, "sve"},
      {KV_FEATURE_ARM_SVE2, "sve2"},
      {KV_FEATURE_ARM_SVE_128, "128-bit sve"},
      {KV_FEATURE_ARM_SVE_256, "256-bit sve"},
      {KV_FEATURE_ARM_SVE_512, "512-bit sve"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; ++i)
    if (table[i].feature == feature)
      return table[i].name;
  return NULL;
}

void kvrt_feature_names(uint64_t features, char *text, size_t size) {
  size_t used = 0;
  text[0] = 0;
  for (int bit = 0; bit < 64; ++bit) {
    if (!(features >> bit & 1))
      continue;
    char number[16];
    const char *name = nameOf(1ull << bit);
    if (!name) {
      snprintf(number, sizeof number, "bit %d", bit);
      name = number;
    }
    const int wrote = snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
    if (wrote < 0 || (size_t)wrote >= size - used)
      return;
    used += (size_t)wrote;
  }
}
