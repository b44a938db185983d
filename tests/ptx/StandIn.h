// StandIn.h: the state behind the stand-in for libcuda.so.1: one device, which is a Machine. Every call runs to its end before it
// returns. KV_PTX_SM=80|90|100 chooses the device, KV_PTX_SEED the schedule, KV_PTX_MMA=exact|sequential|reversed how mma adds,
// KV_PTX_COPY_UNDEFINED=1 lets mov and selp copy what nobody wrote.
#ifndef KV_TESTS_PTX_STANDIN_H
#define KV_TESTS_PTX_STANDIN_H

#include "CudaApi.h"
#include "Machine.h"

#include <chrono>
#include <functional>
#include <mutex>
#include <set>

struct CUctx_st {
  bool primary = false;
  unsigned long long id = 1;
};
struct CUfunc_st {
  CUmodule module;
  const kv::ptx::Kernel *kernel;
  int dynamicShared = 0; // what cuFuncSetAttribute allowed beyond the usual limit
};
struct CUmod_st {
  std::unique_ptr<kv::ptx::Module> module;
  std::map<std::string, CUfunc_st> functions;
};
struct CUevent_st {
  bool recorded = false;
  std::chrono::steady_clock::time_point time;
};
using Operation = std::function<CUresult()>;
struct CUgraph_st {
  std::vector<Operation> nodes;
};
struct CUgraphExec_st {
  std::vector<Operation> nodes;
};
struct CUstream_st {
  std::unique_ptr<CUgraph_st> capture; // while it captures
  bool invalidated = false;
};

namespace kv::ptx::standin {

// clang-format off
enum : CUresult {
  success = 0, invalidValue = 1, outOfMemory = 2, notInitialized = 3, invalidDevice = 101, invalidContext = 201,
  noBinaryForGpu = 209, invalidPtx = 218, unsupportedPtxVersion = 222, invalidHandle = 400, notFound = 500, notReady = 600,
  illegalAddress = 700, launchOutOfResources = 701, misalignedAddress = 716, launchFailed = 719, notSupported = 801,
  captureUnsupported = 900, captureInvalidated = 901, captureUnmatched = 903, captureImplicit = 906,
};
// clang-format on

constexpr int driverVersion = 13000;
constexpr unsigned ptxVersion = 90; // the newest that such a driver reads
constexpr int usualShared = 48 * 1024;

struct State {
  State();

  std::mutex mutex;
  bool initialised = false;
  int sm = 90;
  uint64_t seed = 0, launches = 0;
  std::unique_ptr<Machine> machine;
  std::set<CUcontext> contexts;
  unsigned long long lastContext = 1;
  CUctx_st primary{true, 1};
  std::set<CUmodule> modules;
  std::set<CUstream> streams;
  std::set<CUevent> events;
  std::set<CUgraph> graphs;
  std::set<CUgraphExec> execs;
  std::set<void *> hostMemory;
  std::string fault;
  CUresult sticky = success;

  int sharedLimit() const { return sm < 90 ? 163 * 1024 : 227 * 1024; }
  bool capturing() const;
};

State &state();
/// The current thread's contexts, the current one last.
std::vector<CUcontext> &contextStack();

/// Runs `body` under the lock once the driver is initialised, a context is current (with `needsContext`) and no fault happened.
CUresult guarded(const std::function<CUresult(State &)> &body, bool needsContext = true);

/// Runs `operation` now, or appends it to what the stream captures.
CUresult enqueue(State &state, CUstream stream, Operation operation);
/// For calls without a stream: not allowed while any stream captures.
CUresult immediately(const std::function<CUresult(State &)> &body);

template <class T> CUresult store(T *to, const T &value) {
  if (!to)
    return invalidValue;
  *to = value;
  return success;
}

} // namespace kv::ptx::standin
#endif
