// What an attend kernel does with the rows of an item and a block of tokens: scores, softmax, accumulation.
//
// One row tile goes through in registers. Of several, which share a block:
//
//   numbers = decoded codes                                 once a block, where rows are multiplied as f32
//   for each row tile:
//     s = q . k                                             of all its rows
//     for each few rows of it:  p = softmax(s), packed      as many as the registers hold
//     acc = acc * c + p . v                                 of all its rows
//
// A shared softmax is the middle part of both: what is before and after it is chosen by the rows of the item.
#include "compiler/online/AttendImpl.h"

#include <cfloat>
#include <limits>

using namespace mlir;

namespace kv {

/// `here` holds at least one token.
void Attend::attendBlock(Value blockValue, Span here, const Head &head) {
  if (schedule.getHalide())
    return attendByFunction(blockValue, here, head);
  inTiles([&] {
    if (tile.several)
      decodeBlock(blockValue, here.count);
  });
  auto rows = [&](Value ofHead) { attendRows({blockValue, here, head, ofHead}); };
  if (carried || !(schedule.getThreads() || sharesSoftmax || tile.several))
    return rows(zero());
  if (!sharesSoftmax)
    return b.loop(zero(), paddedRows, tile.rows, rows);
  Value tiles = arith::SelectOp::create(b, b.loc, fitsOne(), b.i64(1), b.div(paddedRows, many.rows));
  b.loop(zero(), tiles, 1, [&](Value index) { rows(b.mul(index, many.rows)); });
}

/// Codes as f32 into scratch: of every slice of tokens, or channels, a row for each z.
void Attend::decodeBlock(Value blockValue, Value count) {
  int64_t lanes = schedule.getLanes();
  if (decodesOnce(Stream::key)) {
    int64_t dim = cache.getKeyDim(), depth = loadDepth(cache, Stream::key, lanes);
    int64_t width = depth > 4 ? lanes : tile.keySlice; // what the registers hold of so many loads
    b.loop(zero(), b.i64(block), width, [&](Value x) {
      Value first = b.mul(b.div(x, tile.keySlice), dim), column = b.rem(x, tile.keySlice);
      b.loop(zero(), b.i64(dim), depth, [&](Value z) {
        Value codes = DecodeOp::create(b, b.loc, b.tileF32({depth, width}), blockValue, Stream::key, Contract::d, z, x);
        b.put(codes, homeCodes[0], b.add(first, z), column);
      });
    });
  }
  if (decodesOnce(Stream::value)) {
    int64_t depth = loadDepth(cache, Stream::value, lanes), width = tile.valueSlice;
    b.loop(zero(), count, depth, [&](Value z) {
      b.loop(zero(), b.i64(cache.getValueDim() / width), 1, [&](Value slice) {
        Value codes =
            DecodeOp::create(b, b.loc, b.tileF32({depth, width}), blockValue, Stream::value, Contract::t, z, b.mul(slice, width));
        b.put(codes, homeCodes[1], b.add(b.mul(slice, block), z), zero());
      });
    });
  }
}

/// Read again for each product: kept, it would take a register from the loops of all of them.
Value Attend::hasOutliers(const Rows &at) {
  if (!homeRefined)
    return {};
  Value flag = RowOp::create(b, b.loc, b.getI32Type(), b.fetch(homeRefined, rowOf(at), zero(), {1}));
  return arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::ne, flag, b.i32(0));
}

