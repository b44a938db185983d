// GpuTest.cpp: what the runtime asks of a CUDA driver, seen by one that only records; what it says when the driver refuses. No
// pointer of a step can be followed here: nothing on a device is ever read.
#include "fake.h"
#include "fakecuda.h"
#include "kv/kv_gpu.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int64_t rowBytes = 128, partialBytes = 4 * FAKE_HEADS_Q / FAKE_HEADS_KV * rowBytes; // of 4 queries

constexpr kv_gpu_variant row(const char *target, const char *ptx, int64_t capability) {
  return {target, ptx, {"append", nullptr, "attend", nullptr}, 0, capability, 32, 8192, 128, 64, 4, rowBytes, 0};
}
const char *const textOf90 = "ptx of sm_90", *const textOf80 = "ptx of sm_80";

template <typename T> T *onDevice(uintptr_t address) { return reinterpret_cast<T *>(address); }

struct Gpu : testing::Test {
  kv_gpu_variant variants[2] = {row("sm_90", textOf90, 90), row("sm_80", textOf80, 80)};
  kv_kernel kernel = fakeKernels[KV_OP_APPEND_ATTEND];
  kv_step step;
  kv_gpu_launch launch;
  void *library = nullptr;
  fake_cuda *cuda = nullptr;

  void SetUp() override {
    setenv("KV_CUDA_LIBRARY", FAKE_CUDA, 1);
    library = dlopen(FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
    ASSERT_TRUE(library) << dlerror();
    cuda = reinterpret_cast<fake_cuda *(*)()>(dlsym(library, "fake_cuda_state"))();
    original = *cuda;
    of(KV_OP_APPEND_ATTEND);
    kv_step_init(&step);
    kv_gpu_launch_init(&launch);
    step.pages = onDevice<void>(0x10000);
    step.page_stride = FAKE_PAGE_BYTES;
    step.num_pages = 100;
    step.num_seqs = 3;
    step.query_start_loc = onDevice<int32_t>(0x20000);
    step.seq_lens = onDevice<int32_t>(0x30000);
    step.block_table = onDevice<int32_t>(0x40000);
    step.block_table_stride = 33; // 528 tokens, 5 splits
    step.q.data = onDevice<float>(0x50000), step.k.data = onDevice<float>(0x60000), step.v.data = onDevice<float>(0x70000);
    step.o.data = onDevice<float>(0x80000);
    step.q.token_stride = FAKE_HEADS_Q * FAKE_DIM_K, step.k.token_stride = FAKE_HEADS_KV * FAKE_DIM_K;
    step.v.token_stride = FAKE_HEADS_KV * FAKE_DIM_V, step.o.token_stride = FAKE_HEADS_Q * FAKE_DIM_V;
    step.q.head_stride = step.k.head_stride = FAKE_DIM_K, step.v.head_stride = step.o.head_stride = FAKE_DIM_V;
    step.workspace = onDevice<void>(0x90000);
    step.workspace_bytes = 1 << 30;
    launch.stream = onDevice<void>(0x77);
  }
  void TearDown() override {
    if (cuda)
      cuda->failing = nullptr;
    kv_gpu_close();
    if (cuda)
      *cuda = original;
    dlclose(library);
  }
  void of(kv_op op) {
    kernel = fakeKernels[op];
    kernel.gpu_variants = variants;
    kernel.num_gpu_variants = 2;
  }
  kv_status run() { return kv_gpu_run(&kernel, &step, &launch); }
  void refused(kv_status expected, const std::string &words) {
    EXPECT_EQ(run(), expected) << kv_last_error();
    EXPECT_NE(std::string(kv_last_error()).find(words), std::string::npos) << kv_last_error();
  }
  void fails(const char *function, int result) { cuda->failing = function, cuda->result = result; }
  /// "append 6x2 flag 4; memset 24; attend 96x5 flag 1"
  std::string calls() const {
    std::string text;
    for (int i = 0; i < cuda->num_calls; ++i) {
      const fake_cuda_call &call = cuda->calls[i];
      text += (i ? "; " : "") + std::string(call.entry) + " ";
      text += call.bytes ? std::to_string(call.bytes)
                         : std::to_string(call.grid[0]) + "x" + std::to_string(call.grid[1]) + " flag " + std::to_string(call.flag);
      EXPECT_EQ(call.stream, launch.stream);
      EXPECT_EQ(call.bytes ? call.address : 0x90000, 0x90000u);
    }
    return text;
  }

private:
  fake_cuda original{};
};

TEST_F(Gpu, GridsFollowTheBounds) {
  // max_queries 64 in blocks of 4; 2 kv heads; 528 tokens in splits of 128
  ASSERT_EQ(run(), KV_OK) << kv_last_error();
  EXPECT_EQ(calls(), "append 6x2 flag 4; memset 384; attend 96x5 flag 1");
  EXPECT_EQ(kv_gpu_workspace_bytes(&kernel, &step, &launch), 384 + 96 * 5 * partialBytes);
  const fake_cuda_call &call = cuda->calls[2];
  EXPECT_EQ(call.grid[2], 1u);
  EXPECT_EQ(call.block[0] * call.block[1] * call.block[2], 32u);
  EXPECT_EQ(call.shared, 8192u);
  EXPECT_EQ(memcmp(&call.step, &step, sizeof step), 0);

  // decode: one query block, so that attend appends; a split less
  cuda->num_calls = 0;
  launch.max_queries = 4, launch.max_tokens = 512, launch.flags = KV_GPU_COUNTERS_READY;
  ASSERT_EQ(run(), KV_OK) << kv_last_error();
  EXPECT_EQ(calls(), "attend 6x4 flag 1");
  EXPECT_EQ(kv_gpu_workspace_bytes(&kernel, &step, &launch), 64 + 6 * 4 * partialBytes);

  // one split: no workspace; a bound past what the kernel or the table can have is none
  cuda->num_calls = 0;
  launch.max_queries = 5, launch.max_tokens = 128, launch.flags = 0;
  step.workspace = nullptr;
  ASSERT_EQ(run(), KV_OK) << kv_last_error();
  EXPECT_EQ(calls(), "append 6x1 flag 4; attend 12x1 flag 1");
  EXPECT_EQ(kv_gpu_workspace_bytes(&kernel, &step, &launch), 0);
  launch.max_queries = launch.max_tokens = INT32_MAX;
  EXPECT_EQ(kv_gpu_workspace_bytes(&kernel, &step, &launch), 384 + 96 * 5 * partialBytes);

  // no more queries than tokens
  launch.max_tokens = 3;
  step.num_seqs = 1;
  EXPECT_EQ((cuda->num_calls = 0, run()), KV_OK);
  EXPECT_EQ(calls(), "attend 2x1 flag 1");
  step.num_seqs = 0;
  EXPECT_EQ((cuda->num_calls = 0, run()), KV_OK);
  EXPECT_EQ(calls(), "");
}

// What is launched is the step as this runtime knows it, whatever lies behind a shorter one.
TEST_F(Gpu, AShorterStepIsLaunchedWhole) {
  step.struct_size = static_cast<uint32_t>(kernel.step_bytes);
  kv_step whole = step;
  step.counters = onDevice<uint64_t>(0xb0000);
  step.flags = 77;
  ASSERT_EQ(run(), KV_OK) << kv_last_error();
  EXPECT_EQ(memcmp(&cuda->calls[2].step, &whole, sizeof whole), 0);
}

TEST_F(Gpu, NoMoreSplitsThanVisibleTokens) {
  kernel.visible_tokens = 130;
  EXPECT_EQ(kv_gpu_workspace_bytes(&kernel, &step, &launch), 384 + 96 * 2 * partialBytes);
}

TEST_F(Gpu, AppendAndAttendAlone) {
  of(KV_OP_ATTEND);
  ASSERT_EQ(run(), KV_OK) << kv_last_error();
  EXPECT_EQ(calls(), "memset 384; attend 96x5 flag 0");
  of(KV_OP_APPEND);
  step.block_table = nullptr;
  step.slot_mapping = onDevice<int64_t>(0xa0000);
  const std::pair<int64_t, const char *> expected[] = {{0, "append 6x16 flag 0"},
                                                       {1, "append 6x1 flag 0"},
                                                       {33, "append 6x2 flag 0"},
                                                       {4096, "append 6x128 flag 0"},
                                                       {1000000, "append 6x256 flag 0"}};
  for (auto [queries, text] : expected) {
    launch.max_queries = queries;
    EXPECT_EQ((cuda->num_calls = 0, run()), KV_OK) << kv_last_error();
    EXPECT_EQ(calls(), text);
  }
  EXPECT_EQ(kv_gpu_workspace_bytes(&kernel, &step, &launch), 0);
}

TEST_F(Gpu, CountersAreZeroedOnRequest) {
  ASSERT_EQ(kv_gpu_workspace_init(&kernel, &step, &launch), KV_OK) << kv_last_error();
  EXPECT_EQ(calls(), "memset 384");
}

TEST_F(Gpu, DefaultsStandForNoLaunch) {
  ASSERT_EQ(kv_gpu_run(&kernel, &step, nullptr), KV_OK) << kv_last_error();
  launch.stream = nullptr;
  EXPECT_EQ(calls(), "append 6x2 flag 4; memset 384; attend 96x5 flag 1");
}

TEST_F(Gpu, CodeIsLoadedOnceForEachContext) {
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(run(), KV_OK) << kv_last_error();
  EXPECT_EQ(cuda->loads, 1);
  EXPECT_EQ(cuda->functions, 2);
  EXPECT_EQ(cuda->image, textOf90);
  EXPECT_EQ(cuda->attributes, 0) << "8 KiB are not asked for";
  cuda->context = 0x1008;
  ASSERT_EQ(kv_gpu_prepare(&kernel, &launch), KV_OK);
  EXPECT_EQ(cuda->loads, 2);
  cuda->context = 0x1000, cuda->num_calls = 0;
  ASSERT_EQ(run(), KV_OK);
  EXPECT_EQ(cuda->loads, 2);
  // another context at the same address: what was loaded has gone
  cuda->context_id = 2;
  ASSERT_EQ(run(), KV_OK);
  EXPECT_EQ(cuda->loads, 3);
  EXPECT_EQ(cuda->unloads, 0);
  kv_gpu_close();
  EXPECT_EQ(cuda->unloads, 1 + 1);
  ASSERT_EQ(run(), KV_OK);
  EXPECT_EQ(cuda->loads, 4);
  EXPECT_EQ(cuda->inits, 2);
}

TEST_F(Gpu, ALostContextLosesItsModules) {
  ASSERT_EQ(run(), KV_OK);
  fails("cuLaunchKernel", 400);
  refused(KV_ERROR_GPU, "cuLaunchKernel: CUDA_ERROR_INVALID_HANDLE (400): what the driver says");
  cuda->failing = nullptr;
  ASSERT_EQ(run(), KV_OK);
  EXPECT_EQ(cuda->loads, 2);
}

TEST_F(Gpu, ThreadsWaitForOneLoad) {
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] { good += kv_gpu_prepare(&kernel, nullptr) == KV_OK; });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(good, 8);
  EXPECT_EQ(cuda->inits, 1);
  EXPECT_EQ(cuda->loads, 1);
  EXPECT_EQ(cuda->functions, 2);
}

