// FakeKernels.cpp: the plain C kernel of the runtime's tests in the place of compiled ones, so that these tests test themselves.
#include "Scene.h"
#include "fake.h"

const std::vector<kv::e2e::Kernels> &kv::e2e::allKernels() {
  static const std::vector<Kernels> kernels = {
      {"fake", &fakeKernels[KV_OP_APPEND], &fakeKernels[KV_OP_ATTEND], &fakeKernels[KV_OP_APPEND_ATTEND], false}};
  return kernels;
}