void Attend::attendRows(const Rows &at) {
  if (!hasParts()) {
    SmallVector<Value> s;
    for (int64_t x = 0; x < block; x += tile.keySlice)
      s.push_back(scores(at, b.i64(x)));
    Weights weights = softmax(at, zero(), s);
    Seen seen = seenBy(at);
    return eachGroup([&](Value group, int64_t number) {
      accumulate(at, seen, group, number, weights.correction, weigh(at, group, weights, zero()));
    });
  }
  inTiles([&] { b.loop(zero(), b.i64(block), tile.keySlice, [&](Value x) { b.put(scores(at, x), homeS, zero(), x); }); });
  Value softmaxEnd = b.i64(tile.rows);
  if (sharesSoftmax) {
    use(many);
    softmaxEnd = arith::SelectOp::create(b, b.loc, fitsOne(), b.i64(one.rows), b.i64(many.rows));
  }
  auto put = [&](Value value, Value home, Value row) {
    if (value)
      b.put(value, home, row, zero());
  };
  int64_t few = tile.softmaxRows;
  auto fetch = [&](Value home, Value row) {
    SmallVector<Value> slices;
    for (int64_t x = 0; x < block; x += tile.keySlice)
      slices.push_back(b.fetch(home, row, b.i64(x), {few, tile.keySlice}));
    return slices;
  };
  bool hasScale = roundsProbabilities(), hasStart = false, hasBias = cache.getValue().isInteger() && cache.getValue().isAsym();
  auto weighRows = [&](Value group, const Weights &weights, Value row) {
    Operands operands = weigh(at, group, weights, row);
    hasStart |= bool(operands.start);
    put(operands.scale, homeScale, row);
    put(operands.start, homeStart, row);
    put(operands.bias, homeBias, row);
  };
  b.loop(zero(), softmaxEnd, few, [&](Value row) {
    Weights weights = softmax({at.block, at.here, at.head, b.add(at.ofHead, row)}, row, fetch(homeS, row));
    put(weights.correction, homeCorrection, row);
    if (valueGroups() == 1)
      return weighRows(zero(), weights, row);
    put(weights.limit, homeLimit, row);
    for (auto [i, slice] : llvm::enumerate(weights.p))
      b.put(slice, homeS, row, b.i64(int64_t(i) * tile.keySlice));
  });
  eachGroup([&](Value group, int64_t number) {
    if (valueGroups() > 1)
      b.loop(zero(), softmaxEnd, few, [&](Value row) {
        weighRows(group, {fetch(homeS, row), b.fetch(homeLimit, row, zero(), {few}), Value()}, row);
      });
    inTiles([&] {
      auto all = [&](bool there, Value home) { return there ? b.fetch(home, zero(), zero(), {tile.rows}) : Value(); };
      Operands operands{all(hasScale, homeScale), all(hasStart, homeStart), all(hasBias, homeBias)};
      accumulate(at, seenBy(at), group, number, all(true, homeCorrection), operands);
    });
    if (sharesSoftmax)
      use(many);
  });
}

Attend::Ask Attend::ask(const Rows &at, Value byte, int64_t step) {
  if (!pace)
    return {};
  int64_t fewest = tile.several ? fewestTiles() : 1, lines = int64_t(llvm::divideCeil(step, 64 * fewest));
  if (!tile.several)
    return {{byte, b.i64(step)}, lines};
  auto share = [&](Value bytes) { return b.div(arith::MulIOp::create(b, b.loc, bytes, tilesShare), int64_t(1) << 24); };
  return {{share(b.add(b.mul(b.div(at.ofHead, tile.rows), pace->bytes), byte)), share(b.i64(step))}, lines};
}

/// init + operands of the row tile x a slice of the block from x on, over [zBegin, seen.end).
Value Attend::product(const Rows &at, StreamRef ref, Value x, Value zBegin, const Seen &seen, Value init) {
  bool isScores = ref.overChannels(), decoded = decodesOnce(ref.stream);
  Dot dot = isScores ? schedule.getKeyDot() : schedule.getValueDot();
  Value home = isScores ? homeQ : homeP, row = isScores ? rowOf(at) : zero();
  Value slice = b.div(x, isScores ? tile.keySlice : tile.valueSlice);
  auto type = cast<RankedTensorType>(init.getType());
  int64_t along = isScores ? cache.getDim(ref.stream) : block;
  Ask asked;
  if (pace) { // in the order of the kernel: slices, groups of keys
    Value before = b.mul(b.add(b.mul(slice, along), zBegin), rowParts(dot));
    const Pace::Product &walk = isScores ? pace->key : pace->value;
    Value iteration = b.div(before, decoded ? multiplyUnroll : elementsOfIteration(ref.stream));
    asked = ask(at, b.add(b.mul(iteration, walk.step), isScores ? 0 : pace->valueStart()), walk.step);
  }
  if (!decoded)
    return ProductOp::create(b, b.loc, type, home, row, at.block, ref.stream, dot, ref.contract, x, zBegin, seen.end,
                             schedule.getUnroll(), init, seen.limits, isScores ? homeQRest : Value(),
                             isScores ? hasOutliers(at) : Value(), asked.bytes, asked.lines);
  return MultiplyOp::create(b, b.loc, type, home, row, homeCodes[isScores ? 0 : 1], b.mul(slice, along), at.block, zBegin, seen.end,
                            multiplyUnroll, init, seen.limits, asked.bytes, asked.lines);
}

