// How a team reads codes: which lanes lie together in memory, and where in a lane's bits each element of the contraction is.
#ifndef KV_STREAM_ACCESS_H
#define KV_STREAM_ACCESS_H

#include "compiler/schedule/Capabilities.h"
#include "dialect/Storage.h"

namespace kv {

/// How blocks of tokens lie on pages: each inside one (`even`), each of whole ones (`whole`), or cut short at the end of every
/// page.
enum class BlockFit { even, whole, cut };
BlockFit fitBlocks(CacheType cache, int64_t block);

/// A stream as a product reads it: which, and what is summed over. Alone, a stream is read as attention reads it: scores contract
/// channels of keys, sums tokens of values.
struct StreamRef {
  Stream stream;
  Contract contract;
  StreamRef(Stream stream) : stream(stream), contract(stream == Stream::key ? Contract::d : Contract::t) {}
  StreamRef(Stream stream, Contract contract) : stream(stream), contract(contract) {}
  bool overChannels() const { return contract == Contract::d; }
};

/// How many elements of the contraction one after another a thread reads for a matrix record; four threads read such runs in turn.
inline int64_t matrixRun(LoadAttr load) { return std::max<int64_t>(4, load.getPack()); }

/// Elements of the contraction that are read at once: of a load, or row by row of as many loads as lanes.
inline int64_t loadDepth(LoadAttr load, int64_t lanes) {
  return load.getPack() * (load.getKind() == LoadKind::transposed ? lanes : 1);
}

/// Whether `dot`, of less than f32, on vectors, can run on what `load` brings: lanes of 32 bits, or for records of f16 one vector
/// of 16-bit lanes.
bool fitsPackedDot(LoadAttr load, CodecAttr codec, Dot dot);

/// Where element `sub` of the record's lane comes from in step `step` of a load: z % pack. A load feeds pack / depth steps.
int64_t elementOfLane(LoadAttr load, int64_t bits, Dot dot, int64_t step, int64_t sub);

/// The greatest magnitude of a row operand: what its type holds and `length` products can add up to in 32 bits.
int64_t rowLevels(Dot dot, int64_t length);

/// What rounding to an integer record leaves of a row is kept in units of one part in so many: a byte.
constexpr double restUnits = 256;

/// The digits of a coordinate from its lowest on; those that follow one another in value as in memory are one.
llvm::SmallVector<Axis> joinedDigits(const Region &region, char coordinate);

/// Elements between z and z + step for every z that is a multiple of `step`, both in one aligned run of `run`, when that is one
/// number; else 0.
int64_t linearStride(const Region &region, char z, int64_t step, int64_t run);

/// The tokens of a block on one page are so many aligned tokens in turn, each run of which lies in one tile.
int64_t tokensInTile(const PageMap &map, int64_t tokensPerPage);

} // namespace kv

#endif
