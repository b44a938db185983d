// Clocks.cpp: see Clocks.h.
#include "Clocks.h"

#include <algorithm>

namespace kv::ptx {
namespace {

template <class Others> auto lowerBound(Others &others, uint32_t cta) {
  return std::lower_bound(others.begin(), others.end(), cta,
                          [](const auto &entry, uint32_t wanted) { return entry.first < wanted; });
}

/// Raises `into` to `from`; whether that changed it.
bool raise(Counts &into, const Counts &from) {
  bool changed = false;
  for (size_t i = 0; i < into.size(); ++i)
    if (into[i] < from[i])
      into[i] = from[i], changed = true;
  return changed;
}

} // namespace

bool Clock::knowsOther(uint32_t ofCta, uint32_t thread, uint32_t clock) const {
  const auto entry = lowerBound(others, ofCta);
  return entry != others.end() && entry->first == ofCta && (*entry->second)[thread] >= clock;
}

void Clock::joinCounts(uint32_t ofCta, const std::shared_ptr<const Counts> &counts) {
  if (ofCta == cta) {
    raise(own, *counts);
    return;
  }
  const auto entry = lowerBound(others, ofCta);
  if (entry == others.end() || entry->first != ofCta) {
    others.insert(entry, {ofCta, counts});
    return;
  }
  if (entry->second == counts)
    return;
  Counts merged = *entry->second;
  if (raise(merged, *counts))
    entry->second = std::make_shared<const Counts>(std::move(merged));
}

void Clock::join(const Clock &other) {
  if (other.cta == cta)
    raise(own, other.own);
  else
    joinCounts(other.cta, std::make_shared<const Counts>(other.own));
  for (const auto &[ofCta, counts] : other.others)
    joinCounts(ofCta, counts);
}

ClockRef join(const ClockRef &a, const ClockRef &b) {
  if (!a || !b || a == b)
    return a ? a : b;
  auto joined = std::make_shared<Clock>(*a);
  joined->join(*b);
  return joined;
}

ClockRef ThreadClock::full(uint32_t thread) const {
  auto clock = std::make_shared<Clock>(*known);
  clock->own[thread] = count;
  return clock;
}

} // namespace kv::ptx