TEST_F(Gpu, TheDeviceChoosesTheVariant) {
  kv_status status = KV_NUM_STATUS;
  EXPECT_EQ(kv_gpu_select(&kernel, &status), &variants[0]);
  EXPECT_EQ(status, KV_OK);
  EXPECT_EQ(kv_gpu_select_target(&kernel, "sm_80", nullptr), &variants[1]);
  kv_gpu_close();
  cuda->major = 8, cuda->minor = 6;
  EXPECT_EQ(kv_gpu_select(&kernel, &status), &variants[1]);
  EXPECT_EQ(kv_gpu_select_target(&kernel, "sm_90", &status), nullptr);
  EXPECT_EQ(status, KV_ERROR_TARGET_FEATURES);
  EXPECT_STREQ(kv_last_error(), "variant sm_90 of fake_append_decode needs compute capability 9.0; this device has 8.6");
  EXPECT_EQ(kv_gpu_select_target(&kernel, "sm_70", &status), nullptr);
  EXPECT_EQ(status, KV_ERROR_TARGET_UNKNOWN);
  EXPECT_STREQ(kv_last_error(), "kernel fake_append_decode has no GPU variant sm_70; it has sm_90, sm_80");
  launch.variant = &variants[0];
  refused(KV_ERROR_TARGET_FEATURES, "needs compute capability 9.0");
  kv_gpu_close();
  cuda->major = 7, cuda->minor = 5;
  launch.variant = nullptr;
  refused(KV_ERROR_NO_VARIANT, "has sm_90, sm_80; this device, of compute capability 7.5, runs none of them");
  kernel.num_gpu_variants = 0;
  refused(KV_ERROR_NO_VARIANT, "has none for GPUs");
}

