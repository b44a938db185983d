// Memory that another process sees at the same address: a file without a name, mapped where both sides have room.
#ifndef KV_TOOLS_KVCC_SHAREDARENA_H
#define KV_TOOLS_KVCC_SHAREDARENA_H

#include "llvm/Support/Error.h"

#include <cstdint>
#include <map>
#include <memory>
#include <memory_resource>

namespace kv {

/// Hands out 64-byte aligned pieces of a shared mapping that grows with need. Not for several threads. Memory that is not freed
/// goes with the arena.
class SharedArena : public std::pmr::memory_resource {
public:
  /// An arena of `bytes` bytes (a multiple of the page) to begin with, the first `reserved` of which are never handed out.
  static llvm::Expected<std::unique_ptr<SharedArena>> create(uint64_t bytes, uint64_t reserved);
  ~SharedArena() override;

  uint8_t *base() const { return start; }
  int file() const { return descriptor; } ///< to be inherited
  uint64_t bytes() const { return size; } ///< of the file now

private:
  SharedArena(int descriptor, uint8_t *start) : descriptor(descriptor), start(start) {}
  bool grow(uint64_t bytes);
  void *do_allocate(size_t bytes, size_t alignment) override;
  void do_deallocate(void *memory, size_t bytes, size_t alignment) override;
  bool do_is_equal(const memory_resource &other) const noexcept override { return this == &other; }

  int descriptor;
  uint8_t *start;
  uint64_t size = 0;
  std::map<uint64_t, uint64_t> holes; ///< offset and bytes; no two of them touch
};

} // namespace kv

#endif
