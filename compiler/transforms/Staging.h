// Blocks of tokens that are copied ahead of their use (StageBlocks.cpp).
#ifndef KV_STAGING_H
#define KV_STAGING_H

#include "dialect/KvTypes.h"

namespace kv {

/// Whether blocks of `block` tokens of a cache, whose orders are resolved, can be staged: each is whole runs of one page, or of
/// whole pages, and runs of at least four bytes stay together.
bool canStage(CacheType cache, int64_t block);

} // namespace kv

#endif
