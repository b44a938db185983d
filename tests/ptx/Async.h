// Async.h: what waits: barriers of a CTA and the asynchronous copies of a thread.
#ifndef KV_TESTS_PTX_ASYNC_H
#define KV_TESTS_PTX_ASYNC_H

#include "Grid.h"

namespace kv::ptx {

/// Makes the copies of the lane that `groups` commits cover: group < groups. They are as if the lane had just written.
void finishCopies(Warp &warp, unsigned lane, uint32_t groups);

/// Makes the lane's copies up to the one of that number, all of them counted since the start; as if written by `by`.
void finishFirst(Warp &warp, unsigned lane, uint64_t count, const Accessor &by);

/// Releases those who wait if enough threads have arrived.
void completeBarrier(Cta &cta, Barrier &barrier);

/// Orders what the lanes of `mask` did before against what each does after: bar.warp.sync.
void synchronise(Warp &warp, uint32_t mask);

/// Adds what a lane knows and did so far to `clock`, which may be null.
void contribute(std::shared_ptr<Clock> &clock, Warp &warp, uint32_t mask);

} // namespace kv::ptx
#endif
