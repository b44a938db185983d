// BoundsTest.cpp: kernels touch nothing outside their buffers, reads included, and bytes past a sequence's length never matter.
#include "Fixture.h"

using namespace kv::e2e;

namespace {

class Bounds : public EachVariant {};
KV_E2E(Bounds);

TEST_P(Bounds, NothingOutsideTheBuffersIsTouched) {
  const Outcome plain = play(options());
  for (Side side : {Side::left, Side::right})
    for (bool together : {true, false})
      for (bool spaced : {false, true}) {
        Options guarded = options();
        guarded.guarded = true;
        guarded.side = side;
        guarded.fused = together;
        guarded.spacedTensors = spaced;
        guarded.slotMapping = spaced;
        expectSame(play(guarded), plain, side == Side::left ? "guards before" : "guards after");
        if (HasFatalFailure())
          return;
      }
}

TEST_P(Bounds, WhatMemoryHeldBeforeChangesNothing) {
  const Outcome plain = play(options());
  for (Poison poison : {Poison::nan, Poison::inf, Poison::random}) {
    Options poisoned = options();
    poisoned.poison = poison;
    const char *const names[] = {"", "NaN", "Inf", "random"};
    expectSame(play(poisoned), plain, names[static_cast<int>(poison)], false);
    poisoned.spacedTensors = true;
    expectSame(play(poisoned), plain, "gaps in tensors", false);
    if (HasFatalFailure())
      return;
  }
}

TEST_P(Bounds, SkippedTokensAreNotStored) {
  Options untouched = options(), skipped = options();
  untouched.poison = skipped.poison = Poison::random;
  untouched.guarded = skipped.guarded = true;
  untouched.prefix = Prefix::none;
  skipped.prefix = Prefix::skipped;
  expectSame(play(skipped), play(untouched), "slot_mapping of -1");
}

TEST_P(Bounds, CachesPastFourGigabytes) {
  const Outcome plain = play(options());
  Options stride = options();
  stride.extraStride = (int64_t(1) << 32) + 64;
  expectSame(play(stride), plain, "pages four gigabytes apart");
  Options numbers = options();
  numbers.pageSpread = ((int64_t(5) << 30) / fused().page_bytes) | 1;
  expectSame(play(numbers), plain, "page numbers that reach past four gigabytes");
}

} // namespace
