// How fast this machine streams memory: the yardstick that every bandwidth of `bench` is held against, measured in the same run.
#ifndef KV_TOOLS_KVCC_READBANDWIDTH_H
#define KV_TOOLS_KVCC_READBANDWIDTH_H

#include "kv/kv.h"
#include "tools/kvcc/Stopwatch.h"

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

/// Reads a buffer in order, with the fastest of several loops (vector width, unrolling, prefetch distance) on this machine.
class ReadBandwidth {
public:
  /// `memory` must be much larger than the last-level cache. Tries each loop and keeps the fastest.
  ReadBandwidth(const uint8_t *memory, size_t bytes, const kv_executor &executor);

  /// Bytes a second of one pass over the next piece of the memory, which takes about a millisecond; preempted passes are repeated.
  Rate measure() { return measure(best); }

private:
  Rate measure(size_t loop);
  Sample pass(size_t loop);

  const uint8_t *memory;
  size_t bytes, share, next = 0, best = 0; ///< `share`: what a thread reads in a pass
  kv_executor executor;
};

} // namespace kv

#endif