/// q . k of a row tile and a slice of tokens of the block, from token x on; decoded but for the rows' scales.
Value Attend::scores(const Rows &at, Value x) {
  CodecAttr codec = cache.getKey();
  int64_t rows = tile.rows;
  RankedTensorType scoreType = scoreTile(rows), integers = scoreType.clone(b.getI32Type());
  auto rowSum = [&](Value run) { return b.fetch(homeQSum, sumOfRow(rowOf(at), run), zero(), {rows}); };
  auto sum = [&](Value zBegin, int64_t length, Value run) -> Value {
    Value init = b.spread(b.f32(0), 0, scoreType);
    if (isIntegerDot(schedule.getKeyDot())) {
      init = b.spread(b.i32(0), 0, integers);
      if (keyShift()) { // the sum starts at what the shift of the codes adds
        Value start = b.mulf(rowSum(run), b.spread(b.f32(-double(keyShift())), 0, b.tileF32({rows})));
        init = b.spread(arith::FPToSIOp::create(b, b.loc, b.tile({rows}, b.getI32Type()), start), 0, integers);
      }
    }
    Value sum = product(at, Stream::key, x, zBegin, {b.end(zBegin, length), {}}, init);
    return isIntegerDot(schedule.getKeyDot()) ? arith::SIToFPOp::create(b, b.loc, scoreType, sum).getResult() : sum;
  };
  auto read = [&](CodecParameter parameter, Value group) -> Value {
    Value read = ReadOp::create(b, b.loc, b.tileF32({tile.keySlice}), at.block, Stream::key, parameter, x, group);
    return b.spread(read, 1, scoreType);
  };
  // sum over a run of q * (middle + centred code * scale)
  auto decoded = [&](Value run) {
    Value group = b.div(run, codec.getGroup() / keyRun());
    Value s = b.mulf(sum(b.mul(run, keyRun()), keyRun(), run), read(CodecParameter::scale, group));
    if (!codec.isAsym())
      return s;
    Value middle = middleOf(codec, read(CodecParameter::zero, group), read(CodecParameter::scale, group));
    return b.addf(s, b.mulf(middle, b.spread(rowSum(run), 0, scoreType)));
  };
  if (!codec.isInteger())
    return sum(zero(), cache.getKeyDim(), zero());
  if (keyRuns() == 1)
    return decoded(zero());
  return b.loop(zero(), b.i64(keyRuns()), 1, {b.spread(b.f32(0), 0, scoreType)},
                [&](Value run, ValueRange sum) -> SmallVector<Value> { return {b.addf(sum[0], decoded(run))}; })[0];
}

/// Slice by slice, whether a row sees a token: those before `limit`, one number for each row.
Attend::SmallVector<Value> Attend::masksBelow(Value limit) {
  RankedTensorType integers = scoreTile(tile.softmaxRows).clone(b.getI32Type());
  SmallVector<Value> masks;
  for (int64_t x = 0; x < block; x += tile.keySlice) {
    Value index = IndexOp::create(b, b.loc, b.tile({tile.keySlice}, b.getI32Type()), b.i32(int32_t(x)));
    masks.push_back(
        arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::slt, b.spread(index, 1, integers), b.spread(limit, 0, integers)));
  }
  return masks;
}

