// Fixture.h: a test for each compiled cache and each of its variants that runs here.
#ifndef KV_TESTS_E2E_FIXTURE_H
#define KV_TESTS_E2E_FIXTURE_H

#include "Scene.h"

#include <gtest/gtest.h>

namespace kv::e2e {

struct Case {
  const Kernels *kernels;
  const char *target;
};

std::vector<Case> allCases();
std::string nameOf(const testing::TestParamInfo<Case> &info);

class EachVariant : public testing::TestWithParam<Case> {
protected:
  const Kernels &kernels() const { return *GetParam().kernels; }
  const kv_kernel &fused() const { return *kernels().fused; }
  std::vector<Sequence> sequences() const { return typicalSequences(kernels(), GetParam().target); }
  Options options() const {
    Options result;
    result.target = GetParam().target;
    return result;
  }
  Outcome play(const Options &options) const { return e2e::play(kernels(), sequences(), options); }
};

/// Fails the test with the first difference. Page bytes are compared unless the poison around them differs.
void expectSame(const Outcome &got, const Outcome &wanted, const char *what, bool pages = true);

#define KV_E2E(fixture) INSTANTIATE_TEST_SUITE_P(Compiled, fixture, testing::ValuesIn(kv::e2e::allCases()), kv::e2e::nameOf)

} // namespace kv::e2e
#endif
