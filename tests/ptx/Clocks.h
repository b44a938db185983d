// Clocks.h: happens-before. Every thread counts its releases; a Clock says up to which count one knows each thread.
#ifndef KV_TESTS_PTX_CLOCKS_H
#define KV_TESTS_PTX_CLOCKS_H

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace kv::ptx {

/// Accesses up to the clock of this thread. Fits a cell of a Shadow: 23 bits of CTA, 11 of thread, 26 of clock.
using Epoch = uint64_t;
constexpr uint32_t pendingClock = (1u << 26) - 1; // of an asynchronous copy that is still under way: nobody knows it
constexpr Epoch epochMask = (Epoch(1) << 60) - 1;

inline Epoch makeEpoch(uint32_t cta, uint32_t thread, uint32_t clock) { return Epoch(cta) << 37 | Epoch(thread) << 26 | clock; }
inline uint32_t ctaOf(Epoch epoch) { return uint32_t(epoch >> 37) & 0x7fffff; }
inline uint32_t threadOf(Epoch epoch) { return uint32_t(epoch >> 26) & 0x7ff; }
inline uint32_t clockOf(Epoch epoch) { return uint32_t(epoch) & pendingClock; }

/// What completes on a CTA's mbarriers is done by copy engines, which count as threads after the last one: the thread that started
/// a copy does not pass it on by what it does next.
constexpr uint32_t copyEngines = 16;

/// The clocks of the threads of one CTA, then of its copy engines.
using Counts = std::vector<uint32_t>;

/// Shared between threads and not changed once it is.
struct Clock {
  uint32_t cta = 0;
  Counts own;                                                             // of the threads of `cta`
  std::vector<std::pair<uint32_t, std::shared_ptr<const Counts>>> others; // by CTA, ascending

  bool knows(uint32_t ofCta, uint32_t thread, uint32_t clock) const {
    return ofCta == cta ? own[thread] >= clock : knowsOther(ofCta, thread, clock);
  }
  bool knowsOther(uint32_t ofCta, uint32_t thread, uint32_t clock) const;
  void join(const Clock &other);

private:
  void joinCounts(uint32_t ofCta, const std::shared_ptr<const Counts> &counts);
};
using ClockRef = std::shared_ptr<const Clock>;

/// The smallest clock that knows what both know, in the view of `a`'s CTA. Either may be null.
ClockRef join(const ClockRef &a, const ClockRef &b);

/// A thread's side. `known[own thread]` lags behind `count`.
struct ThreadClock {
  ClockRef known;
  uint32_t count = 1;
  ClockRef fencedCta, fenced;     // what the last fence of at least that scope released
  ClockRef observedCta, observed; // what relaxed reads saw and the next fence acquires
  ClockRef proxy;                 // what was known at the last fence.proxy.async

  ClockRef full(uint32_t thread) const; // `known` with `count` in it
};

} // namespace kv::ptx
#endif
