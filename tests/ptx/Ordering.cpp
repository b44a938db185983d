// Ordering.cpp: see Ordering.h; membar and fence, PTX ISA 9.7.13.4.
#include "Ordering.h"

namespace kv::ptx {
namespace {

SyncVariable &variableOf(Warp &warp, const Place &place) {
  const uint64_t address = warp.addressOf(place);
  return warp.grid.syncVariables[place.space == Space::shared ? address | uint64_t(warp.cta.index + 1) << 32 : address];
}

void fence(Warp &warp, const Instruction &in, uint32_t mask) {
  if (!warp.grid.races)
    return;
  forLanes(mask, [&](unsigned lane) {
    ThreadClock &clock = warp.clocks[lane];
    clock.known = join(join(clock.known, clock.observedCta), in.scope == Scope::gpu ? clock.observed : nullptr);
    const ClockRef full = clock.full(warp.threadOf(lane));
    clock.fencedCta = full;
    if (in.scope == Scope::gpu)
      clock.fenced = full;
    ++clock.count;
  });
}

// fence.proxy.async: what is known now is ordered before the lane's later bulk copies; what it did is so for others.
void fenceProxy(Warp &warp, const Instruction &, uint32_t mask) {
  forLanes(mask, [&](unsigned lane) { warp.clocks[lane].proxy = warp.clocks[lane].full(warp.threadOf(lane)); });
}

Handler buildFence(Decoder &decoder) {
  decoder.count(0);
  decoder.in.scope = decoder.has("cta") ? Scope::cta : Scope::gpu;
  return fence;
}

Handler buildFenceProxy(Decoder &decoder) {
  decoder.count(0);
  return fenceProxy;
}

constexpr Row rows[] = {
    {"membar.{cta|gl|sys}", buildFence},
    {"fence{.sc|.acq_rel|}.<scope>", buildFence},
    {"fence.mbarrier_init.release.cluster", buildFenceProxy},
    {"fence.proxy.async{.global|.shared::cta|.shared::cluster|}", buildFenceProxy},
};

} // namespace

void readOrdering(Decoder &decoder) {
  Instruction &in = decoder.in;
  if (decoder.has("volatile") || decoder.has("relaxed"))
    in.order = Order::relaxed;
  if (decoder.has("acquire"))
    in.order = Order::acquire;
  if (decoder.has("release"))
    in.order = Order::release;
  if (decoder.has("acq_rel"))
    in.order = Order::acquireRelease;
  in.strong = in.order != Order::weak;
  in.scope = decoder.has("cta") ? Scope::cta : Scope::gpu;
}

void publish(Warp &warp, const Place &place, unsigned lane, Order order, Scope scope, bool update) {
  if (!warp.grid.races || place.space == Space::local)
    return;
  ThreadClock &clock = warp.clocks[lane];
  ClockRef wide = clock.fenced, narrow = clock.fencedCta;
  if (order == Order::release || order == Order::acquireRelease) {
    narrow = clock.full(warp.threadOf(lane));
    if (scope == Scope::gpu)
      wide = narrow;
    ++clock.count;
  }
  if (scope == Scope::cta)
    wide = nullptr;
  if (!wide && !narrow && update)
    return;
  SyncVariable &variable = variableOf(warp, place);
  variable.released = update ? join(variable.released, wide) : wide;
  variable.releasedCta = update && variable.cta == warp.cta.index ? join(variable.releasedCta, narrow) : narrow;
  variable.cta = warp.cta.index;
}

void observe(Warp &warp, const Place &place, unsigned lane, Order order, Scope scope) {
  if (!warp.grid.races || place.space == Space::local)
    return;
  SyncVariable &variable = variableOf(warp, place);
  ThreadClock &clock = warp.clocks[lane];
  const ClockRef narrow = variable.cta == warp.cta.index ? variable.releasedCta : nullptr;
  const ClockRef wide = scope == Scope::gpu ? variable.released : nullptr;
  if (!narrow && !wide)
    return;
  // A clock is in the view of one CTA; joining with one's own first keeps it so.
  if (order == Order::acquire || order == Order::acquireRelease) {
    clock.known = join(join(clock.known, narrow), wide);
    return;
  }
  auto keep = [&](ClockRef &into, const ClockRef &seen) {
    if (seen)
      into = join(into ? into : clock.known, seen);
  };
  keep(clock.observedCta, narrow);
  keep(clock.observed, wide);
}

std::span<const Row> fenceRows() { return rows; }

} // namespace kv::ptx