/// Of what is softmax's to ask for, the share of one of so many ops on tiles.
Attend::Ask Attend::askInSoftmax(const Rows &at, Value rowOfTile, int64_t asker, int64_t askers) {
  int64_t parts = tile.rows / tile.softmaxRows, lines = pace->softmaxLines();
  // Line by line where that is known beforehand: a line asked for twice takes as long as one.
  int64_t from = lines * asker / (askers * parts), to = lines * (asker + 1) / (askers * parts);
  Value line = b.add(b.div(b.mul(rowOfTile, lines), tile.rows), from);
  Rows first{at.block, at.here, at.head, b.sub(at.ofHead, rowOfTile)};
  return ask(first, b.add(b.mul(line, 64), pace->key.bytes()), (to - from) * 64);
}

void Attend::setAskers(const Rows &at, Value rowOfTile, int64_t askers) {
  askNext = [] {};
  if (!pace)
    return;
  askNext = [=, this, asker = int64_t(0)]() mutable {
    Ask asked = askInSoftmax(at, rowOfTile, asker, askers);
    if (sharesSoftmax) {
      use(one);
      Ask alone = askInSoftmax(at, rowOfTile, asker, askers);
      use(many);
      asked.bytes[0] = arith::SelectOp::create(b, b.loc, fitsOne(), alone.bytes[0], asked.bytes[0]);
      asked.lines = std::max(asked.lines, alone.lines);
    }
    AskOp::create(b, b.loc, at.block, asked.bytes[0], asked.lines);
    ++asker;
  };
}

Value Attend::limitOf(const Rows &at, Value query) {
  Value seen = b.sub(b.add(positionOf(query), 1), at.here.token);
  return b.toI32(spec.causal ? b.min(at.here.count, seen) : at.here.count);
}

/// Tokens past the end are none of the product's: 0 times what they hold may be NaN. Codes are numbers, and so are their weights.
Attend::Seen Attend::seenBy(const Rows &at) {
  if (!spec.causal || schedule.getQueryBlock() == 1)
    return {at.here.count, {}};
  auto limitOfRow = [&](int64_t row) {
    Value position = positionOf(queryOfRow(b.add(at.ofHead, row)));
    return b.max(zero(), b.min(at.here.count, b.sub(b.add(position, 1), at.here.token)));
  };
  Seen seen;
  if (mixesQueries() && !cache.getValue().isInteger())
    for (int64_t row = 0; row < tile.rows; ++row)
      seen.limits.push_back(limitOfRow(row));
  seen.end = seen.limits.empty() ? limitOfRow(tile.rows - 1) : seen.limits.back();
  return seen;
}

