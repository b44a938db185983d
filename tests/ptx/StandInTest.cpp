// StandInTest.cpp: the stand-in as a program would use libcuda.so.1: opened at run time, symbols by name.
#include "Corpus.h"
#include "CudaApi.h"

#include <dlfcn.h>

using kv::ptx::test::inputText;

namespace {

class StandIn : public testing::Test {
protected:
  void SetUp() override {
    library = dlopen(CUDA_STAND_IN, RTLD_NOW | RTLD_LOCAL);
    ASSERT_TRUE(library) << dlerror();
    ASSERT_EQ(call(&cuInit, "cuInit", 0u), 0);
    CUcontext context;
    ASSERT_EQ(call(&cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain", &context, 0), 0);
    ASSERT_EQ(call(&cuCtxSetCurrent, "cuCtxSetCurrent", context), 0);
  }
  void TearDown() override {
    reinterpret_cast<void (*)()>(dlsym(library, "kv_ptx_clear_fault"))();
    dlclose(library);
  }

  /// Calls the library's function of that name; the declaration only gives its type.
  template <class... P, class... A> CUresult call(CUresult (*)(P...), const char *name, A... arguments) {
    auto *function = reinterpret_cast<CUresult (*)(P...)>(dlsym(library, name));
    if (!function)
      ADD_FAILURE() << "no " << name;
    return function ? function(arguments...) : -1;
  }
#define CALL(name, ...) call(static_cast<decltype(&name)>(nullptr), #name, __VA_ARGS__)

  CUdeviceptr buffer(const std::vector<uint32_t> &words) {
    CUdeviceptr address = 0;
    EXPECT_EQ(CALL(cuMemAlloc_v2, &address, words.size() * 4), 0);
    EXPECT_EQ(CALL(cuMemcpyHtoD_v2, address, words.data(), words.size() * 4), 0);
    return address;
  }
  std::vector<uint32_t> read(CUdeviceptr address, size_t count) {
    std::vector<uint32_t> words(count);
    EXPECT_EQ(CALL(cuMemcpyDtoH_v2, words.data(), address, count * 4), 0);
    return words;
  }
  CUfunction function(const std::string &text, const char *name) {
    CUmodule module = nullptr;
    CUfunction result = nullptr;
    EXPECT_EQ(CALL(cuModuleLoadData, &module, text.c_str()), 0);
    EXPECT_EQ(CALL(cuModuleGetFunction, &result, module, name), 0);
    return result;
  }
  std::string lastFault() { return reinterpret_cast<const char *(*)()>(dlsym(library, "kv_ptx_last_fault"))(); }

  void *library = nullptr;
};

} // namespace

TEST_F(StandIn, DescribesItsDevice) {
  int major = 0, shared = 0, version = 0, count = 0;
  char name[64];
  EXPECT_EQ(CALL(cuDeviceGetAttribute, &major, 75, 0), 0);
  EXPECT_EQ(CALL(cuDeviceGetAttribute, &shared, 97, 0), 0);
  EXPECT_EQ(CALL(cuDriverGetVersion, &version), 0);
  EXPECT_EQ(CALL(cuDeviceGetCount, &count), 0);
  EXPECT_EQ(CALL(cuDeviceGetName, name, 64, 0), 0);
  EXPECT_EQ(major, 9);
  EXPECT_EQ(shared, 227 * 1024);
  EXPECT_GE(version, 12000);
  EXPECT_EQ(count, 1);
  EXPECT_STREQ(name, "PTX interpreter sm_90");
  const char *text = nullptr;
  EXPECT_EQ(CALL(cuGetErrorName, 700, &text), 0);
  EXPECT_STREQ(text, "CUDA_ERROR_ILLEGAL_ADDRESS");
  void *found = nullptr;
  int status = -1;
  EXPECT_EQ(CALL(cuGetProcAddress_v2, "cuMemAlloc", &found, 12000, uint64_t(0), &status), 0);
  EXPECT_EQ(found, dlsym(library, "cuMemAlloc_v2"));
}

TEST_F(StandIn, LaunchesAndCopies) {
  const CUfunction reduce = function(inputText("reduce"), "reduce");
  std::vector<uint32_t> words(500, 3);
  CUdeviceptr in = buffer(words), out = buffer({7});
  uint32_t n = 500;
  void *parameters[] = {&in, &out, &n};
  EXPECT_EQ(CALL(cuLaunchKernel, reduce, 2u, 1u, 1u, 128u, 1u, 1u, 0u, CUstream(nullptr), parameters, nullptr), 0);
  EXPECT_EQ(CALL(cuStreamSynchronize, CUstream(nullptr)), 0);
  EXPECT_EQ(read(out, 1)[0], 1507u);
  EXPECT_EQ(CALL(cuMemsetD32_v2, out, 5u, size_t(1)), 0);
  EXPECT_EQ(read(out, 1)[0], 5u);
  int staticShared = 0;
  EXPECT_EQ(CALL(cuFuncGetAttribute, &staticShared, 1, reduce), 0);
  EXPECT_EQ(staticShared, 16);
  EXPECT_EQ(CALL(cuMemFree_v2, in), 0);
  EXPECT_EQ(CALL(cuMemFree_v2, in), 1);
  EXPECT_EQ(CALL(cuMemcpyHtoD_v2, out, words.data(), size_t(2000)), 1);
}

TEST_F(StandIn, FaultsBecomeStickyErrors) {
  const CUfunction reduce = function(inputText("reduce"), "reduce");
  CUdeviceptr in = buffer(std::vector<uint32_t>(500, 3)), out = buffer({0});
  uint32_t n = 501;
  void *parameters[] = {&in, &out, &n};
  testing::internal::CaptureStderr();
  EXPECT_EQ(CALL(cuLaunchKernel, reduce, 2u, 1u, 1u, 128u, 1u, 1u, 0u, CUstream(nullptr), parameters, nullptr), 700);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), lastFault() + "\n");
  EXPECT_NE(lastFault().find("4 bytes end 4 bytes after the allocation of 2000 bytes"), std::string::npos) << lastFault();
  EXPECT_EQ(CALL(cuMemsetD32_v2, out, 5u, size_t(1)), 700);
  reinterpret_cast<void (*)()>(dlsym(library, "kv_ptx_clear_fault"))();
  EXPECT_EQ(CALL(cuMemsetD32_v2, out, 5u, size_t(1)), 0);
}

