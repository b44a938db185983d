// How a team reads codes: which lanes lie together in memory, and where in a lane's bits each element of the contraction is.
#ifndef KV_STREAM_ACCESS_H
#define KV_STREAM_ACCESS_H

#include "dialect/Storage.h"

namespace kv {

/// What one load of a team brings: `lanes` consecutive x, each with `pack` consecutive z in its bits.
struct LoadRecord {
  enum Kind {
    vector, ///< the lanes lie one after another: one vector load
    halves, ///< 4-bit lanes one after another, two in a byte
    rows,   ///< each lane's `pack` elements lie together, the lanes apart: one scalar load a lane
    single  ///< every element is apart, pack is 1
  } kind;
  int64_t pack;
  int64_t laneBits;                       ///< bits of a lane that are read: pack * element bits
  llvm::SmallVector<int64_t> elementBits; ///< bit offset in the lane of element z % pack
};

/// The widest load for lanes along `x` and a contraction along `z` ('t' or 'd') of `region`, whose z ranges start at and span multiples
/// of `alignment`.
LoadRecord chooseLoad(const Region &region, char x, char z, int64_t lanes, int64_t alignment);

/// Elements between z and z + step for every z that is a multiple of `step`, when that is one number; else 0.
int64_t linearStride(const Region &region, char z, int64_t step);

} // namespace kv

#endif
