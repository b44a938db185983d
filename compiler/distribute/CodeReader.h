// Reads the codes of a stream of a block: where the lanes of a team lie, how they are loaded, and what they are decoded to.
#ifndef KV_CODE_READER_H
#define KV_CODE_READER_H

#include "compiler/codecs/CodecFamily.h"
#include "compiler/distribute/Distributor.h"

namespace kv {

/// One stream of a block.
struct StreamSource {
  StreamSource(Distributor &d, mlir::Value blockValue, StreamRef stream)
      : d(d), b(d.b), block(d.blocks.find(blockValue)->second), stream(stream), overChannels(stream.overChannels()),
        cache(mlir::cast<BlockType>(blockValue.getType()).getCache()), codec(cache.getCodec(stream.stream)),
        family(familyOf(codec)), region(block.map.codes(stream.stream)) {}

  Distributor &d;
  TeamBuilder &b;
  const BlockPages &block;
  StreamRef stream;
  bool overChannels; ///< what is contracted: channels, with tokens along lanes; else tokens, with channels along lanes
  CacheType cache;
  CodecAttr codec;
  const CodecFamily &family;
  const Region &region;
};

/// The lanes lie along x, the elements of a load along z, which is contracted.
struct CodeReader : StreamSource {
  /// `type`: of the tile whose last dimension lies along x. `dot`: the record that takes what is loaded, in the form of the codec
  /// for it.
  CodeReader(Distributor &d, mlir::Value blockValue, StreamRef stream, mlir::RankedTensorType type, Dot dot);

  using Value = mlir::Value;
  template <typename T> using SmallVector = llvm::SmallVector<T>;

  mlir::RankedTensorType type;
  int64_t lanes, vectors;
  LoadAttr load;
  bool wholeRows;  ///< a load of a lane's row fills a register: as many loads as lanes are transposed
  int64_t tileRun; ///< tokens of one tile
  int64_t stride;  ///< elements from a load to the next along z; 0 where that is not one number
  int64_t flipOfCode; ///< bits that differ between a stored element and the record's

  /// Where a vector of lanes is: its page and the coordinates of its first lane.
  struct Lanes {
    Value head, page, x;          ///< x: a slot, or a channel
    Value origin;                 ///< where z counts from: channel 0, or a slot
    SmallVector<Value> addresses; ///< at z = 0, of the vector or of each lane; empty when z is not linear
  };
  /// All vectors of tokens, from token `first` of the block on.
  SmallVector<Lanes> tokensAt(const TokenPages &where, Value first);
  /// All vectors of channels, from channel `x` on; z counts from token `first` of the block, or from its first token. A run of
  /// tokens that lies on one page.
  SmallVector<Lanes> channelsAt(const TokenPages &where, Value x, Value first);

  Value address(const Lanes &at, int64_t lane, Value z);
  /// vector<lanes x iN>, N = 8, 16 or 32: the lane's elements in its low bits as the load's elementBits say, flipped.
  Value loadRaw(const Lanes &at, Value z);
  /// What as many loads as there are lanes bring, from z on: of each lane its words in one load, transposed.
  SmallVector<Value> loadRows(const Lanes &at, Value z);
  /// Lanes with zeros for the elements at zEnd and later.
  Value keepBetween(Value raw, Value z, Value zBegin, Value zEnd);
  /// Element `element` of every lane as f32: a number of the codec.
  Value decode(Value raw, int64_t element) { return family.decode(b, codec, raw, load.getElementBits()[element]); }
  /// Whether load k of an iteration, vector u, is the first to touch its line of 64 bytes; consecutive loads may share one.
  bool startsLine(int64_t k, int64_t u) const;

private:
  std::optional<int64_t> bytesBetweenVectors() const;
  std::optional<Lanes> following(llvm::ArrayRef<Lanes> placed) const;
  Lanes place(const TokenPages &where, Value page, Value x, Value origin);
  Lanes placeOwn(Value page, Value x, Value origin);
  /// Of a thread, among those along x.
  Value ownLane() { return b.laneOffset(LaneMap(type).bits(1)); }
  Value elementOf(const Lanes &at, Value x, Value z) {
    z = b.KernelBuilder::add(at.origin, z);
    return overChannels ? b.element(region, at.head, x, z) : b.element(region, at.head, z, x);
  }
  Value zOffset(Value z);
  Value laneX(const Lanes &at, int64_t lane);
  Value loadNibble(const Lanes &at, Value x, Value z);
  Value loadElement(const Lanes &at, int64_t lane, Value z);
  Value loadLanes(const Lanes &at, Value z);
  int64_t flipOfLane();
  /// 4-bit elements that are loaded by themselves.
  bool isNibble() const { return region.bits < 8 && (load.getKind() == LoadKind::halves || load.getKind() == LoadKind::single); }
};

} // namespace kv

#endif
