// DispatchTest.cpp: which variant is selected, by features and by name.
#include "fake.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

// The runtime's own function, with the processor's features as an argument.
extern "C" const kv_variant *kvrt_select(const kv_kernel *kernel, const char *target, uint64_t features, kv_status *status);
extern "C" uint64_t kvrt_arm_features(uint64_t hwcap, uint64_t hwcap2, int64_t sveBits);
extern "C" void kvrt_feature_names(uint64_t features, char *text, size_t size);

namespace {

struct Dispatch : testing::Test {
  std::vector<kv_variant> variants = {row("v4+vnni", KV_FEATURE_X86_V3 | KV_FEATURE_X86_V4 | KV_FEATURE_X86_AVX512_VNNI),
                                      row("v4", KV_FEATURE_X86_V3 | KV_FEATURE_X86_V4), row("v3", KV_FEATURE_X86_V3)};
  kv_kernel kernel = fakeKernels[KV_OP_ATTEND];
  kv_status status = KV_NUM_STATUS;

  static kv_variant row(const char *target, uint64_t features) {
    kv_variant variant = fakeVariants[KV_OP_ATTEND][1];
    variant.target = target;
    variant.features = features;
    return variant;
  }
  const char *select(const char *target, uint64_t features) {
    kernel.variants = variants.data();
    kernel.num_variants = static_cast<int64_t>(variants.size());
    const kv_variant *variant = kvrt_select(&kernel, target, features, &status);
    return variant ? variant->target : "";
  }
};

TEST_F(Dispatch, TakesTheFirstRowWhoseFeaturesArePresent) {
  const uint64_t v3 = KV_FEATURE_X86_V3, v4 = v3 | KV_FEATURE_X86_V4, vnni = v4 | KV_FEATURE_X86_AVX512_VNNI;
  EXPECT_STREQ(select(nullptr, vnni | KV_FEATURE_X86_AVX512_BF16), "v4+vnni");
  EXPECT_STREQ(select("", v4), "v4");
  EXPECT_STREQ(select(nullptr, v3 | KV_FEATURE_X86_AVX512_VNNI), "v3");
  EXPECT_EQ(status, KV_OK);
}

/// A variant that is only faster where an instruction is fast is passed over where it is not, and runs where it is named.
TEST_F(Dispatch, FeaturesOfSpeedChooseButDoNotRefuse) {
  const uint64_t v4 = KV_FEATURE_X86_V3 | KV_FEATURE_X86_V4, bf16 = v4 | KV_FEATURE_X86_AVX512_BF16;
  variants.insert(variants.begin(), row("fastbf16", bf16 | KV_FEATURE_X86_BF16_RATE));
  EXPECT_STREQ(select(nullptr, bf16), "v4");
  EXPECT_STREQ(select(nullptr, bf16 | KV_FEATURE_X86_BF16_RATE), "fastbf16");
  EXPECT_STREQ(select("fastbf16", bf16), "fastbf16");
  EXPECT_STREQ(select("fastbf16", v4), "");
  EXPECT_STREQ(kv_last_error(), "variant fastbf16 of fake_decode needs avx512_bf16, which this processor lacks");
}

TEST_F(Dispatch, NoRowIsAnError) {
  EXPECT_STREQ(select(nullptr, 0), "");
  EXPECT_EQ(status, KV_ERROR_NO_VARIANT);
  EXPECT_STREQ(kv_last_error(), "kernel fake_decode has v4+vnni, v4, v3; this processor runs none of them");
}

TEST_F(Dispatch, ANameIsTakenOrRefusedNeverReplaced) {
  EXPECT_STREQ(select("v3", ~0ull), "v3");
  EXPECT_STREQ(select("v4+vnni", KV_FEATURE_X86_V3 | KV_FEATURE_X86_V4), "");
  EXPECT_EQ(status, KV_ERROR_TARGET_FEATURES);
  EXPECT_STREQ(kv_last_error(), "variant v4+vnni of fake_decode needs avx512_vnni, which this processor lacks");
  EXPECT_STREQ(select("v5", ~0ull), "");
  EXPECT_EQ(status, KV_ERROR_TARGET_UNKNOWN);
}

TEST_F(Dispatch, DescriptorsAreChecked) {
  EXPECT_EQ(kv_select(nullptr, &status), nullptr);
  EXPECT_EQ(status, KV_ERROR_NULL);
  EXPECT_EQ(kv_select(nullptr, nullptr), nullptr);
  kernel.abi_version = 99;
  select(nullptr, 0);
  EXPECT_EQ(status, KV_ERROR_ABI_VERSION);
  kernel.abi_version = KV_ABI_VERSION;
  kernel.struct_size -= 8;
  select(nullptr, 0);
  EXPECT_EQ(status, KV_ERROR_STRUCT_SIZE);
  kernel.struct_size += 8;
  kernel.needs = KV_NEEDS_EVICT;
  select(nullptr, 0);
  EXPECT_EQ(status, KV_ERROR_RESERVED);
  EXPECT_STREQ(kv_last_error(), "fake_decode: needs is 0x2 (evict), which this runtime does not do");
  kernel.needs = 1ull << 40;
  select(nullptr, 0);
  EXPECT_STREQ(kv_last_error(), "fake_decode: needs is 0x10000000000 (a newer feature), which this runtime does not do");
  kernel.needs = 0;
  variants.clear();
  select(nullptr, 0);
  EXPECT_EQ(status, KV_ERROR_KERNEL);
}

// A later compiler's rows and kernels are longer: fields are added at the end.
TEST_F(Dispatch, RowsLieAsFarApartAsTheKernelSays) {
  struct Longer {
    kv_variant variant;
    int64_t more;
  };
  const Longer rows[] = {{row("v4", KV_FEATURE_X86_V3 | KV_FEATURE_X86_V4), -1}, {row("v3", KV_FEATURE_X86_V3), -1}};
  kernel.variants = &rows[0].variant;
  kernel.variant_size = sizeof(Longer);
  kernel.num_variants = 2;
  kernel.struct_size += 64;
  EXPECT_EQ(kvrt_select(&kernel, nullptr, KV_FEATURE_X86_V3, &status), &rows[1].variant);
  EXPECT_EQ(kvrt_select(&kernel, "v4", ~0ull, &status), &rows[0].variant);
  EXPECT_EQ(kv_variant_at(&kernel, 1), &rows[1].variant);
  EXPECT_EQ(kv_variant_at(&kernel, 2), nullptr);
  EXPECT_EQ(kv_variant_at(&kernel, -1), nullptr);
  EXPECT_EQ(kv_variant_at(nullptr, 0), nullptr);
  kernel.variant_size = sizeof(kv_variant) - 8;
  EXPECT_EQ(kvrt_select(&kernel, nullptr, 0, &status), nullptr);
  EXPECT_EQ(status, KV_ERROR_KERNEL);
}

TEST(Features, AreNested) {
  const uint64_t features = kv_cpu_features();
  EXPECT_EQ(features, kv_cpu_features());
  if (features & KV_FEATURE_X86_V4) {
    EXPECT_TRUE(features & KV_FEATURE_X86_V3);
  }
  if (features & (KV_FEATURE_X86_AVX512_VNNI | KV_FEATURE_X86_AVX512_BF16)) {
    EXPECT_TRUE(features & KV_FEATURE_X86_V4);
  }
  if (features & KV_FEATURE_X86_BF16_RATE) {
    EXPECT_TRUE(features & KV_FEATURE_X86_AVX512_BF16);
  }
#if defined(__x86_64__)
  EXPECT_EQ(!!(features & KV_FEATURE_X86_V3), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  EXPECT_EQ(!!(features & KV_FEATURE_X86_V4), __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"));
  EXPECT_LT(features, KV_FEATURE_ARM_DOTPROD);
#elif defined(__aarch64__)
  EXPECT_EQ(features & (KV_FEATURE_ARM_DOTPROD - 1), 0u);
#endif
}

/// The names of what AT_HWCAP, AT_HWCAP2 and the bits of an SVE vector mean.
std::string armNames(uint64_t hwcap, uint64_t hwcap2, int64_t sveBits) {
  char text[256];
  kvrt_feature_names(kvrt_arm_features(hwcap, hwcap2, sveBits), text, sizeof text);
  return text;
}

// What Linux says on real machines; the bits are those of its ABI.
TEST(Features, AreReadFromTheAuxiliaryVector) {
  const uint64_t half = 1u << 9 | 1u << 10, dot = 1u << 20, sve = 1u << 22, fhm = 1u << 23;
  const uint64_t sve2 = 1u << 1, sveI8mm = 1u << 9, sveBf16 = 1u << 12, i8mm = 1u << 13, bf16 = 1u << 14;
  EXPECT_EQ(armNames(0xff, 0, 0), ""); // Cortex-A72: baseline, AES, SHA and CRC
  EXPECT_EQ(armNames(half | dot, 0, 0), "dotprod, fp16");
  EXPECT_EQ(armNames(half | dot | fhm, i8mm | bf16, 0), "dotprod, fp16, fp16fml, i8mm, bf16");
  EXPECT_EQ(armNames(1u << 10, 0, 0), "") << "half needs both its bits";
  // Neoverse V1, V2 and N2 at their lengths
  EXPECT_EQ(armNames(half | dot | fhm | sve, sveI8mm | sveBf16 | i8mm | bf16, 256),
            "dotprod, fp16, fp16fml, i8mm, bf16, sve, 256-bit sve");
  EXPECT_EQ(armNames(half | dot | fhm | sve, sve2 | sveI8mm | sveBf16 | i8mm | bf16, 128),
            "dotprod, fp16, fp16fml, i8mm, bf16, sve, sve2, 128-bit sve");
  EXPECT_EQ(armNames(half | sve, 0, 512), "fp16, sve, 512-bit sve"); // A64FX
  EXPECT_EQ(armNames(sve, 0, 1024), "sve") << "a length that has no bit";
  EXPECT_EQ(armNames(sve, sve2, 0), "") << "SVE that the system does not grant";
  EXPECT_EQ(armNames(sve, i8mm | bf16, 256), "sve, 256-bit sve") << "the SVE forms are promised too";
}

} // namespace
