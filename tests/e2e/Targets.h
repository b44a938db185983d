// Targets.h: a test for each variant of a kernel that runs here, by its target's name.
#ifndef KV_TESTS_E2E_TARGETS_H
#define KV_TESTS_E2E_TARGETS_H

#include "kv/kv.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cstdio>
#include <string>
#include <vector>

namespace kv::e2e {

inline std::vector<std::string> targetsOf(const kv_kernel &kernel) {
  std::vector<std::string> found;
  for (int32_t i = 0; i < kernel.num_variants; ++i) {
    const kv_variant &variant = kernel.variants[i];
    if (variant.features & ~(kv_cpu_features() | KV_FEATURES_OF_SPEED))
      std::printf("[SKIP] %s for %s: this processor lacks its features\n", kernel.name, variant.target);
    else
      found.push_back(variant.target);
  }
  return found;
}

inline std::string nameOfTarget(const testing::TestParamInfo<std::string> &info) {
  std::string name = info.param;
  for (char &c : name)
    c = isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

} // namespace kv::e2e
#endif
