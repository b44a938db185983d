// The memory of the host that a kernel may touch.
#ifndef KV_INTERPRET_MEMORY_H
#define KV_INTERPRET_MEMORY_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <cstdint>

namespace kv {

/// Runs of bytes, each for reading or for both.
class KernelMemory {
public:
  void read(const void *begin, int64_t bytes) { runs.push_back({static_cast<const uint8_t *>(begin), bytes, false}); }
  void write(void *begin, int64_t bytes) { runs.push_back({static_cast<const uint8_t *>(begin), bytes, true}); }

  bool allows(const void *address, int64_t bytes, bool writes) const {
    const auto *first = static_cast<const uint8_t *>(address);
    return llvm::any_of(runs, [&](const Run &run) {
      return first >= run.begin && first + bytes <= run.begin + run.bytes && (run.writable || !writes);
    });
  }

private:
  struct Run {
    const uint8_t *begin;
    int64_t bytes;
    bool writable;
  };
  llvm::SmallVector<Run> runs;
};

} // namespace kv

#endif
