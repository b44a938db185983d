// AbiTest.cpp: the public headers as C++, the sizes that compiled code relies on, and the texts of statuses.
#include "kv/kv_gpu.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <set>
#include <string>
#include <type_traits>

static_assert(std::is_standard_layout_v<kv_step> && std::is_trivially_copyable_v<kv_step>);
static_assert(std::is_standard_layout_v<kv_kernel> && std::is_trivially_copyable_v<kv_kernel>);
static_assert(sizeof(kv_item) == 88 && sizeof(kv_variant) == 112 && sizeof(kv_argument_spec) == 32);
static_assert(offsetof(kv_step, counters) + sizeof(void *) == sizeof(kv_step), "no padding at the end");
static_assert(offsetof(kv_kernel, gpu_variants) + sizeof(void *) == sizeof(kv_kernel), "no padding at the end");
static_assert(std::is_standard_layout_v<kv_gpu_launch> && sizeof(kv_gpu_variant) == 120 && sizeof(kv_gpu_launch) == 40);
static_assert(sizeof(kv_executor) == 24 && sizeof(kv_bounds) == 32);

TEST(Abi, StepInitSetsTheVersionFieldsOnly) {
  kv_step step;
  memset(&step, 0xff, sizeof step);
  kv_step_init(&step);
  EXPECT_EQ(step.struct_size, sizeof(kv_step));
  EXPECT_EQ(step.abi_version, KV_ABI_VERSION);
  kv_step zero;
  memset(&zero, 0, sizeof zero);
  zero.struct_size = step.struct_size;
  zero.abi_version = step.abi_version;
  EXPECT_EQ(memcmp(&step, &zero, sizeof step), 0);
}

TEST(Abi, EveryStatusHasATextOfItsOwn) {
  std::set<std::string> texts;
  for (int i = 0; i < KV_NUM_STATUS; ++i) {
    const std::string text = kv_status_text(static_cast<kv_status>(i));
    EXPECT_NE(text, "unknown status") << i;
    EXPECT_TRUE(texts.insert(text).second) << text;
  }
  EXPECT_STREQ(kv_status_text(KV_NUM_STATUS), "unknown status");
  EXPECT_STREQ(kv_status_text(static_cast<kv_status>(-1)), "unknown status");
}