// The environment is read once a process: a child looks at it.
TEST_F(Gpu, TheEnvironmentNamesTheVariant) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  auto selected = [&](const char *target) {
    setenv("KV_TARGET", target, 1);
    const kv_gpu_variant *variant = kv_gpu_select(&kernel, nullptr);
    fprintf(stderr, "%s\n", variant ? variant->target : kv_last_error());
    exit(run() == KV_OK && cuda->image == textOf80 ? 0 : 1);
  };
  EXPECT_EXIT(selected("sm_80"), testing::ExitedWithCode(0), "^sm_80");
  EXPECT_EXIT(selected("z80"), testing::ExitedWithCode(1), "has no GPU variant z80; it has sm_90, sm_80");
}

TEST_F(Gpu, SharedMemoryIsAskedFor) {
  variants[0].shared_bytes = 100000;
  ASSERT_EQ(kv_gpu_prepare(&kernel, &launch), KV_OK) << kv_last_error();
  EXPECT_EQ(cuda->attributes, 2);
  EXPECT_EQ(cuda->attribute_value, 100000);
  variants[0].shared_bytes = 300000;
  refused(KV_ERROR_GPU_LIMIT, "needs 300000 bytes of shared memory a block; this device has 232448");
}

TEST_F(Gpu, NoDriver) {
  setenv("KV_CUDA_LIBRARY", "/nowhere/libcuda.so.1", 1);
  refused(KV_ERROR_NO_GPU, "cannot open the CUDA driver: /nowhere/libcuda.so.1");
  EXPECT_EQ(kv_gpu_workspace_bytes(&kernel, &step, &launch), -1);
  launch.variant = &variants[0];
  EXPECT_EQ(kv_gpu_workspace_bytes(&kernel, &step, &launch), 384 + 96 * 5 * partialBytes) << "asks no driver";
  setenv("KV_CUDA_LIBRARY", FAKE_CUDA_OLD, 1);
  refused(KV_ERROR_NO_GPU, "has no function cuLaunchKernel");
  // the next call tries again
  setenv("KV_CUDA_LIBRARY", FAKE_CUDA, 1);
  EXPECT_EQ(run(), KV_OK);
}