TEST_F(StandIn, GraphsReplayWhatWasCaptured) {
  const CUfunction reduce = function(inputText("reduce"), "reduce");
  CUdeviceptr in = buffer(std::vector<uint32_t>(100, 1)), out = buffer({0});
  uint32_t n = 100, result = 0;
  void *parameters[] = {&in, &out, &n};
  CUstream stream;
  CUgraph graph;
  CUgraphExec exec;
  int status = 0;
  ASSERT_EQ(CALL(cuStreamCreate, &stream, 1u), 0);
  EXPECT_EQ(CALL(cuStreamBeginCapture_v2, CUstream(nullptr), 0), 900);
  ASSERT_EQ(CALL(cuStreamBeginCapture_v2, stream, 0), 0);
  EXPECT_EQ(CALL(cuStreamIsCapturing, stream, &status), 0);
  EXPECT_EQ(status, 1);
  EXPECT_EQ(CALL(cuMemsetD32Async, out, 1000u, size_t(1), stream), 0);
  EXPECT_EQ(CALL(cuLaunchKernel, reduce, 1u, 1u, 1u, 128u, 1u, 1u, 0u, stream, parameters, nullptr), 0);
  EXPECT_EQ(CALL(cuMemcpyDtoHAsync_v2, &result, out, size_t(4), stream), 0);
  EXPECT_EQ(CALL(cuMemsetD32_v2, out, 0u, size_t(1)), 906);
  ASSERT_EQ(CALL(cuStreamEndCapture, stream, &graph), 0);
  EXPECT_EQ(result, 0u);
  EXPECT_EQ(read(out, 1)[0], 0u);
  n = 50; // the values at capture count
  ASSERT_EQ(CALL(cuGraphInstantiateWithFlags, &exec, graph, 0ull), 0);
  EXPECT_EQ(CALL(cuGraphDestroy, graph), 0);
  for (int i = 0; i < 3; ++i) {
    result = 0;
    EXPECT_EQ(CALL(cuGraphLaunch, exec, stream), 0);
    EXPECT_EQ(result, 1100u);
  }
  EXPECT_EQ(CALL(cuGraphExecDestroy, exec), 0);
  EXPECT_EQ(CALL(cuStreamDestroy_v2, stream), 0);
}

TEST_F(StandIn, RefusesModules) {
  CUmodule module = nullptr;
  const unsigned char cubin[64] = {0x7f, 'E', 'L', 'F', 2};
  EXPECT_EQ(CALL(cuModuleLoadData, &module, cubin), 209);
  EXPECT_EQ(CALL(cuModuleLoadData, &module, ".version 8.6\n.target sm_100\n.address_size 64\n"), 209);
  EXPECT_EQ(CALL(cuModuleLoadData, &module, ".version 9.1\n.target sm_90\n.address_size 64\n"), 222);
  char log[200] = "";
  int options[] = {5, 6};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log))};
  EXPECT_EQ(CALL(cuModuleLoadDataEx, &module, ".version 8.0\n.target sm_80\n.extern .func f();\n", 2u, options, values), 218);
  EXPECT_STREQ(log, "line 3: an external function");
}

TEST_F(StandIn, SharedMemoryBeyondTheUsualHasToBeAskedFor) {
  const CUfunction pipeline = function(inputText("pipeline"), "pipeline");
  CUdeviceptr in = buffer(std::vector<uint32_t>(512, 1)), out = buffer(std::vector<uint32_t>(512));
  uint32_t tiles = 1;
  void *parameters[] = {&in, &out, &tiles};
  auto launch = [&](unsigned shared) {
    return CALL(cuLaunchKernel, pipeline, 1u, 1u, 1u, 128u, 1u, 1u, shared, CUstream(nullptr), parameters, nullptr);
  };
  EXPECT_EQ(launch(48 * 1024), 0);
  EXPECT_EQ(launch(100 * 1024), 1);
  EXPECT_EQ(CALL(cuFuncSetAttribute, pipeline, 8, 100 * 1024), 0);
  EXPECT_EQ(launch(100 * 1024), 0);
  EXPECT_EQ(CALL(cuFuncSetAttribute, pipeline, 8, 300 * 1024), 1);
}
