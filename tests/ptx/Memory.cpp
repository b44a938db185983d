// Memory.cpp: see Memory.h.
#include "Memory.h"

#include "Module.h"

#include <fmt/format.h>
#include <new>

namespace kv::ptx {

Block::Block(uint64_t base, int64_t bytes) : base(base), bytes(bytes), shadow(bytes) {
  const size_t size = size_t(bytes ? bytes : 1);
  storage.reset(static_cast<uint8_t *>(std::calloc(size, 1)));
  writtenMarks.reset(static_cast<uint8_t *>(std::calloc(size, 1)));
  if (!storage || !writtenMarks)
    throw std::bad_alloc();
}

// Every base is an odd multiple of the alignment: code that needs more than it was promised shows it.
uint64_t DeviceMemory::allocate(int64_t bytes, int64_t alignment) {
  constexpr uint64_t guard = 1 << 20;
  if (!next)
    next = globalWindow + guard;
  const uint64_t align = uint64_t(alignment);
  const uint64_t base = (next + 2 * align - 1) / (2 * align) * (2 * align) + align;
  blocks[base] = std::make_unique<Block>(base, bytes);
  next = base + uint64_t(bytes) + guard;
  total += bytes;
  return base;
}

bool DeviceMemory::free(uint64_t address) {
  const auto found = blocks.find(address);
  if (found == blocks.end())
    return false;
  total -= found->second->bytes;
  blocks.erase(found);
  return true;
}

Block *DeviceMemory::find(uint64_t address, uint64_t bytes) const {
  auto after = blocks.upper_bound(address);
  if (after == blocks.begin())
    return nullptr;
  Block *block = std::prev(after)->second.get();
  return block->holds(address, bytes) ? block : nullptr;
}

std::string DeviceMemory::describe(uint64_t address, uint64_t bytes) const {
  auto after = blocks.upper_bound(address);
  if (after != blocks.begin()) {
    const Block &block = *std::prev(after)->second;
    const uint64_t end = block.base + uint64_t(block.bytes);
    if (address + bytes > end && address < end + (1 << 20))
      return fmt::format("{} bytes end {} bytes after the allocation of {} bytes at {:#x}", bytes, address + bytes - end,
                         block.bytes, block.base);
  }
  if (after != blocks.end() && after->first - address <= (1 << 20))
    return fmt::format("{} bytes start {} bytes before the allocation of {} bytes at {:#x}", bytes, after->first - address,
                       after->second->bytes, after->first);
  return fmt::format("{} bytes in no allocation", bytes);
}

} // namespace kv::ptx
