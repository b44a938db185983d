// Blocks of tokens that are copied ahead of their use (DistributeStage.cpp).
#ifndef KV_STAGING_H
#define KV_STAGING_H

#include "dialect/Storage.h"

namespace kv {

/// Whether blocks of `block` tokens of a cache, whose orders are resolved, can be staged: each is whole runs of one page, or of
/// whole pages, and runs of at least four bytes stay together.
bool canStage(CacheType cache, int64_t block);

/// Extents of the axes of `region` over one head and `tokens` tokens; empty when a digit of the token reaches beyond them.
llvm::SmallVector<int64_t> extentsOver(const Region &region, int64_t tokens);

/// Bytes that lie together in both regions from any multiple of as many bytes on: 16, 8, 4, or 0 where there are fewer.
int64_t commonRun(const Region &from, const Region &to, llvm::ArrayRef<int64_t> extents);

} // namespace kv

#endif
