// StandInModule.cpp: modules from PTX text, functions and launches (CUDA driver API, sections 6.10 and 6.22).
#include "StandIn.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>

namespace kv::ptx::standin {
namespace {

/// A cubin or a fat binary.
bool isBinary(const void *image) {
  return std::memcmp(image, "\x7f\x45\x4c\x46", 4) == 0 || std::memcmp(image, "\x50\xed\x55\xba", 4) == 0;
}

CUresult load(State &s, CUmodule *module, const void *image, std::string &log) {
  if (!module || !image)
    return invalidValue;
  if (isBinary(image))
    return noBinaryForGpu;
  ParseResult result = parseModule(static_cast<const char *>(image));
  log = result.error;
  if (!result.module)
    return invalidPtx;
  const Module &parsed = *result.module;
  if (parsed.version > ptxVersion)
    return unsupportedPtxVersion;
  if (int(parsed.target) > s.sm || (parsed.specific && int(parsed.target) != s.sm)) {
    log = "a module for sm_" + std::to_string(parsed.target) + " on sm_" + std::to_string(s.sm);
    return noBinaryForGpu;
  }
  auto loaded = std::make_unique<CUmod_st>();
  loaded->module = std::move(result.module);
  for (const auto &[name, kernel] : loaded->module->kernels)
    loaded->functions[name] = {loaded.get(), kernel.get()};
  s.machine->load(*loaded->module);
  *module = loaded.release();
  s.modules.insert(*module);
  return success;
}

/// CU_JIT_ERROR_LOG_BUFFER (5) of CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES (6).
void report(const std::string &log, unsigned count, const int *options, void **values) {
  char *buffer = nullptr;
  size_t size = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == 5)
      buffer = static_cast<char *>(values[i]);
    if (options[i] == 6)
      size = reinterpret_cast<size_t>(values[i]);
  }
  if (buffer && size)
    std::snprintf(buffer, size, "%s", log.c_str());
}

bool known(const State &s, CUfunction function) {
  return function && std::any_of(s.modules.begin(), s.modules.end(), [&](CUmodule module) {
           return std::any_of(module->functions.begin(), module->functions.end(),
                              [&](const auto &entry) { return &entry.second == function; });
         });
}

CUresult resultOf(FaultKind kind) {
  switch (kind) {
  case FaultKind::badLaunch:
    return invalidValue;
  case FaultKind::outOfBounds:
  case FaultKind::misaligned:
    return illegalAddress;
  default:
    return launchFailed;
  }
}

CUresult run(State &s, CUfunction function, Dim3 grid, Dim3 block, unsigned shared,
             const std::vector<std::vector<uint8_t>> &parameters) {
  const uint64_t seed = s.seed ? s.seed * 1000003 + ++s.launches : 0;
  const auto fault = s.machine->launch(*function->module->module, function->kernel->name, grid, block, shared, parameters, seed);
  s.fault = fault ? fault->text() : "";
  if (!fault)
    return success;
  std::fprintf(stderr, "%s\n", s.fault.c_str());
  const CUresult result = resultOf(fault->kind);
  if (fault->kind != FaultKind::badLaunch)
    s.sticky = result;
  return result;
}

/// The values behind cuLaunchKernel's `parameters`, or in the buffer of `extra` (pairs of 1 pointer, 2 size, ended by 0).
bool readParameters(const Kernel &kernel, void **parameters, void **extra, std::vector<std::vector<uint8_t>> &values) {
  const uint8_t *buffer = nullptr;
  size_t size = 0;
  for (; extra && *extra; extra += 2) {
    if (reinterpret_cast<uintptr_t>(extra[0]) == 1)
      buffer = static_cast<const uint8_t *>(extra[1]);
    if (reinterpret_cast<uintptr_t>(extra[0]) == 2)
      size = *static_cast<const size_t *>(extra[1]);
  }
  for (size_t i = 0; i < kernel.parameters.size(); ++i) {
    const Variable &parameter = kernel.parameters[i];
    const uint8_t *from = buffer ? buffer + parameter.address : parameters ? static_cast<const uint8_t *>(parameters[i]) : nullptr;
    if (!from || (buffer && parameter.address + uint64_t(parameter.bytes) > size))
      return false;
    values.emplace_back(from, from + parameter.bytes);
  }
  return true;
}

} // namespace
} // namespace kv::ptx::standin

using namespace kv::ptx::standin;

