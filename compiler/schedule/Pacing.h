// At what pace a block of tokens is asked for from memory while another is worked on.
#ifndef KV_PACING_H
#define KV_PACING_H

#include "compiler/schedule/StreamAccess.h"

namespace kv {

/// Lines of the block ahead come into the second-level cache (LLVM's locality 2). A line that the first level waits for
/// holds one of its miss buffers until memory answers, and 24 lines in 140 ns are 11 GB/s: so much, of 33, decode read on Zen 4 with
/// prefetches into the first level; on Zen 5 it gained 3 to 10 % by them.
inline constexpr uint32_t prefetchLocality = 2;

/// How many loads, of all vectors of a slice each, an iteration of a product makes.
int64_t loadsOfIteration(CacheType cache, StreamRef stream, LoadAttr load, int64_t lanes, Dot dot, int64_t unroll);

/// The tiles that a block is, one or one on each of several pages.
struct WholeTiles {
  int64_t count, bytes; ///< bytes: of each
};
/// None where a block is not one whole tile of each of its pages, or keys are prefetched by whole rows.
std::optional<WholeTiles> wholeTiles(CacheType cache, int64_t block, LoadAttr keys);

/// A cursor walks through the tiles of the block ahead from their first byte to their last: through the first part of them while
/// q . k is computed, the next in softmax, the last in p . v, in steps that take as much of the tiles as the step takes of the
/// time. Memory that is asked for in bursts, or not at all for a while, delivers less.
struct Pace {
  struct Product {
    int64_t iterations, step; ///< of a row tile and a block; bytes for each
    int64_t bytes() const { return iterations * step; }
  };
  Product scores, sums;
  int64_t bytes; ///< of the block

  int64_t softmaxLines() const { return std::max<int64_t>(0, bytes - scores.bytes() - sums.bytes()) / 64; }
  /// Where the product that contracts channels, or tokens, begins.
  int64_t start(Contract contract) const { return contract == Contract::d ? 0 : std::max<int64_t>(0, bytes - sums.bytes()); }
  const Product &of(Contract contract) const { return contract == Contract::d ? scores : sums; }
};

/// What one row tile does with a block.
struct TileWork {
  int64_t rows;
  bool several; ///< it is one of several row tiles
  struct Elements {
    int64_t scores, sums;
  } elements; ///< of the contraction, in an iteration of a product's loop
};

/// The pace of one row tile; none where a block is not whole tiles.
std::optional<Pace> paceBlock(CacheType cache, ScheduleAttr schedule, const TileWork &tile);

} // namespace kv

#endif
