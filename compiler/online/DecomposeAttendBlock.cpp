// kv.attend_block -> products of values, softmax and accumulation on tiles, in loops over row tiles.
//
// One row tile goes through in registers. Of several, which share a block:
//
//   for each row tile:
//     s = q . k                                             of all its rows
//     for each few rows of it:  p = softmax(s), weighed     as many as the registers hold
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
  bool fits = !sharesSoftmax && !tile.several && (many.rows || schedule.getItem().getQueries() * group() <= one.rows);
  if (fits)
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
      weigh(group, weights, zero());
      accumulate(ofHead, seen, group, number, weights.correction);
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
  b.loop(zero(), softmaxEnd, few, [&](Value row) {
    Value first = b.add(ofHead, row);
    Weights weights = softmax(first, fetch(homes.scores, row));
    put(weights.correction, homes.correction, row);
    if (valueGroups() == 1)
      return weigh(zero(), weights, row);
    put(weights.limit, homes.limit, row);
    put(weights.low, homes.low, row);
    for (auto [i, slice] : llvm::enumerate(weights.p))
      b.put(slice, homes.scores, row, b.i64(int64_t(i) * sliceOf(Contract::d)));
  });
  eachGroup([&](Value group, int64_t number) {
    if (valueGroups() > 1)
      b.loop(zero(), softmaxEnd, few, [&](Value row) {
        auto bound = [&](Value home) { return home && !op.getWhole() ? b.fetch(home, row, zero(), {few}) : Value(); };
        Value low = bound(homes.low), limit = bound(homes.limit);
        weigh(group, {fetch(homes.scores, row), limit, low, Value()}, row);
      });
    inTiles([&] {
      Seen seen = seenBy(tile, ofHead);
      Value correction = b.fetch(homes.correction, zero(), {tile.rows});
      accumulate(ofHead, seen, group, number, correction);
    });
    if (sharesSoftmax)
      tile = many;
  });
}

/// init + operands of the row tile x a slice of the block from x on, over all channels, or tokens before seen.end. Under `exact`,
/// sums over tokens are added as a whole: one over all blocks would round many small weights beside a great one alike.
Value BlockAttend::product(Value ofHead, StreamRef ref, Value x, const Seen &seen, Value init) {
  bool isScores = ref.overChannels(), apart = !isScores && op.getAccuracy() == Accuracy::exact;
  Value home = isScores ? op.getQueries() : homes.probabilities, row = isScores ? rowOf(ofHead) : zero();
  Value from = tile.several ? mine : Value(op.getBlock());
  Value rest = isScores ? op.getRest() : Value(), refined = isScores ? hasOutliers(ofHead) : Value();
  Value sums = isScores ? op.getSums() : Value(), firstSum = sums ? row : Value(), begin = zero();
  return ProductOp::create(b, b.loc, init.getType(), home, row, from, ref.stream, dotOf(ref.contract), Form::values, ref.contract,
                           x, begin, seen.end, schedule.plan(ref.contract).getUnroll(), init, apart, seen.limits, seen.starts, rest,
                           refined, sums, firstSum, ValueRange(), 0);
}

/// q . k of a row tile and a slice of tokens of the block, from token x on; in units of the rows' operands.
Value BlockAttend::scores(Value ofHead, Value x) {
  Value init = b.spread(b.f32(0), 0, scoreTile(tile.rows)), end = b.i64(cache.getKeyDim());
  return product(ofHead, Stream::key, x, {end, {}, {}}, init);
}

void BlockAttend::eachGroup(function_ref<void(Value, int64_t)> body) {
  if (!carried && valueGroups() > 1)
    return b.loop(0, valueGroups(), 1, [&](Value group) { body(group, 0); });
  for (int64_t group = 0; group < valueGroups(); ++group)
    body(b.i64(group), group);
}

/// acc = acc * correction + p . v, of a group of channels, the `number`th where that is known.
void BlockAttend::accumulate(Value ofHead, const Seen &seen, Value group, int64_t number, Value correction) {
  int64_t rows = tile.rows, columns = sliceOf(Contract::t), width = cache.getRun(Stream::value);
  Value row = rowOf(ofHead), first = b.mul(group, width);
  auto join = [&](Value column, Value before) {
    Value init = b.mulf(before, b.spread(correction, 0, b.tileF32({rows, columns})));
    return product(ofHead, Stream::value, column, seen, init);
  };
  if (!carried)
    return b.loop(first, b.end(first, width), columns, [&](Value column) {
      Value sum = join(column, b.fetch(op.getState()[2], row, column, {rows, columns}));
      b.put(sum, op.getState()[2], row, column);
    });
  int64_t slices = width / columns;
  for (int64_t i = 0; i < slices; ++i) {
    Value &acc = carried->acc[number * slices + i];
    acc = join(b.add(first, i * columns), acc);
  }
}

/// For all attend_blocks of a function.
static BlockHomes makeHomes(KernelBuilder &b, AttendBlockOp op, ScheduleAttr schedule) {
  RowTile one = oneTile(schedule), many = manyTiles(schedule);
  int64_t rows = std::max(one.rows, many.rows), block = schedule.getBlock().getTokens();
  BlockHomes homes;
  homes.probabilities = b.scratch("p", rows, block, b.getF32Type());
  if (schedule.getRows().getShare() || one.softmaxRows < one.rows || many.softmaxRows < many.rows) {
    homes.scores = b.scratch("s", rows, block, b.getF32Type());
    homes.limit = b.scratch("limit", rows, 1, b.getI32Type());
    if (op.getSees().hasLow())
      homes.low = b.scratch("low", rows, 1, b.getI32Type());
    homes.correction = b.scratch("correction", rows, 1, b.getF32Type());
  }
  return homes;
}

namespace {

struct DecomposeAttendBlock : PassWrapper<DecomposeAttendBlock, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DecomposeAttendBlock)
  StringRef getArgument() const final { return "kv-decompose-attend-block"; }
  StringRef getDescription() const final { return "lower attend_blocks to products of values, softmax and accumulation on tiles"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, arith::ArithDialect, math::MathDialect>();
  }

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    SmallVector<AttendBlockOp> ops;
    func.walk([&](AttendBlockOp op) { ops.push_back(op); });
    if (ops.empty())
      return;
    for (AttendBlockOp op : ops)
      if (failed(checkPlaced(op)))
        return signalPassFailure();
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
