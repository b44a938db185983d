// kv.start_rows -> the item's queries, row by row, as the key record takes them: as f32, or rounded with a scale for each row, and
// of integer records with what rounding leaves of rows with outliers; and the state of no tokens.
#include "compiler/kernels/AttendKernel.h"
#include "compiler/online/Passes.h"
#include "compiler/schedule/RowTiles.h"
#include "compiler/schedule/StreamAccess.h"

#include <limits>

using namespace mlir;

namespace kv {
namespace {

int64_t rowsOf(Value home) { return cast<MemRefType>(home.getType()).getDimSize(0); }

struct QuantizeRow {
  KernelBuilder b;
  StartRowsOp op;
  const ScheduleAttr schedule;
  const CacheType cache;
  Value floats; ///< scratch: a row before it is rounded, of records that round

  QuantizeRow(func::FuncOp func, StartRowsOp op, Value floats)
      : b(func), op(op), schedule(func->getAttrOfType<ScheduleAttr>("kv.schedule")), cache(cast<CacheType>(op.getCache())),
        floats(floats) {
    b.loc = op.getLoc();
    b.setInsertionPoint(op);
  }
  void build();

private:
  bool roundsQueries() const { return roundsRows(schedule.getScores().getDot()); }
  Value zero() { return b.i64(0); }
  /// Channels that a sum of operands is over.
  int64_t runOfSums() { return cache.getKeyDim() * rowsOf(op.getQueries()) / rowsOf(op.getSums()); }
  Value roundRow(Value row);
  double outlierRatio();
  Value noteOutlier(Value ofHead, Value before, Value isOutlier);
  Value powerBelow(Value x);
  void sumRow(Value row, Value home);
};

/// Queries as row operands, scaled; maximum, sum and accumulator of nothing.
void QuantizeRow::build() {
  ItemRows rows{b, op.getHead(), op.getQuery(), op.getRows(), int64_t(op.getGroup())};
  Value q = b.read(StepField::q), firstQuery = b.read(StepField::query_start_loc, op.getSeq());
  Value tokenStride = b.read(StepField::q_token_stride), headStride = b.read(StepField::q_head_stride);
  int64_t chunk = b.rowChunk(cache.getKeyDim()), valueChunk = b.rowChunk(cache.getValueDim());
  Value first = zero(), none = b.i32(0);
  b.loop(first, op.getPadded(), 1, {none}, [&](Value ofHead, ValueRange before) -> SmallVector<Value> {
    Value ofToken = b.mul(b.add(firstQuery, rows.queryOf(ofHead)), tokenStride),
          ofQueryHead = b.mul(rows.headOf(ofHead), headStride);
    Value element = b.add(ofToken, ofQueryHead), row = b.add(op.getFirst(), ofHead);
    b.loop(0, cache.getKeyDim(), chunk, [&](Value channel) {
      Value loaded = LoadOp::create(b, b.loc, b.tileF32({1, chunk}), q, b.add(element, channel), op.getType());
      // As they came: scores take the factor. Rounding the product of a great channel would be the same error in every score.
      if (roundsQueries())
        b.put(loaded, floats, zero(), channel);
      else
        b.put(loaded, op.getQueries(), row, channel);
    });
    Value outliers = before[0];
    if (Value isOutlier = roundsQueries() ? roundRow(row) : Value(); op.getRefined())
      outliers = noteOutlier(ofHead, outliers, isOutlier);
    if (op.getSums())
      sumRow(row, roundsQueries() ? floats : op.getQueries());
    if (op.getState().empty())
      return {outliers};
    b.put(b.f32(-std::numeric_limits<double>::infinity()), op.getState()[0], row);
    b.put(b.f32(0), op.getState()[1], row);
    b.loop(0, cache.getValueDim(), valueChunk, [&](Value channel) {
      b.put(b.spread(b.f32(0), 0, b.tileF32({1, valueChunk})), op.getState()[2], row, channel);
    });
    return {outliers};
  });
}

/// Notes at the first row of a row tile whether one of the tile's rows up to `ofHead` has outliers, and returns it. `before` is
/// what was noted for the row before.
Value QuantizeRow::noteOutlier(Value ofHead, Value before, Value isOutlier) {
  RowTilesAttr tiles = schedule.getRows();
  int64_t one = tiles.getOne(), many = tiles.getMany();
  Value rows = b.i64(tiles.getAlways() ? many : one);
  if (many && !tiles.getAlways()) {
    Value isOne = fitsOne(b, schedule.getRows(), op.getRows()), rowsOfMany = b.i64(many);
    rows = b.select(isOne, rows, rowsOfMany);
  }
  Value ofTile = arith::RemUIOp::create(b, b.loc, ofHead, rows), first = b.add(op.getFirst(), b.sub(ofHead, ofTile));
  Value isFirst = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::eq, ofTile, zero());
  Value noted = arith::OrIOp::create(b, b.loc, isOutlier, arith::SelectOp::create(b, b.loc, isFirst, b.i32(0), before));
  b.put(noted, op.getRefined(), first);
  return noted;
}

/// How many times the mean of the others the greatest magnitude of a row may be: rounding moves a score by about greatest / levels
/// / 4 times a key's deviation, by at most what the class allows. `fast` goes there, as rows with more cost it a third of its time.
double QuantizeRow::outlierRatio() {
  double levels = double(rowLevels(schedule.getScores().getDot(), cache.getKey().getGroup()));
  return levels * (op.getAccuracy() == Accuracy::fast ? 4 * 1.5e-2 : 3 * 1e-3);
}

/// Rounds a row of queries to what the key record multiplies, with one scale for the row; a row that is not finite has scale NaN.
/// Keeps what rounding leaves of a row with outliers too, in units of 2^-8. Returns whether the row is one, i32.
Value QuantizeRow::roundRow(Value row) {
  int64_t dim = cache.getKeyDim(), chunk = b.rowChunk(dim);
  double levels = double(rowLevels(schedule.getScores().getDot(), cache.getKey().getGroup()));
  RankedTensorType tile = b.tileF32({1, chunk});
  SmallVector<Value> init(3, b.spread(b.f32(0), 0, tile));
  Value begin = zero(), end = b.i64(dim);
  SmallVector<Value> found = b.loop(begin, end, chunk, init, [&](Value channel, ValueRange carried) -> SmallVector<Value> {
    Value x = b.fetch(floats, zero(), channel, {1, chunk}), magnitude = math::AbsFOp::create(b, b.loc, x);
    Value nothing = b.mulf(x, b.spread(b.f32(0), 0, tile)); // NaN where x is not finite
    return {b.maxf(magnitude, carried[0]), b.addf(carried[1], nothing), b.addf(carried[2], magnitude)};
  });
  auto total = [&](Reduction kind, Value source) -> Value {
    return RowOp::create(b, b.loc, b.getF32Type(), ReduceOp::create(b, b.loc, b.tileF32({1}), kind, source));
  };
  Value greatest = total(Reduction::max, found[0]), check = total(Reduction::add, found[1]), unit, perUnit;
  if (isIntegerDot(schedule.getScores().getDot())) {
    unit = b.mulf(greatest, b.f32(1 / levels));
    perUnit = b.levelsPerUnit(greatest, levels);
  } else { // a power of two: numbers of few bits stay what they are
    unit = powerBelow(greatest);
    perUnit = arith::DivFOp::create(b, b.loc, b.f32(1), unit);
  }
  // Never 0, nor near what a caller's flushing makes 0: a masked score would make NaN of it.
  Value scaledUnit = b.mulf(unit, op.getFactor().convertToDouble()), least = b.f32(1e-37);
  b.put(b.addf(b.maxf(scaledUnit, least), check), op.getScales(), row);
  Value inverse = b.spread(perUnit, 0, tile);
  Dot dot = schedule.getScores().getDot();
  if (!isIntegerDot(dot)) {
    b.loop(begin, end, chunk, [&](Value channel) {
      Value scaled = b.mulf(b.fetch(floats, zero(), channel, {1, chunk}), inverse);
      b.put(scaled, floats, zero(), channel);
      PackOp::create(b, b.loc, scaled, op.getQueries(), row, channel, Stream::key, dot, cache);
    });
    return b.i32(0);
  }
  Value others = b.mulf(b.subf(total(Reduction::add, found[2]), greatest), outlierRatio() / double(dim - 1));
  Value isOutlier = arith::CmpFOp::create(b, b.loc, arith::CmpFPredicate::OGT, greatest, others);
  // Where rows have none, nothing is left: a row's results do not depend on the rows beside it.
  Value some = b.f32(restUnits), none = b.f32(0), units = b.spread(b.select(isOutlier, some, none), 0, tile);
  Value most = b.spread(b.f32(restUnits / 2 - 1), 0, tile), unit1 = b.spread(b.f32(1 / restUnits), 0, tile);
  b.loop(begin, end, chunk, [&](Value channel) {
    Value scaled = b.mulf(b.fetch(floats, zero(), channel, {1, chunk}), inverse), rounded = b.round(scaled);
    Value left = b.negate(b.round(b.mulf(b.subf(scaled, rounded), units))), least = b.negate(most);
    Value rest = b.negate(b.maxf(left, least)), kept = b.fma(rest, unit1, rounded);
    b.put(kept, floats, zero(), channel);
    PackOp::create(b, b.loc, rounded, op.getQueries(), row, channel, Stream::key, dot, cache);
    PackOp::create(b, b.loc, rest, op.getRest(), row, channel, Stream::key, isTwoBytes(dot) ? plainDot(dot) : dot, cache);
  });
  return arith::ExtUIOp::create(b, b.loc, b.getI32Type(), isOutlier);
}

/// Half the greatest power of two that is not above x, and no less than 2^-100.
Value QuantizeRow::powerBelow(Value x) {
  Value bits = arith::BitcastOp::create(b, b.loc, b.getI32Type(), x);
  Value exponent = arith::AndIOp::create(b, b.loc, bits, b.i32(0x7f800000));
  Value least = arith::MaxUIOp::create(b, b.loc, exponent, b.i32((127 - 99) << 23));
  return arith::BitcastOp::create(b, b.loc, b.getF32Type(), arith::SubIOp::create(b, b.loc, least, b.i32(1 << 23)));
}

/// Sums of a row's operands over each run of channels.
void QuantizeRow::sumRow(Value row, Value home) {
  int64_t width = runOfSums(), chunk = b.rowChunk(width);
  b.loop(0, cache.getKeyDim() / width, 1, [&](Value run) {
    Value first = b.mul(run, width), init = b.spread(b.f32(0), 0, b.tileF32({1, chunk}));
    Value sum = b.loop(first, b.end(first, width), chunk, {init}, [&](Value channel, ValueRange carried) -> SmallVector<Value> {
      return {b.addf(carried[0], b.fetch(home, home == op.getQueries() ? row : zero(), channel, {1, chunk}))};
    })[0];
    Value total = ReduceOp::create(b, b.loc, b.tileF32({1}), Reduction::add, sum), ofRun = b.mul(run, rowsOf(op.getQueries()));
    b.put(total, op.getSums(), b.add(ofRun, row));
  });
}

struct QuantizeRows : PassWrapper<QuantizeRows, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(QuantizeRows)
  StringRef getArgument() const final { return "kv-quantize-rows"; }
  StringRef getDescription() const final { return "queries become row operands of the key record"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, arith::ArithDialect, math::MathDialect, LLVM::LLVMDialect>();
  }

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    SmallVector<StartRowsOp> ops;
    func.walk([&](StartRowsOp op) { ops.push_back(op); });
    for (StartRowsOp op : ops) {
      Value floats;
      if (op.getScales()) {
        OpBuilder b(op.getContext());
        b.setInsertionPointAfterValue(op.getScales());
        auto type = MemRefType::get({1, cast<CacheType>(op.getCache()).getKeyDim()}, b.getF32Type());
        floats = ScratchOp::create(b, op.getLoc(), type, "qfloats");
      }
      QuantizeRow(func, op, floats).build();
      op.erase();
    }
  }
};

} // namespace

std::unique_ptr<Pass> createQuantizeRowsPass() { return std::make_unique<QuantizeRows>(); }

} // namespace kv