extern "C" {

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, int *options, void **values) {
  return guarded([&](State &s) {
    std::string log;
    const CUresult result = load(s, module, image, log);
    if (result != success && !log.empty())
      std::fprintf(stderr, "PTX: %s\n", log.c_str());
    report(log, count, options, values);
    return result;
  });
}
CUresult cuModuleLoadData(CUmodule *module, const void *image) { return cuModuleLoadDataEx(module, image, 0, nullptr, nullptr); }

CUresult cuModuleUnload(CUmodule module) {
  return guarded([&](State &s) -> CUresult {
    if (!s.modules.erase(module))
      return invalidHandle;
    s.machine->unload(*module->module);
    delete module;
    return success;
  });
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  return guarded([&](State &s) -> CUresult {
    if (!s.modules.count(module) || !function || !name)
      return invalidValue;
    const auto found = module->functions.find(name);
    return found == module->functions.end() ? CUresult(notFound) : store(function, &found->second);
  });
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule module, const char *name) {
  return guarded([&](State &s) -> CUresult {
    if (!s.modules.count(module) || !name)
      return invalidValue;
    for (const auto &variable : module->module->variables)
      if (variable->name == name && (variable->space == kv::ptx::Space::global || variable->space == kv::ptx::Space::constant)) {
        if (address)
          *address = variable->address;
        if (bytes)
          *bytes = size_t(variable->bytes);
        return success;
      }
    return notFound;
  });
}

// CU_FUNC_ATTRIBUTE_: 0 threads of a block, 1 static shared, 2 constant, 3 local bytes, 4 registers, 5 PTX and 6 binary version,
// 8 largest dynamic shared, 9 carveout.
CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction function) {
  return guarded([&](State &s) -> CUresult {
    if (!known(s, function))
      return invalidHandle;
    const kv::ptx::Kernel &kernel = *function->kernel;
    const int threads = int(kernel.maxThreads[0] * kernel.maxThreads[1] * kernel.maxThreads[2]);
    const int usual = usualShared - int(kernel.staticShared());
    switch (attribute) {
    case 0:
      return store(value, threads ? threads : 1024);
    case 1:
      return store(value, int(kernel.staticShared()));
    case 2:
      return store(value, 0);
    case 3:
      return store(value, int(kernel.localBytes));
    case 4:
      return store(value, int(std::min(kernel.registers, 255u)));
    case 5:
      return store(value, int(function->module->module->target));
    case 6:
      return store(value, s.sm);
    case 8:
      return store(value, function->dynamicShared ? function->dynamicShared : usual);
    default:
      return store(value, 0);
    }
  });
}

CUresult cuFuncSetAttribute(CUfunction function, int attribute, int value) {
  return guarded([&](State &s) -> CUresult {
    if (!known(s, function))
      return invalidHandle;
    if (attribute == 9)
      return success;
    if (attribute != 8 || value < 0 || value + function->kernel->staticShared() > s.sharedLimit())
      return invalidValue;
    function->dynamicShared = value;
    return success;
  });
}
CUresult cuFuncSetCacheConfig(CUfunction, int) { return success; }

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int threads, size_t shared) {
  return guarded([&](State &s) -> CUresult {
    if (!known(s, function) || threads < 1)
      return invalidValue;
    const int bytes = int(function->kernel->staticShared() + int64_t(shared)) + 1024;
    return store(blocks, std::min({32, 2048 / threads, (s.sharedLimit() + 1024) / bytes}));
  });
}

CUresult cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                        unsigned blockZ, unsigned shared, CUstream stream, void **parameters, void **extra) {
  return guarded([&](State &s) -> CUresult {
    if (!known(s, function))
      return invalidHandle;
    const int64_t total = function->kernel->staticShared() + shared;
    if (total > usualShared && int64_t(shared) > function->dynamicShared)
      return invalidValue; // more than the usual amount has to be asked for by cuFuncSetAttribute
    if (!gridX || !gridY || !gridZ || gridY > 65535 || gridZ > 65535 || blockZ > 64 || uint64_t(blockX) * blockY * blockZ > 1024)
      return invalidValue;
    std::vector<std::vector<uint8_t>> values;
    if (!readParameters(*function->kernel, parameters, extra, values))
      return invalidValue;
    const kv::ptx::Dim3 grid{gridX, gridY, gridZ}, block{blockX, blockY, blockZ};
    return enqueue(s, stream,
                   [&s, function, grid, block, shared, values] { return run(s, function, grid, block, shared, values); });
  });
}
}