/// Of `softmaxRows` rows, the first of which is `rowOfTile` of the row tile; maximum and sum of each become what they are with the
/// block.
Attend::Weights Attend::softmax(const Rows &at, Value rowOfTile, SmallVector<Value> s) {
  int64_t rows = tile.softmaxRows;
  Value row = rowOf(at);
  SmallVector<Value> positions, heads, limits;
  for (int64_t r = 0; r < rows; ++r) {
    Value thisRow = b.add(at.ofHead, r);
    positions.push_back(b.toI32(positionOf(queryOfRow(thisRow))));
    if (!spec.score->empty())
      heads.push_back(b.toI32(headOfRow(at.head, thisRow)));
    // Rows of one query see the same tokens.
    limits.push_back(r && spec.group() % rows == 0 ? limits.front() : limitOf(at, queryOfRow(thisRow)));
  }
  RankedTensorType perRow = b.tileF32({rows}), rowI32 = perRow.clone(b.getI32Type()), scoreType = scoreTile(rows);
  Weights result;
  result.limit = RowsOp::create(b, b.loc, rowI32, limits);

  // What the distance of a score from its row's greatest is multiplied by, to be in units of log2. Scores themselves never are:
  // those near the end of f32 would overflow, and of great ones the rounded product would be off by more than exp2 bears.
  Value unit = roundsQueries() ? b.fetch(homeQScale, row, zero(), {rows}) : b.spread(b.f32(rowFactor()), 0, perRow);
  if (!spec.score->empty()) { // else scores are products as they are
    for (Value &slice : s)
      slice = b.mulf(slice, b.spread(unit, 0, scoreType));
    unit = b.spread(b.f32(log2e), 0, perRow);
  }
  setAskers(at, rowOfTile, int64_t(s.size()) * (asksInPacking() ? 2 : 1));
  SmallVector<Value> masks = masksBelow(result.limit);
  for (auto [i, slice] : llvm::enumerate(s)) {
    if (!spec.score->empty()) {
      Value position = RowsOp::create(b, b.loc, rowI32, positions), headTile = RowsOp::create(b, b.loc, rowI32, heads);
      Value tokens = IndexOp::create(b, b.loc, b.tile({tile.keySlice}, b.getI32Type()),
                                     b.toI32(b.add(at.here.token, int64_t(i) * tile.keySlice)));
      slice = inlineScore(b, spec, slice, position, headTile, tokens, [&](unsigned param) {
        SmallVector<Value> values;
        for (int64_t r = 0; r < rows; ++r)
          values.push_back(b.argument(param, headOfRow(at.head, b.add(at.ofHead, r))));
        return RowsOp::create(b, b.loc, perRow, values).getResult();
      });
    }
    Value nothing = b.spreadLike(b.f32(-std::numeric_limits<double>::infinity()), slice);
    slice = arith::SelectOp::create(b, b.loc, masks[i], slice, nothing);
  }

  Value greatest = s[0];
  for (Value slice : llvm::drop_begin(s))
    greatest = b.maxf(slice, greatest);
  Value oldMax = carried ? carried->max : b.fetch(homeMax, row, zero(), {rows});
  Value oldSum = carried ? carried->sum : b.fetch(homeSum, row, zero(), {rows});
  Value blockMax = ReduceOp::create(b, b.loc, perRow, Reduction::max, greatest);
  Value newMax = b.maxf(blockMax, oldMax);
  // A finite reference, so that a row without keys gives exp2(-inf), not exp2(NaN).
  Value reference = b.maxf(newMax, b.spread(b.f32(-FLT_MAX), 0, perRow));
  result.correction = b.exp2(b.mulf(b.subf(oldMax, reference), unit));
  Value spreadReference = b.spread(reference, 0, scoreType), spreadUnit = b.spread(unit, 0, scoreType), total;
  for (Value slice : s) {
    Value exponent = b.mulf(b.subf(slice, spreadReference), spreadUnit);
    askNext();
    result.p.push_back(b.exp2(exponent, exponentBits()));
    total = total ? b.addf(total, result.p.back()) : result.p.back();
  }
  Value added = ReduceOp::create(b, b.loc, perRow, Reduction::add, total);
  Value newSum = b.addf(b.mulf(oldSum, result.correction), added);
  if (carried) {
    carried->max = newMax;
    carried->sum = newSum;
  } else {
    b.put(newSum, homeSum, row, zero());
    b.put(newMax, homeMax, row, zero());
  }
  return result;
}

