// #kv.map, ready to be asked: which coordinates the parts of a tile have in a team of threads.
#ifndef KV_LANE_MAP_H
#define KV_LANE_MAP_H

#include "dialect/KvAttrs.h"
#include "mlir/IR/BuiltinTypes.h"

namespace kv {

/// A thread's part of a tile is one element. Its coordinates are a constant, which the part has, plus an offset, which the thread
/// has.
class LaneMap {
public:
  explicit LaneMap(mlir::RankedTensorType type);

  int64_t rank() const { return int64_t(dims.size()); }
  size_t numParts() const { return parts.size(); }
  /// The part's constant in dimension `dim`.
  int64_t constant(size_t part, int64_t dim) const { return parts[part][dim]; }
  /// The part whose constants are these.
  size_t partAt(llvm::ArrayRef<int64_t> constants) const;
  /// Which bits of the thread's number are which bits of the coordinate.
  llvm::ArrayRef<int64_t> bits(int64_t dim) const { return dims[dim]; }
  /// Bits of the coordinate that the part's constant has, not the thread.
  int64_t inRegisters(int64_t dim) const;
  /// Bits of a thread's number, of a team of `threads`, that make no difference to what it holds.
  int64_t idleBits(int64_t threads) const;

private:
  llvm::SmallVector<llvm::SmallVector<int64_t>> dims, parts;
};

} // namespace kv

#endif