TEST_F(Gpu, NoDevice) {
  cuda->devices = 0;
  refused(KV_ERROR_NO_GPU, "finds no device");
  fails("cuInit", 100);
  refused(KV_ERROR_NO_GPU, "cuInit: CUDA_ERROR_NO_DEVICE (100): no CUDA-capable device is detected");
  fails("cuInit", 3);
  refused(KV_ERROR_GPU, "cuInit: CUDA_ERROR_FAKE (3)");
}

TEST_F(Gpu, NoContext) {
  cuda->context = 0;
  refused(KV_ERROR_GPU_CONTEXT, "no CUDA context is current on this thread");
}

TEST_F(Gpu, TheCompilersWordsAreQuoted) {
  fails("cuModuleLoadDataEx", 218);
  cuda->log = "ptxas application ptx input, line 12; error   : Unknown modifier '.bogus'\n\n";
  refused(KV_ERROR_GPU_COMPILE, "sm_90: cuModuleLoadDataEx: CUDA_ERROR_FAKE (218): what the driver says: ptxas application ptx "
                                "input, line 12; error   : Unknown modifier '.bogus'");
  EXPECT_EQ(std::string(kv_last_error()).back(), '\'');
  cuda->log = nullptr;
  refused(KV_ERROR_GPU_COMPILE, "cuModuleLoadDataEx: CUDA_ERROR_FAKE (218): what the driver says");
  cuda->failing = nullptr;
  EXPECT_EQ(run(), KV_OK) << "a failure is not kept";
}

TEST_F(Gpu, EveryRefusalIsQuoted) {
  for (const char *function :
       {"cuCtxGetCurrent", "cuCtxGetDevice", "cuDeviceGetAttribute", "cuModuleGetFunction", "cuMemsetD8Async", "cuLaunchKernel"}) {
    fails(function, 1);
    refused(KV_ERROR_GPU, std::string(function) + ": CUDA_ERROR_FAKE (1): the driver does not say more");
    kv_gpu_close();
  }
}

