// At what pace a block of tokens is asked for from memory while another is worked on.
#ifndef KV_PACING_H
#define KV_PACING_H

#include "compiler/transforms/StreamAccess.h"

namespace kv {

/// How many loads, of all vectors of a slice each, an iteration of a product makes.
int64_t loadsOfIteration(CacheType cache, Stream stream, int64_t lanes, Dot dot, int64_t unroll);

/// A cursor walks through the tiles of the block ahead (one, or one on each of several pages) from their first byte to their last:
/// through the first part of each while q . k is computed, the next in softmax, the last in p . v, in steps that take as much of
/// the tiles as the step takes of the time. Memory that is asked for in bursts, or not at all for a while, delivers less.
struct Pace {
  struct Product {
    int64_t iterations, step; ///< of a block; bytes for each
  };
  Product key, value;
  int64_t tiles, tileBytes;

  int64_t keyBytes() const { return key.iterations * key.step / tiles; } ///< of each tile, like those below
  int64_t valueBytes() const { return value.iterations * value.step / tiles; }
  int64_t softmaxLines() const { return std::max<int64_t>(0, tileBytes - keyBytes() - valueBytes()) / 64; }
};

/// The tiles that a block is, one or one on each of several pages.
struct WholeTiles {
  int64_t count, bytes; ///< bytes: of each
};
/// None where a block is not one whole tile of each of its pages, or keys are prefetched by whole rows.
std::optional<WholeTiles> wholeTiles(CacheType cache, int64_t block, int64_t lanes);

/// Vector instructions of softmax for a vector of scores, and of each group of channels that probabilities are packed for after the
/// first; more or less.
constexpr int64_t softmaxWork = 16, packWork = 4;

/// The pace of one row tile; none where a block is not whole tiles.
std::optional<Pace> paceBlock(CacheType cache, ScheduleAttr schedule);

} // namespace kv

#endif
