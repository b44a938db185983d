/* dispatch.c: picks the variant of a kernel: the first row whose features are all present, or the one that KV_TARGET names. */
#include "internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static char targetOfEnvironment[128];
static pthread_once_t environmentOnce = PTHREAD_ONCE_INIT;

static void readEnvironment(void) {
  const char *value = getenv("KV_TARGET");
  /* A name too long for the buffer names no target; cut, it still names none. */
  snprintf(targetOfEnvironment, sizeof targetOfEnvironment, "%s", value ? value : "");
}

const char *kvrt_target_of_environment(void) {
  pthread_once(&environmentOnce, readEnvironment);
  return targetOfEnvironment;
}

static void listTargets(const kv_kernel *kernel, char *text, size_t size) {
  size_t used = 0;
  snprintf(text, size, "%s", kernel->num_variants ? "" : "none for processors");
  for (int64_t i = 0; i < kernel->num_variants; ++i) {
    const int wrote = snprintf(text + used, size - used, "%s%s", used ? ", " : "", kv_variant_at(kernel, i)->target);
    if (wrote < 0 || (size_t)wrote >= size - used)
      return;
    used += (size_t)wrote;
  }
}

static const kv_variant *selectNamed(const kv_kernel *kernel, const char *target, uint64_t features, kv_status *status) {
  for (int64_t i = 0; i < kernel->num_variants; ++i) {
    const kv_variant *variant = kv_variant_at(kernel, i);
    if (strcmp(variant->target, target) != 0)
      continue;
    const uint64_t missing = variant->features & ~(features | KV_FEATURES_OF_SPEED);
    if (!missing)
      return variant;
    char names[128];
    kvrt_feature_names(missing, names, sizeof names);
    *status =
        kvrt_fail(KV_ERROR_TARGET_FEATURES, "variant %s of %s needs %s, which this processor lacks", target, kernel->name, names);
    return NULL;
  }
  char targets[256];
  listTargets(kernel, targets, sizeof targets);
  *status = kvrt_fail(KV_ERROR_TARGET_UNKNOWN, "kernel %s has no variant %s; it has %s", kernel->name, target, targets);
  return NULL;
}

const kv_variant *kvrt_select(const kv_kernel *kernel, const char *target, uint64_t features, kv_status *status) {
  kv_status ignored;
  if (!status)
    status = &ignored;
  *status = kvrt_check_kernel(kernel);
  if (*status != KV_OK)
    return NULL;
  if (target && *target)
    return selectNamed(kernel, target, features, status);
  for (int64_t i = 0; i < kernel->num_variants; ++i)
    if (!(kv_variant_at(kernel, i)->features & ~features))
      return kv_variant_at(kernel, i);
  char targets[256];
  listTargets(kernel, targets, sizeof targets);
  *status = kvrt_fail(KV_ERROR_NO_VARIANT, "kernel %s has %s; this processor runs none of them", kernel->name, targets);
  return NULL;
}

const kv_variant *kv_select_target(const kv_kernel *kernel, const char *target, kv_status *status) {
  return kvrt_select(kernel, target, kv_cpu_features(), status);
}

const kv_variant *kv_select(const kv_kernel *kernel, kv_status *status) {
  return kv_select_target(kernel, kvrt_target_of_environment(), status);
}
