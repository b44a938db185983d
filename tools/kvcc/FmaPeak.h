// How fast this machine's processor multiplies and adds: the roof over steps of many queries, measured in the same run.
#ifndef KV_TOOLS_KVCC_FMAPEAK_H
#define KV_TOOLS_KVCC_FMAPEAK_H

#include "kv/kv.h"
#include "tools/kvcc/Stopwatch.h"

#include <cstddef>

namespace kv {

/// Multiplies and adds f32 in registers, with the fastest of several loops (vector width) on this machine.
class FmaPeak {
public:
  /// Tries each loop and keeps the fastest.
  explicit FmaPeak(const kv_executor &executor);

  /// FLOP a second of all the executor's threads, two a multiply-add, from about a millisecond of them; preempted passes are
  /// repeated.
  Rate measure() { return measure(best); }

private:
  Rate measure(size_t loop);
  Sample pass(size_t loop);

  size_t best = 0;
  kv_executor executor;
};

} // namespace kv

#endif
