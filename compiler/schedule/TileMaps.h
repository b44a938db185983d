// The maps that ops give tiles: #kv.tile where lanes are a vector's, #kv.map where they are threads.
#ifndef KV_TILE_MAPS_H
#define KV_TILE_MAPS_H

#include "dialect/DotRecord.h"
#include "mlir/IR/BuiltinTypes.h"

namespace kv {

class TileMaps {
public:
  explicit TileMaps(ScheduleAttr schedule) : lanes(schedule.getTeam().getLanes()), threads(schedule.getTeam().getThreads() != 0) {}

  /// The last dimension along lanes, the other along registers.
  mlir::Attribute alongLanes(mlir::RankedTensorType type) const;
  /// Places one number for each row, a tile of rank 1: in one vector, or a scalar where there is one row; each thread of a team has
  /// them all.
  mlir::Attribute ofRows(mlir::RankedTensorType type) const;
  /// Sums of a product by a dot record.
  mlir::Attribute ofSums(mlir::RankedTensorType type, Dot dot) const;
  /// Places a tile of rank 1 that is spread along dimension `dim` of `tile`, or to which `tile` is reduced along the other one.
  /// `map` is that of `tile`.
  mlir::Attribute ofLine(mlir::RankedTensorType tile, mlir::Attribute map, int64_t dim) const;

private:
  int64_t lanes;
  bool threads;
};

} // namespace kv

#endif
