#include "compiler/schedule/RowTiles.h"
#include "compiler/codecs/CodecFamily.h"
#include "compiler/schedule/Pacing.h"
#include "dialect/DotRecord.h"

using namespace mlir;

namespace kv {

RowTile oneTile(ScheduleAttr schedule) {
  RowTilesAttr rows = schedule.getRows();
  return {rows.getOne(), rows.getSoftmax(), /*several=*/false};
}

RowTile manyTiles(ScheduleAttr schedule) {
  RowTilesAttr rows = schedule.getRows();
  return {rows.getMany(), rows.getManySoftmax(), /*several=*/true};
}

Value fitsOne(KernelBuilder &b, RowTilesAttr tiles, Value rows) {
  Value one = b.i64(tiles.getOne());
  return arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sle, rows, one);
}

int64_t elementsOfIteration(CacheType cache, ScheduleAttr schedule, Contract contract) {
  Stream stream = contract == Contract::d ? Stream::key : Stream::value;
  ProductPlanAttr plan = schedule.plan(contract);
  int64_t lanes = schedule.getTeam().getLanes();
  return loadsOfIteration(cache, {stream, contract}, plan.getLoad(), lanes, plan.getDot(), plan.getUnroll()) *
         plan.getLoad().getPack();
}

int64_t keyShift(CacheType cache, ScheduleAttr schedule) {
  OperandForm form = familyOf(cache.getKey()).operandForm(cache.getKey(), schedule.getScores().getDot());
  assert(form.factor == 1 && "keys are unsigned operands");
  return form.shift;
}

int64_t rowWords(Dot dot, int64_t length) { return length / dotDepth(dot) * rowParts(dot); }

} // namespace kv
