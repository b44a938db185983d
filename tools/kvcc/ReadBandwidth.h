// How fast this machine streams memory: the yardstick that every bandwidth of `bench` is held against, measured in the same run.
#ifndef KV_TOOLS_KVCC_READBANDWIDTH_H
#define KV_TOOLS_KVCC_READBANDWIDTH_H

#include "kv/kv.h"
#include "tools/kvcc/Stopwatch.h"
#include "llvm/ADT/ArrayRef.h"

#include <cstddef>
#include <cstdint>

namespace kv {

/// A private, zeroed mapping with huge pages asked for. Empty when the system has no memory.
class HugeBuffer {
public:
  explicit HugeBuffer(size_t bytes);
  ~HugeBuffer();
  HugeBuffer(const HugeBuffer &) = delete;
  HugeBuffer &operator=(const HugeBuffer &) = delete;

  uint8_t *data() const { return start; }
  size_t size() const { return bytes; }

private:
  uint8_t *start = nullptr;
  size_t bytes = 0;
};

/// Bytes of the last-level cache, 32 MiB where the system does not say.
size_t lastLevelCacheBytes();

/// Reads memory in order, with the fastest of several loops (vector width, unrolling, prefetch distance) on this machine.
class ReadBandwidth {
public:
  /// Tries each loop on `memory`, which must be much larger than the last-level cache, and keeps the fastest.
  ReadBandwidth(llvm::ArrayRef<uint8_t> memory, const kv_executor &executor);

  /// Bytes a second of one pass over a piece of `memory`, 4 MiB for each thread: the first piece when `turn` is 0, others in turn.
  /// A pass that was preempted is repeated on the next piece; `turn` counts on.
  Rate measure(llvm::ArrayRef<uint8_t> memory, size_t &turn) { return measure(best, memory, turn); }

private:
  Rate measure(size_t loop, llvm::ArrayRef<uint8_t> memory, size_t &turn);

  size_t best = 0;
  kv_executor executor;
};

} // namespace kv

#endif
