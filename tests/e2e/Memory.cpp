// Memory.cpp: see Memory.h. mmap, mprotect and a signal handler.
#include "Memory.h"

#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include <sys/mman.h>

namespace kv::e2e {
namespace {

constexpr int64_t systemPage = 4096;
constexpr int64_t guardBytes = 1 << 20;

int64_t roundUp(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

char *reserve(int64_t bytes, int protection) {
  void *memory = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    abort();
  return static_cast<char *>(memory);
}

std::vector<const Buffer *> &buffers() {
  static std::vector<const Buffer *> list;
  return list;
}

sigjmp_buf *recovery = nullptr;
void *faultAddress = nullptr;

void onFault(int signal, siginfo_t *info, void *) {
  if (!recovery) {
    std::signal(signal, SIG_DFL);
    return; // and fault again, for good
  }
  faultAddress = info->si_addr;
  siglongjmp(*recovery, 1);
}

} // namespace

void fillBytes(void *memory, int64_t bytes, Poison poison, uint64_t seed) {
  auto *out = static_cast<unsigned char *>(memory);
  if (poison == Poison::zero || poison == Poison::nan) {
    memset(out, poison == Poison::zero ? 0 : 0xff, bytes);
    return;
  }
  // 0x7c00 is Inf in f16; 0x7f80 is Inf in bf16 and the upper half of Inf in f32.
  uint64_t word = 0x7f8000007f807c00;
  for (int64_t i = 0; i < bytes; i += 8) {
    if (poison == Poison::random)
      word = (word ^ seed++) * 0x9e3779b97f4a7c15u, word ^= word >> 29;
    memcpy(out + i, &word, std::min<int64_t>(8, bytes - i));
  }
}

Buffer::Buffer(std::string name, int64_t bytes, Side side, int64_t alignment) : name(std::move(name)), bytes(bytes) {
  const int64_t inner = roundUp(std::max<int64_t>(bytes, 1), systemPage);
  mappingBytes = inner + 2 * guardBytes;
  mapping = reserve(mappingBytes, PROT_NONE);
  mprotect(mapping + guardBytes, inner, PROT_READ | PROT_WRITE);
  start = mapping + guardBytes + (side == Side::left ? 0 : inner - bytes);
  if (reinterpret_cast<uintptr_t>(start) % alignment)
    abort();
  enlist();
}

Buffer::~Buffer() {
  if (!mapping)
    return;
  buffers().erase(std::find(buffers().begin(), buffers().end(), this));
  munmap(mapping, mappingBytes);
}

void Buffer::enlist() { buffers().push_back(this); }

void Buffer::swap(Buffer &other) {
  std::swap(name, other.name);
  std::swap(mapping, other.mapping);
  std::swap(start, other.start);
  std::swap(mappingBytes, other.mappingBytes);
  std::swap(bytes, other.bytes);
  for (const Buffer *&entry : buffers())
    entry = entry == this ? &other : entry == &other ? this : entry;
}

void Buffer::fill(Poison poison) const { fillBytes(start, bytes, poison, 0x1234567); }

void Buffer::makeReadOnly() const { mprotect(mapping + guardBytes, mappingBytes - 2 * guardBytes, PROT_READ); }

std::string describe(const void *address) {
  const char *at = static_cast<const char *>(address);
  for (const Buffer *buffer : buffers()) {
    if (at < buffer->mapping || at >= buffer->mapping + buffer->mappingBytes)
      continue;
    const int64_t offset = at - buffer->start;
    if (offset < 0)
      return buffer->name + ": " + std::to_string(-offset) + " bytes before its start";
    if (offset >= buffer->bytes)
      return buffer->name + ": " + std::to_string(offset - buffer->bytes) + " bytes after its end";
    return buffer->name + ": a write to byte " + std::to_string(offset) + ", which is read only";
  }
  return "in no buffer (a cache page's neighbour, perhaps)";
}

PageMemory::PageMemory(int64_t pageBytes, int64_t stride, int64_t count, bool guarded, Side side)
    : pageBytes(pageBytes), stride(stride), guarded(guarded) {
  mappingBytes = roundUp(stride * count, systemPage) + 2 * guardBytes;
  mapping = reserve(mappingBytes, PROT_NONE);
  start = mapping + guardBytes;
  if (guarded && side == Side::right)
    start += roundUp(pageBytes, systemPage) - pageBytes;
  if (!guarded) { // pages side by side: the last one ends where they all end
    const int64_t used = stride * (count - 1) + pageBytes;
    mprotect(mapping + guardBytes, roundUp(used, systemPage), PROT_READ | PROT_WRITE);
    if (side == Side::right)
      start += roundUp(used, systemPage) - used;
  }
}

PageMemory::~PageMemory() { munmap(mapping, mappingBytes); }

int64_t PageMemory::guardedStride(int64_t pageBytes) { return roundUp(pageBytes, systemPage) + systemPage; }

void PageMemory::open(int64_t index) const {
  if (!guarded)
    return;
  char *from = mapping + guardBytes + index * stride;
  mprotect(from, roundUp(pageBytes, systemPage), PROT_READ | PROT_WRITE);
}

void PageMemory::close(int64_t index) const {
  if (guarded)
    mprotect(mapping + guardBytes + index * stride, roundUp(pageBytes, systemPage), PROT_NONE);
}

void PageMemory::fill(int64_t index, Poison poison) const { fillBytes(page(index), pageBytes, poison, 977 * index + 1); }

std::string faultOf(const std::function<void()> &body) {
  struct sigaction action = {}, oldSegv, oldBus;
  action.sa_sigaction = onFault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSEGV, &action, &oldSegv);
  sigaction(SIGBUS, &action, &oldBus);
  sigjmp_buf here;
  std::string fault;
  if (sigsetjmp(here, 1) == 0) {
    recovery = &here;
    body();
  } else {
    fault = describe(faultAddress);
  }
  recovery = nullptr;
  sigaction(SIGSEGV, &oldSegv, nullptr);
  sigaction(SIGBUS, &oldBus, nullptr);
  return fault;
}

} // namespace kv::e2e
