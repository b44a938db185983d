// Rules of #kv.schedule and its groups. Each check names the rule of KvSchedule.td that it enforces.
#include "dialect/KvAttrs.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace kv {

using Report = function_ref<InFlightDiagnostic()>;

LogicalResult ItemAttr::verify(Report emitError, int64_t queries, int64_t heads, int64_t split) {
  if (std::min({queries, heads, split}) < 1) // C1
    return emitError() << "expected positive numbers of queries, heads and tokens of a split, got " << queries << ", " << heads
                       << " and " << split;
  return success();
}

LogicalResult RowTilesAttr::verify(Report emitError, int64_t one, int64_t many, bool always, int64_t softmax, int64_t manySoftmax,
                                   bool share) {
  if (one < 1 || softmax < 1 || one % softmax) // C1
    return emitError() << "expected a softmax of rows that divide a row tile of " << one << ", got " << softmax;
  if (many ? many < 0 || manySoftmax < 1 || many % manySoftmax : manySoftmax != 0) // C2
    return emitError() << "expected a softmax of rows that divide each of several row tiles of " << many << ", got " << manySoftmax;
  if (!many && (always || share)) // C2
    return emitError() << "expected several row tiles where there are always such, or they share a softmax";
  if (share && (softmax != manySoftmax || always)) // C3
    return emitError() << "expected a shared softmax of as many rows of one row tile as of several, got " << softmax << " and "
                       << manySoftmax << (always ? ", and always several" : "");
  return success();
}

LogicalResult BlockPlanAttr::verify(Report emitError, int64_t tokens, int64_t ahead, int64_t stages, StatePlace state, Masks) {
  if (tokens < 1 || ahead < 0 || stages < 0) // C1
    return emitError() << "expected tokens in a block, and blocks ahead from 0, got " << tokens << ", " << ahead << " and "
                       << stages;
  if (ahead && stages) // C2
    return emitError() << "expected blocks that are asked for or copied ahead, got " << ahead << " and " << stages;
  if (state == StatePlace::registers && !stages) // C3
    return emitError() << "expected a state in scratch where no blocks are copied ahead";
  return success();
}

LogicalResult LoadAttr::verify(Report emitError, LoadKind, ArrayRef<int64_t> elementBits, int64_t laneBits) {
  bool inside = llvm::all_of(elementBits, [&](int64_t bit) { return bit >= 0 && bit < laneBits; });
  if (elementBits.empty() || !inside) // C1
    return emitError() << "expected elements that begin in the " << laneBits << " bits of a lane";
  return success();
}

LogicalResult ProductPlanAttr::verify(Report emitError, Dot dot, LoadAttr, int64_t slice, int64_t manySlice, int64_t unroll,
                                      Decoding decode) {
  if (slice < 1 || manySlice < 0 || unroll < 0) // C1
    return emitError() << "expected a slice, and no negative numbers, got " << slice << ", " << manySlice << " and an unroll of "
                       << unroll;
  if (decode == Decoding::once && (dot != Dot::f32 || !manySlice)) // C2
    return emitError() << "expected several row tiles that are multiplied as f32 where codes are decoded once, got "
                       << stringifyDot(dot) << " and slices of " << manySlice;
  return success();
}

LogicalResult TeamAttr::verify(Report emitError, int64_t lanes, int64_t threads) {
  if (lanes < 1 || threads < 0 || threads % lanes) // C1
    return emitError() << "expected lanes that divide a team of " << threads << " threads, got " << lanes;
  return success();
}

LogicalResult ScheduleAttr::verify(Report emitError, ItemAttr, RowTilesAttr rows, BlockPlanAttr block, ProductPlanAttr scores,
                                   ProductPlanAttr sums, TeamAttr team, Route) {
  for (ProductPlanAttr plan : {scores, sums})
    for (int64_t slice : {plan.getSlice(), plan.getManySlice()})
      if (slice % team.getLanes()) // C1
        return emitError() << "expected slices of whole teams of " << team.getLanes() << ", got " << slice;
  for (bool several : {false, true})
    if (int64_t slice = scores.sliceOf(several); slice && block.getTokens() % slice) // C2
      return emitError() << "expected a block of whole slices of scores, got " << block.getTokens() << " tokens and slices of "
                         << slice;
  for (ProductPlanAttr plan : {scores, sums})
    if (bool(plan.getManySlice()) != bool(rows.getMany())) // C3
      return emitError() << "expected a slice for several row tiles where there are any, got row tiles of " << rows.getMany()
                         << " rows and slices of " << plan.getManySlice();
  if (block.getStages() && !team.getThreads()) // C4
    return emitError() << "expected a team of threads where blocks are copied ahead";
  return success();
}

} // namespace kv
