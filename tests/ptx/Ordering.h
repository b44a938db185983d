// Ordering.h: release and acquire through strong accesses and fences, PTX ISA 8 (Memory Consistency Model).
#ifndef KV_TESTS_PTX_ORDERING_H
#define KV_TESTS_PTX_ORDERING_H

#include "Decoder.h"
#include "Grid.h"

namespace kv::ptx {

/// Reads .volatile, .relaxed, .acquire, .release, .acq_rel and the scope from the mnemonic.
void readOrdering(Decoder &decoder);

/// A strong write: releases what the lane did (release), or what its last fence covers (relaxed; 8.7, release patterns). A
/// read-modify-write keeps what is already there.
void publish(Warp &warp, const Place &place, unsigned lane, Order order, Scope scope, bool update);

/// A strong read: acquires what the last strong writes released, at once (acquire) or at the lane's next fence (relaxed).
void observe(Warp &warp, const Place &place, unsigned lane, Order order, Scope scope);

} // namespace kv::ptx
#endif
