// StandInMemory.cpp: allocation, copies and fills (CUDA driver API, section 6.13).
#include "StandIn.h"

#include "Memory.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace kv::ptx::standin {
namespace {

CUresult asResult(bool done) { return done ? success : invalidValue; }

bool fill32(Machine &machine, CUdeviceptr to, unsigned value, size_t count) {
  std::vector<unsigned> words(std::min<size_t>(count, 1 << 16), value);
  for (size_t done = 0; done < count; done += words.size())
    if (!machine.copyIn(to + done * 4, words.data(), int64_t(std::min(words.size(), count - done) * 4)))
      return false;
  return true;
}

CUresult allocate(State &s, CUdeviceptr *address, size_t bytes) {
  if (!address || !bytes)
    return invalidValue;
  try {
    *address = s.machine->allocate(int64_t(bytes));
  } catch (const std::bad_alloc &) {
    return outOfMemory;
  }
  return success;
}

CUresult hostAllocate(void **memory, size_t bytes) {
  return guarded([&](State &s) -> CUresult {
    if (!memory || !bytes)
      return invalidValue;
    *memory = std::malloc(bytes);
    if (!*memory)
      return outOfMemory;
    s.hostMemory.insert(*memory);
    return success;
  });
}

} // namespace
} // namespace kv::ptx::standin

using namespace kv::ptx::standin;

extern "C" {

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  return guarded([&](State &s) { return allocate(s, address, bytes); });
}
CUresult cuMemFree_v2(CUdeviceptr address) {
  return guarded([&](State &s) -> CUresult { return !address || s.machine->free(address) ? success : invalidValue; });
}
CUresult cuMemAllocAsync(CUdeviceptr *address, size_t bytes, CUstream) { return cuMemAlloc_v2(address, bytes); }
CUresult cuMemFreeAsync(CUdeviceptr address, CUstream) { return cuMemFree_v2(address); }
CUresult cuMemAllocHost_v2(void **memory, size_t bytes) { return hostAllocate(memory, bytes); }
CUresult cuMemAllocHost(void **memory, size_t bytes) { return hostAllocate(memory, bytes); }
CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned) { return hostAllocate(memory, bytes); }
CUresult cuMemFreeHost(void *memory) {
  return guarded([&](State &s) -> CUresult {
    if (!s.hostMemory.erase(memory))
      return invalidValue;
    std::free(memory);
    return success;
  });
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
  return immediately([&](State &s) { return asResult(s.machine->copyIn(to, from, int64_t(bytes))); });
}
CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
  return immediately([&](State &s) { return asResult(s.machine->copyOut(to, from, int64_t(bytes))); });
}
CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return immediately([&](State &s) { return asResult(s.machine->copy(to, from, int64_t(bytes))); });
}
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  return guarded([&](State &s) {
    return enqueue(s, stream, [&s, to, from, bytes] { return asResult(s.machine->copyIn(to, from, int64_t(bytes))); });
  });
}
CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return guarded([&](State &s) {
    return enqueue(s, stream, [&s, to, from, bytes] { return asResult(s.machine->copyOut(to, from, int64_t(bytes))); });
  });
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return guarded([&](State &s) {
    return enqueue(s, stream, [&s, to, from, bytes] { return asResult(s.machine->copy(to, from, int64_t(bytes))); });
  });
}
CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count) {
  return immediately([&](State &s) { return asResult(s.machine->fill(to, value, int64_t(count))); });
}
CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t count) {
  return immediately([&](State &s) { return asResult(fill32(*s.machine, to, value, count)); });
}
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return guarded([&](State &s) {
    return enqueue(s, stream, [&s, to, value, count] { return asResult(s.machine->fill(to, value, int64_t(count))); });
  });
}
CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  return guarded([&](State &s) {
    return enqueue(s, stream, [&s, to, value, count] { return asResult(fill32(*s.machine, to, value, count)); });
  });
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  return guarded([&](State &s) -> CUresult {
    if (!free || !total)
      return invalidValue;
    *total = size_t(80) << 30;
    *free = *total - std::min(*total, size_t(s.machine->memory().allocated()));
    return success;
  });
}

// CU_POINTER_ATTRIBUTE_: 1 context, 2 memory type (2: device), 3 device pointer, 9 ordinal, 11 start and 12 size of the allocation.
CUresult cuPointerGetAttribute(void *value, int attribute, CUdeviceptr address) {
  return guarded([&](State &s) -> CUresult {
    const kv::ptx::Block *block = s.machine->memory().find(address, 1);
    if (!value || !block)
      return invalidValue;
    switch (attribute) {
    case 1:
      return store(static_cast<CUcontext *>(value), contextStack().back());
    case 2:
      return store(static_cast<unsigned *>(value), 2u);
    case 3:
      return store(static_cast<CUdeviceptr *>(value), address);
    case 8: // managed
      return store(static_cast<int *>(value), 0);
    case 9:
      return store(static_cast<int *>(value), 0);
    case 11:
      return store(static_cast<CUdeviceptr *>(value), CUdeviceptr(block->base));
    case 12:
      return store(static_cast<size_t *>(value), size_t(block->bytes));
    default:
      return notSupported;
    }
  });
}
}