/// Probabilities times the scales of a group of values, as operands of rows `rowOfTile` and on of the tile.
Attend::Operands Attend::weigh(const Rows &at, Value group, const Weights &weights, Value rowOfTile) {
  CodecAttr codec = cache.getValue();
  if (!codec.isInteger())
    return packProbabilities(weights.p, rowOfTile);
  Value bias;
  SmallVector<Value> weighted, masks = masksBelow(weights.limit);
  for (auto [i, p] : llvm::enumerate(weights.p)) {
    auto read = [&, i = int64_t(i)](CodecParameter parameter) -> Value {
      Value read =
          ReadOp::create(b, b.loc, b.tileF32({tile.keySlice}), at.block, Stream::value, parameter, b.i64(i * tile.keySlice), group);
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
    if (codec.isAsym()) {
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
Attend::Operands Attend::packProbabilities(ArrayRef<Value> p, Value rowOfTile) {
  if (!roundsProbabilities()) {
    for (auto [i, slice] : llvm::enumerate(p))
      b.put(slice, homeP, rowOfTile, b.i64(int64_t(i) * tile.keySlice));
    return {};
  }
  Dot dot = schedule.getValueDot();
  IntegerForm form = integerForm(cache.getValue(), dot);
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
  result.scale = b.addf(b.mulf(greatest, splat(unit)), b.mulf(greatest, splat(0))); // NaN of infinity
  Value inverse = b.spread(b.levelsPerUnit(greatest, levels), 0, scoreTile(tile.softmaxRows)), sum;
  for (auto [i, slice] : llvm::enumerate(p)) {
    if (asksInPacking())
      askNext();
    // Rounding may take the product as it is, if nothing else is to round it alike.
    auto fuse = form.shift ? arith::FastMathFlags::none : arith::FastMathFlags::contract;
    Value scaled = arith::MulFOp::create(b, b.loc, slice, inverse, fuse);
    PackOp::create(b, b.loc, scaled, homeP, rowOfTile, b.i64(int64_t(i) * tile.keySlice), Stream::value, dot, cache);
    if (form.shift)
      sum = sum ? b.addf(sum, b.round(scaled)) : b.round(scaled);
  }
  if (form.shift) {
    Value start = b.mulf(ReduceOp::create(b, b.loc, perRow, Reduction::add, sum), splat(-double(form.shift * form.factor)));
    result.start = arith::FPToSIOp::create(b, b.loc, integers, start);
  }
  return result;
}

void Attend::eachGroup(function_ref<void(Value, int64_t)> body) {
  if (!carried && valueGroups() > 1)
    return b.loop(zero(), b.i64(valueGroups()), 1, [&](Value group) { body(group, 0); });
  for (int64_t group = 0; group < valueGroups(); ++group)
    body(b.i64(group), group);
}

/// acc = acc * correction + p . v, of a group of channels, the `number`th where that is known.
void Attend::accumulate(const Rows &at, const Seen &seen, Value group, int64_t number, Value correction, const Operands &operands) {
  CodecAttr codec = cache.getValue();
  int64_t rows = tile.rows, columns = tile.valueSlice, width = codec.isInteger() ? codec.getGroup() : cache.getValueDim();
  RankedTensorType type = b.tileF32({rows, columns}), integers = type.clone(b.getI32Type());
  Dot dot = schedule.getValueDot();
  Value row = rowOf(at), first = b.mul(group, width);
  auto accumulateSlice = [&](Value column, Value *acc) {
    auto corrected = [&] {
      Value before = acc ? *acc : b.fetch(homeAcc, row, column, {rows, columns});
      Value init = b.mulf(before, b.spread(correction, 0, type));
      return operands.bias ? b.addf(init, b.spread(operands.bias, 0, type)) : init;
    };
    auto sumFrom = [&](Value start) { return product(at, Stream::value, column, zero(), seen, start); };
    Value sum;
    if (spec.accuracy == Accuracy::exact) { // a sum over all tokens would round many small weights beside a great one alike
      Value ofBlock = sumFrom(b.spread(b.f32(0), 0, type));
      sum = b.addf(ofBlock, corrected());
    } else if (!roundsProbabilities()) {
      sum = sumFrom(corrected());
    } else { // fetched after the product, whose own sums fill the registers
      Value start = b.spread(b.f32(0), 0, type);
      if (isIntegerDot(dot))
        start = operands.start ? b.spread(operands.start, 0, integers) : b.spread(b.i32(0), 0, integers);
      Value units = sumFrom(start);
      if (isIntegerDot(dot))
        units = arith::SIToFPOp::create(b, b.loc, type, units);
      sum = b.fma(units, b.spread(operands.scale, 0, type), corrected());
    }
    acc ? void(*acc = sum) : b.put(sum, homeAcc, row, column);
  };
  if (!carried)
    return b.loop(first, b.end(first, width), columns, [&](Value column) { accumulateSlice(column, nullptr); });
  int64_t slices = width / columns;
  for (int64_t i = 0; i < slices; ++i)
    accumulateSlice(b.add(first, i * columns), &carried->acc[number * slices + i]);
}

} // namespace kv
