// How the rows of an item are cut, into one row tile or into several, and what their operands are.
#ifndef KV_ROW_TILES_H
#define KV_ROW_TILES_H

#include "dialect/KvTypes.h"

namespace kv {

struct RowTile {
  int64_t rows, keySlice, valueSlice;
  int64_t softmaxRows; ///< rows of softmax at a time
  bool several;
};

/// The row tiles of items that have one, or several. `shared`: rows at a time of a softmax that serves both kinds, or 0.
RowTile oneTile(ScheduleAttr schedule, int64_t shared);
RowTile manyTiles(ScheduleAttr schedule, int64_t shared); ///< of 0 rows where no item has several

/// Rows at a time of a softmax that both kinds of row tile can share; 0 where there is none.
int64_t rowsOfSharedSoftmax(ScheduleAttr schedule);

/// Elements of the contraction in an iteration of a product's loop, over codes as they are stored.
int64_t elementsOfIteration(CacheType cache, ScheduleAttr schedule, Stream stream);
/// What the key record's codes are more than numbers by.
int64_t keyShift(CacheType cache, ScheduleAttr schedule);
/// Words of i32 of a row's operands, of so many elements.
int64_t rowWords(Dot dot, int64_t length);

} // namespace kv

#endif
