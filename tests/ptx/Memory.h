// Memory.h: blocks of bytes with a mark on each that was written, and the device's allocations.
#ifndef KV_TESTS_PTX_MEMORY_H
#define KV_TESTS_PTX_MEMORY_H

#include "Shadow.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

namespace kv::ptx {

/// memcpy of an access's bytes without a call.
inline void copyBytes(void *to, const void *from, unsigned bytes) {
  switch (bytes) {
  case 1:
    std::memcpy(to, from, 1);
    break;
  case 2:
    std::memcpy(to, from, 2);
    break;
  case 4:
    std::memcpy(to, from, 4);
    break;
  case 8:
    std::memcpy(to, from, 8);
    break;
  case 16:
    std::memcpy(to, from, 16);
    break;
  default:
    std::memcpy(to, from, bytes);
  }
}

/// `bytes` bytes from the device address `base`. A byte is initialised if its mark is 1. Large blocks cost memory as they are
/// touched.
struct Block {
  Block(uint64_t base, int64_t bytes);

  bool holds(uint64_t address, uint64_t count) const {
    return address >= base && count <= uint64_t(bytes) && address - base <= uint64_t(bytes) - count;
  }
  bool initialised(int64_t offset, int64_t count) const {
    constexpr uint64_t eightMarks = 0x0101010101010101;
    uint64_t missing = 0;
    for (; count >= 8; count -= 8, offset += 8) {
      uint64_t eight;
      std::memcpy(&eight, marks() + offset, 8);
      missing |= eight ^ eightMarks;
    }
    if (count >= 4) {
      uint32_t four;
      std::memcpy(&four, marks() + offset, 4);
      missing |= four ^ uint32_t(eightMarks);
      count -= 4, offset += 4;
    }
    for (; count > 0; --count)
      missing |= marks()[offset++] ^ 1;
    return !missing;
  }

  uint64_t base;
  int64_t bytes;
  Shadow shadow;
  bool constant = false; // .const variables

  uint8_t *data() const { return storage.get(); }
  uint8_t *marks() const { return writtenMarks.get(); }

private:
  struct Free {
    void operator()(uint8_t *memory) const { std::free(memory); }
  };
  std::unique_ptr<uint8_t, Free> storage, writtenMarks;
};

/// Allocations of the global space. Addresses only grow, so that nothing freed is found again.
class DeviceMemory {
public:
  uint64_t allocate(int64_t bytes, int64_t alignment);
  bool free(uint64_t address);
  /// The allocation that holds all of the range, or null.
  Block *find(uint64_t address, uint64_t bytes) const;
  /// "4 bytes after the end of the allocation of 256 bytes at 0x..." for a range that no allocation holds.
  std::string describe(uint64_t address, uint64_t bytes) const;
  int64_t allocated() const { return total; }

private:
  std::map<uint64_t, std::unique_ptr<Block>> blocks;
  uint64_t next = 0;
  int64_t total = 0;
};

} // namespace kv::ptx
#endif
