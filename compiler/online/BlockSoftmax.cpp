// Softmax of a block: probabilities of the tokens that rows see, their maximum and sum, and the probabilities as operands of the
// value record.
#include "compiler/online/BlockAttend.h"

#include <cfloat>
#include <limits>

using namespace mlir;

namespace kv {

/// Slice by slice, whether a row sees a token: those before `limit` and, where there is one, from `low` on; one number for each
/// row.
SmallVector<Value> BlockAttend::masksBelow(Value limit, Value low) {
  RankedTensorType integers = scoreTile(tile.softmaxRows).clone(b.getI32Type());
  SmallVector<Value> masks;
  for (int64_t x = 0; x < block; x += sliceOf(Contract::d)) {
    Value index = IndexOp::create(b, b.loc, b.tile({sliceOf(Contract::d)}, b.getI32Type()), b.i32(int32_t(x)));
    Value tokens = b.spread(index, 1, integers), limits = b.spread(limit, 0, integers);
    masks.push_back(b.isLess(tokens, limits));
    if (!low)
      continue;
    Value starts = b.spread(low, 0, integers);
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
    // Rows of one query see the same tokens.
    bool same = r && group() % rows == 0;
    limits.push_back(same ? limits.front() : limitOf(queryOfRow(thisRow)));
    if (hasStart())
      lows.push_back(same ? lows.front() : startOf(queryOfRow(thisRow)));
  }
  RankedTensorType perRow = b.tileF32({rows}), rowI32 = perRow.clone(b.getI32Type()), scoreType = scoreTile(rows);
  Weights result;
  result.limit = RowsOp::create(b, b.loc, rowI32, limits);
  if (hasStart())
    result.low = RowsOp::create(b, b.loc, rowI32, lows);

  // What the distance of a score from its row's greatest is multiplied by, to be in units of log2. Scores themselves never are:
  // those near the end of f32 would overflow, and of great ones the rounded product would be off by more than exp2 bears.
  Value unit = roundsQueries() ? b.fetch(op.getScales(), row, zero(), {rows}) : b.spread(b.f32(factor()), 0, perRow);
  if (hasScore()) { // else scores are products as they are
    for (Value &slice : s)
      slice = b.mulf(slice, b.spread(unit, 0, scoreType));
    unit = b.spread(b.f32(log2e), 0, perRow);
  }
  SmallVector<Value> masks = masksBelow(result.limit, result.low);
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

/// Probabilities times the scales of a group of values, as operands of rows `rowOfTile` and on of the tile.
BlockAttend::Operands BlockAttend::weigh(Value group, const Weights &weights, Value rowOfTile) {
  CodecAttr codec = cache.getValue();
  if (!codec.hasScale())
    return packProbabilities(weights.p, rowOfTile);
  Value bias;
  SmallVector<Value> weighted, masks = masksBelow(weights.limit, weights.low);
  for (auto [i, p] : llvm::enumerate(weights.p)) {
    auto read = [&, i = int64_t(i)](CodecParameter parameter) -> Value {
      Value read = ReadOp::create(b, b.loc, b.tileF32({sliceOf(Contract::d)}), op.getBlock(), Stream::value, parameter,
                                  b.i64(i * sliceOf(Contract::d)), group);
      return b.spread(read, 1, scoreTile(tile.softmaxRows));
    };
    auto weigh = [&, i = i, p = p](Value by) -> Value {
      Value product = b.mulf(p, by);
      // What lies past the end may be anything: 0 * NaN is NaN.
      return arith::SelectOp::create(b, b.loc, masks[i], product, b.spreadLike(b.f32(0), product));
    };
    Value scale = read(CodecParameter::scale), lifted = scale;
    if (double lift = weightLift(); lift != 1)
      lifted = b.mulf(scale, b.spreadLike(b.f32(lift), scale));
    weighted.push_back(weigh(lifted));
    if (codec.hasZero()) {
      Value middle = weigh(middleOf(codec, read(CodecParameter::zero), scale));
      bias = bias ? b.addf(bias, middle) : middle;
    }
  }
  if (bias)
    bias = ReduceOp::create(b, b.loc, b.tileF32({tile.softmaxRows}), Reduction::add, bias);
  Operands operands = packProbabilities(weighted, rowOfTile);
  operands.bias = bias;
  return operands;
}

/// Writes probabilities as row operands of the value record. Rounded ones are relative to the row's greatest.
BlockAttend::Operands BlockAttend::packProbabilities(ArrayRef<Value> p, Value rowOfTile) {
  if (!roundsProbabilities()) {
    for (auto [i, slice] : llvm::enumerate(p))
      b.put(slice, homes.probabilities, rowOfTile, b.i64(int64_t(i) * sliceOf(Contract::d)));
    return {};
  }
  Dot dot = dotOf(Contract::t);
  OperandForm form = familyOf(cache.getValue()).operandForm(cache.getValue(), dot);
  double levels = double(rowLevels(dot, block));
  RankedTensorType perRow = b.tileF32({tile.softmaxRows}), integers = perRow.clone(b.getI32Type());
  auto splat = [&](double value) { return b.spread(b.f32(value), 0, perRow); };
  // Numbers that are not negative are ordered as their bits are, and NaN is the greatest of them.
  Value bits = b.bitsOf(p[0]);
  for (Value slice : p.drop_front())
    bits = arith::MaxUIOp::create(b, b.loc, b.bitsOf(slice), bits);
  bits = ReduceOp::create(b, b.loc, integers, Reduction::umax, bits);
  Value greatest = arith::BitcastOp::create(b, b.loc, perRow, bits);
  Operands result;
  double unit = 1 / levels / double(form.factor) / weightLift();
  Value scale = b.mulf(greatest, splat(unit)), check = b.mulf(greatest, splat(0)); // NaN of infinity
  result.scale = b.addf(scale, check);
  Value inverse = b.spread(b.levelsPerUnit(greatest, levels), 0, scoreTile(tile.softmaxRows)), sum;
  for (auto [i, slice] : llvm::enumerate(p)) {
    if (asksInPacking())
      ask();
    // Rounding may take the product as it is, if nothing else is to round it alike.
    auto fuse = form.shift ? arith::FastMathFlags::none : arith::FastMathFlags::contract;
    Value scaled = arith::MulFOp::create(b, b.loc, slice, inverse, fuse);
    PackOp::create(b, b.loc, scaled, homes.probabilities, rowOfTile, b.i64(int64_t(i) * sliceOf(Contract::d)), Stream::value, dot,
                   cache);
    if (form.shift)
      sum = sum ? b.addf(sum, b.round(scaled)) : b.round(scaled);
  }
  if (form.shift) {
    Value total = ReduceOp::create(b, b.loc, perRow, Reduction::add, sum);
    Value start = b.mulf(total, splat(-double(form.shift * form.factor)));
    result.start = arith::FPToSIOp::create(b, b.loc, integers, start);
  }
  return result;
}

} // namespace kv
