// kv.attend_block -> products, softmax and accumulation on tiles, in loops over row tiles.
//
// One row tile goes through in registers. Of several, which share a block:
//
//   for each row tile:
//     s = q . k                                             of all its rows
//     for each few rows of it:  p = softmax(s), packed      as many as the registers hold
//     acc = acc * c + p . v                                 of all its rows
//
// A shared softmax is the middle part of both: what is before and after it is chosen by the rows of the item.
#include "compiler/online/BlockAttend.h"
#include "compiler/online/Passes.h"

using namespace mlir;

namespace kv {

BlockAttend::BlockAttend(func::FuncOp func, AttendBlockOp op, const BlockHomes &homes)
    : BlockRows(func, op), homes(homes), sharesSoftmax(op.getTiles() == Tiles::either), one(oneTile(schedule)),
      many(manyTiles(schedule)), tile(op.getTiles() == Tiles::many ? many : one), mine(op.getBlock()) {
  OperandRange state = op.getState();
  if (isa<RankedTensorType>(state.front().getType()))
    carried = {state[0], state[1], SmallVector<Value>(state.drop_front(2))};
}

SmallVector<Value> BlockAttend::build() {
  attendBlock();
  SmallVector<Value> next;
  if (carried) {
    next = {carried->max, carried->sum};
    llvm::append_range(next, carried->acc);
  }
  return next;
}

void BlockAttend::inTiles(function_ref<void()> body) {
  auto with = [&](const RowTile &chosen) {
    tile = chosen;
    body();
  };
  if (!sharesSoftmax)
    return body();
  b.ifElse(
      fitsOne(), [&] { with(one); }, [&] { with(many); });
}

void BlockAttend::attendBlock() {
  if (carried || !(schedule.getTeam().getThreads() || sharesSoftmax || tile.several))
    return attendRows(zero());
  if (!sharesSoftmax)
    return b.loop(zero(), op.getPadded(), tile.rows, [&](Value ofHead) {
      if (tile.several)
        shareBlock(ofHead, Value());
      attendRows(ofHead);
    });
  Value alone = fitsOne(), several = countTiles();
  Value tiles = arith::SelectOp::create(b, b.loc, alone, b.i64(1), several);
  b.loop(zero(), tiles, 1, [&](Value index) {
    Value ofHead = b.mul(index, many.rows);
    shareBlock(ofHead, alone);
    attendRows(ofHead);
  });
}

/// Once an item, not once a block.
Value BlockAttend::countTiles() {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(op.getPadded());
  return b.div(op.getPadded(), many.rows);
}

void BlockAttend::shareBlock(Value ofHead, Value alone) {
  int64_t rows = std::max(int64_t(op.getLeast()), one.rows + 1); // of the smallest item that has several row tiles
  mine = ShareOp::create(b, b.loc, op.getBlock(), ofHead, op.getPadded(), many.rows, llvm::divideCeil(rows, many.rows), alone);
}

void BlockAttend::attendRows(Value ofHead) {
  if (!hasParts()) {
    SmallVector<Value> s;
    for (int64_t x = 0; x < block; x += sliceOf(Contract::d))
      s.push_back(scores(ofHead, b.i64(x)));
    Weights weights = softmax(ofHead, s);
    Seen seen = seenBy(tile, ofHead);
    return eachGroup([&](Value group, int64_t number) {
      accumulate(ofHead, seen, group, number, weights.correction, weigh(group, weights, zero()));
    });
  }
  inTiles([&] {
    b.loop(0, block, sliceOf(Contract::d), [&](Value x) {
      Value slice = scores(ofHead, x), row = zero();
      b.put(slice, homes.scores, row, x);
    });
  });
  Value softmaxEnd = b.i64(tile.rows);
  if (sharesSoftmax) {
    tile = many;
    Value isOne = fitsOne(), ofOne = b.i64(one.rows), ofMany = b.i64(many.rows);
    softmaxEnd = b.select(isOne, ofOne, ofMany);
  }
  auto put = [&](Value value, Value home, Value row) {
    if (value)
      b.put(value, home, row);
  };
  int64_t few = tile.softmaxRows;
  auto fetch = [&](Value home, Value row) {
    SmallVector<Value> slices;
    for (int64_t x = 0; x < block; x += sliceOf(Contract::d))
      slices.push_back(b.fetch(home, row, b.i64(x), {few, sliceOf(Contract::d)}));
    return slices;
  };
  bool hasScale = roundsProbabilities(), hasShift = false, hasBias = cache.getValue().hasZero();
  auto weighRows = [&](Value group, const Weights &weights, Value row) {
    Operands operands = weigh(group, weights, row);
    hasShift |= bool(operands.start);
    put(operands.scale, homes.scale, row);
    put(operands.start, homes.start, row);
    put(operands.bias, homes.bias, row);
  };
  b.loop(zero(), softmaxEnd, few, [&](Value row) {
    Value first = b.add(ofHead, row);
    Weights weights = softmax(first, fetch(homes.scores, row));
    put(weights.correction, homes.correction, row);
    if (valueGroups() == 1)
      return weighRows(zero(), weights, row);
    put(weights.limit, homes.limit, row);
    put(weights.low, homes.low, row);
    for (auto [i, slice] : llvm::enumerate(weights.p))
      b.put(slice, homes.scores, row, b.i64(int64_t(i) * sliceOf(Contract::d)));
  });
  eachGroup([&](Value group, int64_t number) {
    if (valueGroups() > 1)
      b.loop(zero(), softmaxEnd, few, [&](Value row) {
        Value low = hasStart() ? b.fetch(homes.low, row, zero(), {few}) : Value();
        weighRows(group, {fetch(homes.scores, row), b.fetch(homes.limit, row, zero(), {few}), low, Value()}, row);
      });
    inTiles([&] {
      auto all = [&](bool there, Value home) { return there ? b.fetch(home, zero(), {tile.rows}) : Value(); };
      Operands operands{all(hasScale, homes.scale), all(hasShift, homes.start), all(hasBias, homes.bias)};
      accumulate(ofHead, seenBy(tile, ofHead), group, number, all(true, homes.correction), operands);
    });
    if (sharesSoftmax)
      tile = many;
  });
}

/// init + operands of the row tile x a slice of the block from x on, over [zBegin, seen.end).
Value BlockAttend::product(Value ofHead, StreamRef ref, Value x, Value zBegin, const Seen &seen, Value init) {
  bool isScores = ref.overChannels();
  Value home = isScores ? op.getQueries() : homes.probabilities, row = isScores ? rowOf(ofHead) : zero();
  Value from = tile.several ? mine : Value(op.getBlock());
  Value rest = isScores ? op.getRest() : Value(), refined = isScores ? hasOutliers(ofHead) : Value();
  return ProductOp::create(b, b.loc, init.getType(), home, row, from, ref.stream, dotOf(ref.contract), ref.contract, x, zBegin,
                           seen.end, schedule.plan(ref.contract).getUnroll(), init, seen.limits, seen.starts, rest, refined,
                           ValueRange(), 0);
}

int64_t BlockAttend::keyRun() {
  if (op.getSums())
    return cache.getKeyDim() * homeRows() / cast<MemRefType>(op.getSums().getType()).getDimSize(0);
  return cache.getRun(Stream::key);
}

Value BlockAttend::middleOf(CodecAttr codec, Value zeroTile, Value scaleTile) {
  Value middle = b.spreadLike(b.f32(familyOf(codec).middle(codec)), scaleTile);
  return b.addf(zeroTile, b.mulf(scaleTile, middle));
}

/// q . k of a row tile and a slice of tokens of the block, from token x on; decoded but for the rows' scales.
Value BlockAttend::scores(Value ofHead, Value x) {
  CodecAttr codec = cache.getKey();
  int64_t rows = tile.rows;
  RankedTensorType scoreType = scoreTile(rows), integers = scoreType.clone(b.getI32Type());
  auto rowSum = [&](Value run) {
    Value ofRun = b.mul(run, homeRows()), row = rowOf(ofHead);
    return b.fetch(op.getSums(), b.add(ofRun, row), {rows});
  };
  auto sum = [&](Value zBegin, int64_t length, Value run) -> Value {
    Value init = b.spread(b.f32(0), 0, scoreType);
    if (isIntegerDot(dotOf(Contract::d))) {
      init = b.spread(b.i32(0), 0, integers);
      if (keyShift(cache, schedule)) { // the sum starts at what the shift of the codes adds
        Value ofRow = rowSum(run), less = b.spread(b.f32(-double(keyShift(cache, schedule))), 0, b.tileF32({rows}));
        Value start = b.mulf(ofRow, less);
        init = b.spread(arith::FPToSIOp::create(b, b.loc, b.tile({rows}, b.getI32Type()), start), 0, integers);
      }
    }
    Value sum = product(ofHead, Stream::key, x, zBegin, {b.end(zBegin, length), {}, {}}, init);
    return isIntegerDot(dotOf(Contract::d)) ? arith::SIToFPOp::create(b, b.loc, scoreType, sum).getResult() : sum;
  };
  auto read = [&](CodecParameter parameter, Value group) -> Value {
    Value read = ReadOp::create(b, b.loc, b.tileF32({sliceOf(Contract::d)}), op.getBlock(), Stream::key, parameter, x, group);
    return b.spread(read, 1, scoreType);
  };
  // sum over a run of q * (middle + number * scale)
  auto decoded = [&](Value run) {
    Value group = b.div(run, codec.getGroup() / keyRun());
    Value codes = sum(b.mul(run, keyRun()), keyRun(), run), s = b.mulf(codes, read(CodecParameter::scale, group));
    if (!codec.hasZero())
      return s;
    Value zeros = read(CodecParameter::zero, group), scales = read(CodecParameter::scale, group);
    Value middle = middleOf(codec, zeros, scales);
    return b.addf(s, b.mulf(middle, b.spread(rowSum(run), 0, scoreType)));
  };
  if (!codec.hasScale()) {
    Value first = zero();
    return sum(first, cache.getKeyDim(), first);
  }
  if (keyRuns() == 1)
    return decoded(zero());
  Value first = zero(), end = b.i64(keyRuns()), none = b.spread(b.f32(0), 0, scoreType);
  return b.loop(first, end, 1, {none},
                [&](Value run, ValueRange sum) -> SmallVector<Value> { return {b.addf(sum[0], decoded(run))}; })[0];
}

void BlockAttend::eachGroup(function_ref<void(Value, int64_t)> body) {
  if (!carried && valueGroups() > 1)
    return b.loop(0, valueGroups(), 1, [&](Value group) { body(group, 0); });
  for (int64_t group = 0; group < valueGroups(); ++group)
    body(b.i64(group), group);
}

/// acc = acc * correction + p . v, of a group of channels, the `number`th where that is known.
void BlockAttend::accumulate(Value ofHead, const Seen &seen, Value group, int64_t number, Value correction,
                             const Operands &operands) {
  int64_t rows = tile.rows, columns = sliceOf(Contract::t), width = cache.getRun(Stream::value);
  RankedTensorType type = b.tileF32({rows, columns}), integers = type.clone(b.getI32Type());
  Dot dot = dotOf(Contract::t);
  Value row = rowOf(ofHead), first = b.mul(group, width);
  auto accumulateSlice = [&](Value column, Value *acc) {
    auto corrected = [&] {
      Value before = acc ? *acc : b.fetch(op.getState()[2], row, column, {rows, columns});
      Value init = b.mulf(before, b.spread(correction, 0, type));
      return operands.bias ? b.addf(init, b.spread(operands.bias, 0, type)) : init;
    };
    auto sumFrom = [&](Value start) { return product(ofHead, Stream::value, column, zero(), seen, start); };
    Value sum;
    if (op.getAccuracy() == Accuracy::exact) { // a sum over all tokens would round many small weights beside a great one alike
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
      Value worth = b.spread(operands.scale, 0, type);
      sum = b.fma(units, worth, corrected());
    }
    acc ? void(*acc = sum) : b.put(sum, op.getState()[2], row, column);
  };
  if (!carried)
    return b.loop(first, b.end(first, width), columns, [&](Value column) { accumulateSlice(column, nullptr); });
  int64_t slices = width / columns;
  for (int64_t i = 0; i < slices; ++i)
    accumulateSlice(b.add(first, i * columns), &carried->acc[number * slices + i]);
}

/// For all attend_blocks of a function.
static BlockHomes makeHomes(KernelBuilder &b, AttendBlockOp op, ScheduleAttr schedule) {
  auto cache = cast<CacheType>(op.getCache());
  RowTile one = oneTile(schedule), many = manyTiles(schedule);
  int64_t rows = std::max(one.rows, many.rows), block = schedule.getBlock().getTokens();
  BlockHomes homes;
  Dot dot = schedule.getSums().getDot();
  homes.probabilities =
      roundsRows(dot) ? b.scratch("p", rows, rowWords(dot, block), b.getI32Type()) : b.scratch("p", rows, block, b.getF32Type());
  if (schedule.getRows().getShare() || one.softmaxRows < one.rows || many.softmaxRows < many.rows) {
    homes.scores = b.scratch("s", rows, block, b.getF32Type());
    homes.limit = b.scratch("limit", rows, 1, b.getI32Type());
    if (op.getSees().hasLow())
      homes.low = b.scratch("low", rows, 1, b.getI32Type());
    homes.correction = b.scratch("correction", rows, 1, b.getF32Type());
    homes.scale = b.scratch("pscale", rows, 1, b.getF32Type());
    homes.start = b.scratch("pstart", rows, 1, b.getI32Type());
    homes.bias = b.scratch("bias", rows, 1, b.getF32Type());
  }
  return homes;
}

namespace {

struct DecomposeAttendBlock : PassWrapper<DecomposeAttendBlock, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DecomposeAttendBlock)
  StringRef getArgument() const final { return "kv-decompose-attend-block"; }
  StringRef getDescription() const final { return "lower attend_blocks to products, softmax and accumulation on tiles"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, arith::ArithDialect, math::MathDialect>();
  }

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    SmallVector<AttendBlockOp> ops;
    func.walk([&](AttendBlockOp op) { ops.push_back(op); });
    if (ops.empty())
      return;
    auto schedule = func->getAttrOfType<ScheduleAttr>("kv.schedule");
    KernelBuilder b(func);
    b.loc = ops.front().getLoc();
    BlockHomes homes;
    addScratch(b, [&] { homes = makeHomes(b, ops.front(), schedule); });
    for (AttendBlockOp op : ops) {
      op->replaceAllUsesWith(BlockAttend(func, op, homes).build());
      op->erase();
    }
  }
};

} // namespace

std::unique_ptr<Pass> createDecomposeAttendBlockPass() { return std::make_unique<DecomposeAttendBlock>(); }

} // namespace kv
