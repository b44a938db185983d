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
  /// Of a tile of rank 1, a number for each row: one vector, or a scalar of a row alone; each thread of a team has them all.
  mlir::Attribute ofRows(mlir::RankedTensorType type) const;
  /// Sums of a product by a dot record.
  mlir::Attribute ofSums(mlir::RankedTensorType type, Dot dot) const;
  /// Of a tile of rank 1 that is spread along dimension `dim` of `tile`, or what `tile` is reduced to along the other one. `map`:
  /// of `tile`.
  mlir::Attribute ofLine(mlir::RankedTensorType tile, mlir::Attribute map, int64_t dim) const;

private:
  int64_t lanes;
  bool threads;
};

} // namespace kv

#endif
