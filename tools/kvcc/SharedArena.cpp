#include "tools/kvcc/SharedArena.h"

#include "llvm/Support/ErrorHandling.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace kv {

/// As much of the address space as an arena may ever take; memory is taken as the file grows.
static constexpr uint64_t mostBytes = uint64_t(1) << 36;
/// Addresses that neither loaders nor stacks use, on processors with 47 bits of them or with 39.
static constexpr uint64_t addresses[] = {uint64_t(1) << 45, uint64_t(1) << 44, uint64_t(1) << 38};
static constexpr uint64_t growth = uint64_t(1) << 24;

static uint64_t roundUp(uint64_t value, uint64_t step) { return (value + step - 1) / step * step; }

llvm::Expected<std::unique_ptr<SharedArena>> SharedArena::create(uint64_t bytes, uint64_t reserved) {
  int descriptor = memfd_create("kvcc-arena", 0);
  if (descriptor < 0)
    return llvm::createStringError("cannot make memory to share: %s", std::strerror(errno));
  void *start = MAP_FAILED;
  for (uint64_t address : addresses) {
    // Older kernels take the flag for a mere hint.
    start = mmap(reinterpret_cast<void *>(address), mostBytes, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, descriptor, 0);
    if (start == reinterpret_cast<void *>(address))
      break;
    if (start != MAP_FAILED)
      munmap(start, mostBytes);
    start = MAP_FAILED;
  }
  if (start == MAP_FAILED) {
    close(descriptor);
    return llvm::createStringError("no room in the address space for memory to share");
  }
  std::unique_ptr<SharedArena> arena(new SharedArena(descriptor, static_cast<uint8_t *>(start)));
  if (!arena->grow(bytes))
    return llvm::createStringError("cannot make memory to share: %s", std::strerror(errno));
  arena->holes.clear();
  if (bytes > reserved)
    arena->holes.emplace(reserved, bytes - reserved);
  return std::move(arena);
}

SharedArena::~SharedArena() {
  munmap(start, mostBytes);
  close(descriptor);
}

bool SharedArena::grow(uint64_t bytes) {
  if (size + bytes > mostBytes || ftruncate(descriptor, off_t(size + bytes)))
    return false;
  do_deallocate(start + size, bytes, 64);
  size += bytes;
  return true;
}

void *SharedArena::do_allocate(size_t bytes, size_t alignment) {
  assert(alignment <= 64);
  const uint64_t needed = roundUp(std::max<uint64_t>(bytes, 1), 64);
  auto fits = [&](const auto &hole) { return hole.second >= needed; };
  auto hole = std::find_if(holes.begin(), holes.end(), fits);
  if (hole == holes.end()) {
    if (!grow(roundUp(needed, growth)))
      llvm::report_bad_alloc_error("no more memory to share with the runner");
    hole = std::find_if(holes.begin(), holes.end(), fits);
  }
  auto [offset, room] = *hole;
  holes.erase(hole);
  if (room > needed)
    holes.emplace(offset + needed, room - needed);
  return start + offset;
}

void SharedArena::do_deallocate(void *memory, size_t bytes, size_t) {
  uint64_t offset = uint64_t(static_cast<uint8_t *>(memory) - start), room = roundUp(std::max<uint64_t>(bytes, 1), 64);
  auto next = holes.lower_bound(offset);
  if (next != holes.end() && next->first == offset + room) {
    room += next->second;
    next = holes.erase(next);
  }
  if (next != holes.begin()) {
    auto before = std::prev(next);
    if (before->first + before->second == offset) {
      before->second += room;
      return;
    }
  }
  holes.emplace(offset, room);
}

} // namespace kv