TEST_F(Gpu, StepsAreCheckedBeforeAnythingIsLaunched) {
  auto refusal = [&](kv_status status, const std::string &words, auto spoil) {
    const kv_step goodStep = step;
    const kv_gpu_launch goodLaunch = launch;
    const kv_kernel goodKernel = kernel;
    const kv_gpu_variant goodVariant = variants[0];
    spoil();
    refused(status, words);
    step = goodStep, launch = goodLaunch, kernel = goodKernel, variants[0] = goodVariant;
  };
  refusal(KV_ERROR_STRUCT_SIZE, "launch's struct_size is 0", [&] { launch.struct_size = 0; });
  refusal(KV_ERROR_RESERVED, "flags are 0x2", [&] { launch.flags = 2; });
  refusal(KV_ERROR_BOUNDS, "max_queries is -1", [&] { launch.max_queries = -1; });
  refusal(KV_ERROR_BOUNDS, "max_tokens is 2147483648", [&] { launch.max_tokens = int64_t(1) << 31; });
  refusal(KV_ERROR_STRUCT_SIZE, "step's struct_size", [&] { step.struct_size = 8; });
  refusal(KV_ERROR_UNUSED, "evict is given; fake_append_decode keeps all tokens", [&] { step.evict = onDevice<int32_t>(64); });
  refusal(KV_ERROR_UNUSED, "flags ask for a hardened variant; sm_90 of", [&] { step.flags = KV_STEP_HARDENED; });
  refusal(KV_ERROR_RESERVED, "needs is 0x1 (tails)", [&] { kernel.needs = KV_NEEDS_TAILS; });
  refusal(KV_ERROR_VARIANT, "row_bytes 2", [&] { variants[0].row_bytes = 2; });
  refusal(KV_ERROR_ABI_VERSION, "kernel has ABI version", [&] { kernel.abi_version = 0; });
  refusal(KV_ERROR_NUM_SEQS, "num_seqs is -1", [&] { step.num_seqs = -1; });
  refusal(KV_ERROR_QUERY_START_LOC, "is null", [&] { step.query_start_loc = nullptr; });
  refusal(KV_ERROR_ALIGNMENT, "seq_lens", [&] { step.seq_lens = onDevice<int32_t>(0x30002); });
  refusal(KV_ERROR_PAGES, "pages is null", [&] { step.pages = nullptr; });
  refusal(KV_ERROR_PAGE_STRIDE, "at least page_bytes", [&] { step.page_stride -= 64; });
  refusal(KV_ERROR_BLOCK_TABLE, "block_table is null", [&] { step.block_table = nullptr; });
  refusal(KV_ERROR_BLOCK_TABLE, "block_table_stride is -1", [&] { step.block_table_stride = -1; });
  refusal(KV_ERROR_TENSOR, "k.data is null", [&] { step.k.data = nullptr; });
  refusal(KV_ERROR_TENSOR_STRIDE, "o.token_stride is 0", [&] { step.o.token_stride = 0; });
  refusal(KV_ERROR_WORKSPACE, "workspace_bytes is 491903; expected at least 491904", [&] { step.workspace_bytes = 491903; });
  refusal(KV_ERROR_WORKSPACE, "multiple of 64", [&] { step.workspace = onDevice<void>(0x90020); });
  refusal(KV_ERROR_GPU_LIMIT, "need a wider grid than 2^31 - 1 blocks", [&] { step.num_seqs = INT32_MAX; });
  refusal(KV_ERROR_GPU_LIMIT, "have 131072 splits; a grid has at most 65535", [&] { step.block_table_stride = 1 << 20; });
  refusal(KV_ERROR_VARIANT, "threads 0", [&] { variants[0].threads = 0; });
  refusal(KV_ERROR_VARIANT, "no append entry", [&] { variants[0].entries[KV_PHASE_APPEND] = nullptr; });
  refusal(KV_ERROR_VARIANT, "no target, code or entry", [&] { variants[0].ptx = nullptr; });
  refusal(KV_ERROR_KERNEL, "GPU variant 0 has no target", [&] { variants[0].target = nullptr; });
  EXPECT_EQ(cuda->num_calls, 0);
  EXPECT_EQ(cuda->loads, 0);
  EXPECT_EQ(kv_gpu_run(nullptr, &step, &launch), KV_ERROR_NULL);
  EXPECT_EQ(kv_gpu_run(&kernel, nullptr, &launch), KV_ERROR_NULL);
}

TEST_F(Gpu, HandsOutTheDriversFunctions) {
  void *address = nullptr;
  ASSERT_EQ(kv_gpu_symbol("cuInit", &address), KV_OK);
  EXPECT_EQ(address, dlsym(library, "cuInit"));
  EXPECT_EQ(kv_gpu_symbol("cuNoSuch", &address), KV_ERROR_GPU);
  EXPECT_STREQ(kv_last_error(), "the CUDA driver has no function cuNoSuch");
  EXPECT_EQ(kv_gpu_symbol(nullptr, &address), KV_ERROR_NULL);
}

// A library of GPU kernels alone: processors have no variant of it.
TEST_F(Gpu, KernelsWithoutProcessors) {
  kernel.num_variants = 0;
  kernel.variants = nullptr;
  EXPECT_EQ(run(), KV_OK) << kv_last_error();
  kv_status status;
  EXPECT_EQ(kv_select(&kernel, &status), nullptr);
  EXPECT_EQ(status, KV_ERROR_NO_VARIANT);
  EXPECT_STREQ(kv_last_error(), "kernel fake_append_decode has none for processors; this processor runs none of them");
}

} // namespace
