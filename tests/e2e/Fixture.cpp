// Fixture.cpp: see Fixture.h.
#include "Fixture.h"

#include <algorithm>

namespace kv::e2e {

static std::vector<Case> findCases() {
  std::vector<Case> cases;
  for (const Kernels &kernels : allKernels()) {
    bool first = true;
    for (int32_t i = 0; i < kernels.fused->num_variants; ++i) {
      const kv_variant &variant = kernels.fused->variants[i];
      if (variant.features & ~(kv_cpu_features() | KV_FEATURES_OF_SPEED)) {
        std::printf("[SKIP] %s for %s: this processor lacks its features\n", kernels.name, variant.target);
        continue;
      }
      if (!kernels.ends || first || i + 1 == kernels.fused->num_variants)
        cases.push_back({&kernels, variant.target});
      first = false;
    }
  }
  return cases;
}

std::vector<Case> allCases() {
  static const std::vector<Case> cases = findCases();
  return cases;
}

std::string nameOf(const testing::TestParamInfo<Case> &info) {
  std::string name = std::string(info.param.kernels->name) + "_" + info.param.target;
  for (char &c : name)
    c = isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

static void expectBytes(const std::vector<uint8_t> &got, const std::vector<uint8_t> &wanted, const char *what, const char *part,
                        size_t b) {
  ASSERT_EQ(got.size(), wanted.size()) << what;
  const auto [at, other] = std::mismatch(got.begin(), got.end(), wanted.begin());
  if (at != got.end())
    FAIL() << what << ": byte " << at - got.begin() << " of " << got.size() << " of " << part << " of sequence " << b << " is "
           << int{*at} << ", expected " << int{*other};
}

void expectSame(const Outcome &got, const Outcome &wanted, const char *what, bool pages) {
  ASSERT_EQ(got.error, "") << what;
  ASSERT_EQ(wanted.error, "") << what;
  ASSERT_EQ(got.sequences.size(), wanted.sequences.size());
  for (size_t b = 0; b < got.sequences.size(); ++b) {
    expectBytes(got.sequences[b].o, wanted.sequences[b].o, what, "o", b);
    expectBytes(got.sequences[b].lse, wanted.sequences[b].lse, what, "lse", b);
    if (pages)
      expectBytes(got.sequences[b].pages, wanted.sequences[b].pages, what, "its pages", b);
    if (testing::Test::HasFatalFailure())
      return;
  }
}

} // namespace kv::e2e
