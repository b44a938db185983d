// Row tiles as the schedule has them, and what row operands are.
#ifndef KV_ROW_TILES_H
#define KV_ROW_TILES_H

#include "dialect/KernelBuilder.h"

namespace kv {

/// The row tile of an item that has one, or each of several, for which blocks are decoded once where that pays.
struct RowTile {
  int64_t rows;
  int64_t softmaxRows; ///< rows of softmax at a time
  bool several;
};
RowTile oneTile(ScheduleAttr schedule);
RowTile manyTiles(ScheduleAttr schedule); ///< of 0 rows where no item has several

/// Whether so many rows are one row tile, i1.
mlir::Value fitsOne(KernelBuilder &b, RowTilesAttr tiles, mlir::Value rows);

/// Elements of the contraction in an iteration of a product's loop, over codes as they are stored, or over those that are decoded.
int64_t elementsOfIteration(CacheType cache, ScheduleAttr schedule, Contract contract);
inline constexpr int64_t elementsOfDecoded = 4;
/// What the key record's codes are more than numbers by.
int64_t keyShift(CacheType cache, ScheduleAttr schedule);
/// Words of i32 of a row's operands, of so many elements.
int64_t rowWords(Dot dot, int64_t length);

} // namespace kv

#endif
