#include "compiler/online/RowTiles.h"
#include "compiler/codecs/CodecFamily.h"
#include "compiler/schedule/Pacing.h"
#include "dialect/DotRecord.h"

#include <numeric>

namespace kv {

/// Rows of softmax at a time: as the schedule says, or a few less that so many rows are a multiple of.
static int64_t softmaxRows(ScheduleAttr schedule, int64_t rows) {
  int64_t few = schedule.getSoftmaxRows() ? std::min(schedule.getSoftmaxRows(), rows) : rows;
  while (rows && rows % few)
    --few;
  return few;
}

int64_t rowsOfSharedSoftmax(ScheduleAttr schedule) {
  if (!schedule.getManyRows())
    return 0;
  int64_t rows = std::gcd(softmaxRows(schedule, schedule.getRows()), schedule.getManyRows());
  return rows > 1 || schedule.getRows() == 1 ? rows : 0;
}

RowTile oneTile(ScheduleAttr schedule, int64_t shared) {
  int64_t rows = schedule.getRows();
  return {rows, schedule.getKeySlice(), schedule.getValueSlice(), shared ? shared : softmaxRows(schedule, rows), /*several=*/false};
}

RowTile manyTiles(ScheduleAttr schedule, int64_t shared) {
  int64_t rows = schedule.getManyRows();
  return {rows, schedule.getManyKeySlice(), schedule.getManyValueSlice(), shared ? shared : softmaxRows(schedule, rows),
          /*several=*/true};
}

int64_t elementsOfIteration(CacheType cache, ScheduleAttr schedule, Stream stream) {
  Dot dot = stream == Stream::key ? schedule.getKeyDot() : schedule.getValueDot();
  return loadsOfIteration(cache, stream, schedule.getLanes(), dot, schedule.getUnroll()) *
         productLoad(cache, stream, schedule.getLanes()).pack;
}

int64_t keyShift(CacheType cache, ScheduleAttr schedule) {
  OperandForm form = familyOf(cache.getKey()).operandForm(cache.getKey(), schedule.getKeyDot());
  assert(form.factor == 1 && "keys are unsigned operands");
  return form.shift;
}

int64_t rowWords(Dot dot, int64_t length) { return length / dotDepth(dot) * rowParts(dot); }

} // namespace kv
