// Softmax of a block: probabilities of the tokens that rows see, their maximum and sum, and the probabilities as weights of values.
#include "compiler/online/BlockAttend.h"

#include <cfloat>
#include <limits>

using namespace mlir;

namespace kv {

SmallVector<Value> masksBetween(KernelBuilder &b, RankedTensorType slice, int64_t slices, Value begin, Value end) {
  int64_t width = slice.getDimSize(1);
  RankedTensorType integers = slice.clone(b.getI32Type());
  SmallVector<Value> masks;
  if (!end)
    return SmallVector<Value>(size_t(slices));
  for (int64_t x = 0; x < slices * width; x += width) {
    Value index = IndexOp::create(b, b.loc, b.tile({width}, b.getI32Type()), b.i32(int32_t(x)));
    Value tokens = b.spread(index, 1, integers), limits = b.spread(end, 0, integers);
    masks.push_back(b.isLess(tokens, limits));
    if (!begin)
      continue;
    Value starts = b.spread(begin, 0, integers);
    Value started = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sge, tokens, starts);
    masks.back() = arith::AndIOp::create(b, b.loc, masks.back(), started);
  }
  return masks;
}

/// Works on `softmaxRows` rows from `ofHead` on; maximum and sum of each become what they are with the block.
BlockAttend::Weights BlockAttend::softmax(Value ofHead, SmallVector<Value> s) {
  int64_t rows = tile.softmaxRows;
  Value row = rowOf(ofHead);
  SmallVector<Value> positions, heads, limits, lows;
  for (int64_t r = 0; r < rows; ++r) {
    Value thisRow = b.add(ofHead, r);
    positions.push_back(b.toI32(positionOf(queryOfRow(thisRow))));
    if (hasScore())
      heads.push_back(b.toI32(headOfRow(thisRow)));
    if (op.getWhole())
      continue;
    // Rows of one query see the same tokens.
    bool same = r && group() % rows == 0;
    limits.push_back(same ? limits.front() : limitOf(queryOfRow(thisRow)));
    if (hasStart())
      lows.push_back(same ? lows.front() : startOf(queryOfRow(thisRow)));
  }
  RankedTensorType perRow = b.tileF32({rows}), rowI32 = perRow.clone(b.getI32Type()), scoreType = scoreTile(rows);
  Weights result;
  if (!op.getWhole())
    result.limit = RowsOp::create(b, b.loc, rowI32, limits);
  if (hasStart() && !op.getWhole())
    result.low = RowsOp::create(b, b.loc, rowI32, lows);

  // What the distance of a score from its row's greatest is multiplied by, to be in units of log2. Scores themselves never are:
  // those near the end of f32 would overflow, and of great ones the rounded product would be off by more than exp2 bears.
  Value unit = roundsQueries() ? b.fetch(op.getScales(), row, zero(), {rows}) : b.spread(b.f32(factor()), 0, perRow);
  if (hasScore()) { // else scores are products as they are
    for (Value &slice : s)
      slice = b.mulf(slice, b.spread(unit, 0, scoreType));
    unit = b.spread(b.f32(log2e), 0, perRow);
  }
  SmallVector<Value> masks = masksBetween(b, scoreType, int64_t(s.size()), result.low, result.limit);
  for (auto [i, slice] : llvm::enumerate(s)) {
    if (hasScore()) {
      Value position = RowsOp::create(b, b.loc, rowI32, positions), headTile = RowsOp::create(b, b.loc, rowI32, heads);
      Value tokens = IndexOp::create(b, b.loc, b.tile({sliceOf(Contract::d)}, b.getI32Type()),
                                     b.toI32(b.add(op.getToken(), int64_t(i) * sliceOf(Contract::d))));
      slice = inlineScore(b, op.getScore(), slice, position, headTile, tokens, [&](int64_t param) {
        SmallVector<Value> values;
        for (int64_t r = 0; r < rows; ++r)
          values.push_back(b.argument(param, headOfRow(b.add(ofHead, r))));
        return RowsOp::create(b, b.loc, perRow, values).getResult();
      });
    }
    if (!masks[i])
      continue;
    Value nothing = b.spreadLike(b.f32(-std::numeric_limits<double>::infinity()), slice);
    slice = arith::SelectOp::create(b, b.loc, masks[i], slice, nothing);
  }

  Value greatest = s[0];
  for (Value slice : llvm::drop_begin(s))
    greatest = b.maxf(slice, greatest);
  Value oldMax = carried ? carried->max : b.fetch(op.getState()[0], row, zero(), {rows});
  Value oldSum = carried ? carried->sum : b.fetch(op.getState()[1], row, zero(), {rows});
  Value blockMax = ReduceOp::create(b, b.loc, perRow, Reduction::max, greatest);
  Value newMax = b.maxf(blockMax, oldMax);
  // A finite reference, so that a row without keys gives exp2(-inf), not exp2(NaN).
  Value reference = b.maxf(newMax, b.spread(b.f32(-FLT_MAX), 0, perRow));
  result.correction = b.exp2(b.mulf(b.subf(oldMax, reference), unit));
  Value spreadReference = b.spread(reference, 0, scoreType), spreadUnit = b.spread(unit, 0, scoreType), total;
  for (Value slice : s) {
    Value exponent = b.mulf(b.subf(slice, spreadReference), spreadUnit);
    ask();
    result.p.push_back(b.exp2(exponent, exponentBits()));
    total = total ? b.addf(total, result.p.back()) : result.p.back();
  }
  Value added = ReduceOp::create(b, b.loc, perRow, Reduction::add, total);
  Value newSum = b.addf(b.mulf(oldSum, result.correction), added);
  if (carried) {
    carried->max = newMax;
    carried->sum = newSum;
  } else {
    b.put(newSum, op.getState()[1], row, zero());
    b.put(newMax, op.getState()[0], row, zero());
  }
  return result;
}

/// Probabilities as row operands of products with a group of values, rows `rowOfTile` and on of the tile. They are packed once a
/// block where there is one group; then memory may be asked for.
void BlockAttend::weigh(Value group, const Weights &weights, Value rowOfTile) {
  SmallVector<Type> types = llvm::to_vector(ValueRange(weights.p).getTypes());
  auto weighed = WeighOp::create(b, b.loc, types, weights.p, weights.limit, weights.low, op.getBlock(), Stream::value, group);
  OperandsOp::create(b, b.loc, weighed.getWeights(), homes.probabilities, rowOfTile, Stream::value, cache,
                     valueGroups() == 1 ? mine : Value(), APFloat(1.0));
}

} // namespace kv
