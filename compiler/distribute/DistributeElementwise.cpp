// Ops that work on tiles part by part, ops that give tiles their shapes, and ops without tiles, which stay what they are.
#include "compiler/codecs/CodecFamily.h"
#include "compiler/distribute/Distributor.h"

using namespace mlir;

namespace kv {

/// One op on tiles becomes the same op on each of their parts.
void distributeElementwise(Distributor &d, Operation &op) {
  TeamBuilder &b = d.b;
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  SmallVector<Value> parts;
  size_t asked = 0;
  for (size_t i = 0, count = d.tile(op.getOperand(0)).size(); i < count; ++i) {
    for (size_t due = d.linesToAsk.size() * (i + 1) / count; asked < due; ++asked)
      b.prefetch(d.linesToAsk[asked]);
    SmallVector<Value> operands;
    for (Value operand : op.getOperands())
      operands.push_back(isa<RankedTensorType>(operand.getType()) ? d.tile(operand)[i] : d.scalar(operand));
    OperationState state(b.loc, op.getName(), operands, {d.partType(type)}, op.getAttrs());
    parts.push_back(b.create(state)->getResult(0));
  }
  d.linesToAsk.clear();
  d.tiles[op.getResult(0)] = parts;
}

static void distribute(Distributor &d, EncodeOp op) {
  TeamBuilder &b = d.b;
  SmallVector<Value> parts;
  for (Value part : d.tile(op.getSource()))
    parts.push_back(narrow(b, op.getElement(), part));
  d.tiles[op.getTile()] = parts;
}

/// Picks the numbers of the thread's own rows from those of all rows.
static SmallVector<Value> ownRows(TeamBuilder &b, RankedTensorType type, ArrayRef<Value> values) {
  LaneMap map(type);
  SmallVector<Value> parts;
  for (size_t part = 0; part < map.numParts(); ++part) {
    int64_t first = map.constant(part, 0);
    Value chosen = values[first];
    Value offset = b.laneOffset(map.bits(0));
    for (int64_t step = 1; step < int64_t(1) << map.bits(0).size(); ++step) {
      if (step & map.inRegisters(0))
        continue;
      Value is = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::eq, offset, b.i64(step));
      chosen = arith::SelectOp::create(b, b.loc, is, values[first + step], chosen);
    }
    parts.push_back(chosen);
  }
  return parts;
}

/// The numbers of all rows: one vector, or of each thread its own.
static void distribute(Distributor &d, RowsOp op) {
  TeamBuilder &b = d.b;
  auto type = cast<RankedTensorType>(op.getTile().getType());
  SmallVector<Value> values;
  for (Value value : op.getValues())
    values.push_back(d.scalar(value));
  if (b.threads)
    values = ownRows(b, type, values);
  else if (auto vector = dyn_cast<VectorType>(d.partType(type)))
    values = {vector::FromElementsOp::create(b, b.loc, vector, values)};
  d.tiles[op.getTile()] = values;
}

static void distribute(Distributor &d, RowOp op) { d.scalars.map(op.getValue(), d.tile(op.getSource())[0]); }

static void distribute(Distributor &d, IndexOp op) {
  TeamBuilder &b = d.b;
  auto type = cast<RankedTensorType>(op.getTile().getType());
  Value start = d.scalar(op.getStart());
  SmallVector<Value> parts;
  if (b.threads)
    for (const Distributor::Cell &cell : d.cells(type))
      parts.push_back(b.KernelBuilder::add(start, b.toI32(cell.row)));
  else
    for (int64_t lanes = d.encoding(type).getLanes(), c = 0; c < type.getDimSize(0); c += lanes)
      parts.push_back(b.countLanes(start, c, lanes));
  d.tiles[op.getTile()] = parts;
}

static void distribute(Distributor &d, SpreadOp op) {
  TeamBuilder &b = d.b;
  auto type = cast<RankedTensorType>(op.getTile().getType());
  SmallVector<Value> parts;
  auto source = dyn_cast<RankedTensorType>(op.getSource().getType());
  if (b.threads) {
    LaneMap map(type);
    for (size_t part = 0; part < map.numParts(); ++part)
      parts.push_back(source ? d.tile(op.getSource())[LaneMap(source).partAt(map.constant(part, int64_t(op.getDim())))]
                             : d.scalar(op.getSource()));
    d.tiles[op.getTile()] = parts;
    return;
  }
  TileAttr placed = d.encoding(type);
  int64_t lanes = placed.getLanes();
  auto fill = [&](Value value) { return placed.getDim() < 0 ? value : b.broadcast(value, lanes); };
  if (!source) {
    parts.assign(type.getNumElements() / lanes, fill(d.scalar(op.getSource())));
  } else {
    int64_t columns = type.getDimSize(1) / lanes;
    for (int64_t r = 0; r < type.getDimSize(0); ++r) {
      Value row;
      if (op.getDim() == 0)
        row = d.encoding(source).getDim() < 0 ? fill(d.tile(op.getSource())[r])
                                              : b.laneEverywhere(d.tile(op.getSource())[0], r, lanes);
      for (int64_t c = 0; c < columns; ++c)
        parts.push_back(row ? row : d.tile(op.getSource())[c]);
    }
  }
  d.tiles[op.getTile()] = parts;
}

/// Along registers first; then across lanes, where pairs of rows share a vector until one vector holds them all: half the work of
/// reducing row by row. The order is the same for every length.
static void distribute(Distributor &d, ReduceOp op) {
  TeamBuilder &b = d.b;
  auto source = cast<RankedTensorType>(op.getSource().getType());
  auto combine = [&](Value x, Value y) -> Value {
    switch (op.getKind()) {
    case Reduction::add:
      return b.addf(x, y);
    case Reduction::max:
      return b.maxf(x, y);
    case Reduction::umax:
      return arith::MaxUIOp::create(b, b.loc, x, y);
    case Reduction::min: {
      Value less = arith::CmpFOp::create(b, b.loc, arith::CmpFPredicate::OLT, x, y);
      return arith::SelectOp::create(b, b.loc, less, x, y);
    }
    }
    llvm_unreachable("all reductions are handled");
  };
  SmallVector<Value> totals;
  if (b.threads) {
    // Parts of a row lie one after another; then across the threads that share it.
    LaneMap map(source);
    for (size_t part = 0; part < map.numParts(); ++part)
      if (part == 0 || map.constant(part, 0) != map.constant(part - 1, 0))
        totals.push_back(d.tile(op.getSource())[part]);
      else
        totals.back() = combine(totals.back(), d.tile(op.getSource())[part]);
    for (Value &total : totals)
      for (int64_t bit : llvm::reverse(map.bits(1)))
        if (bit >= 0)
          total = combine(total, ExchangeOp::create(b, b.loc, total, int64_t(1) << bit));
    d.tiles[op.getTile()] = totals;
    return;
  }
  int64_t lanes = d.encoding(source).getLanes(), columns = source.getDimSize(1) / lanes, rows = source.getDimSize(0);
  for (int64_t r = 0; r < rows; ++r) {
    totals.push_back(d.tile(op.getSource())[r * columns]);
    for (int64_t c = 1; c < columns; ++c)
      totals.back() = combine(totals.back(), d.tile(op.getSource())[r * columns + c]);
  }
  // Every vector holds several rows, `width` lanes of each.
  int64_t width = lanes;
  for (; totals.size() > 1 && width > 1; width /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t from : {int64_t(0), lanes})
      for (int64_t row = 0; row < lanes; row += width)
        for (int64_t lane = 0; lane < width / 2; ++lane) {
          low.push_back(from + row + lane);
          high.push_back(from + row + lane + width / 2);
        }
    SmallVector<Value> joined;
    for (size_t i = 0; i < totals.size(); i += 2) {
      Value x = totals[i], y = totals[std::min(i + 1, totals.size() - 1)];
      Value lower = vector::ShuffleOp::create(b, b.loc, x, y, low), upper = vector::ShuffleOp::create(b, b.loc, x, y, high);
      joined.push_back(combine(lower, upper));
    }
    totals = joined;
  }
  for (int64_t half = width / 2; half >= 1; half /= 2) {
    SmallVector<int64_t> other;
    for (int64_t lane = 0; lane < lanes; ++lane)
      other.push_back(lane ^ half);
    for (Value &total : totals)
      total = combine(total, vector::ShuffleOp::create(b, b.loc, total, total, other));
  }
  // Row r is lane r * width of them, laid end to end.
  SmallVector<int64_t> first;
  for (int64_t r = 0; r < rows; ++r)
    first.push_back(r * width);
  if (rows > 1 && totals.size() <= 2) {
    d.tiles[op.getTile()] = {vector::ShuffleOp::create(b, b.loc, totals.front(), totals.back(), first)};
    return;
  }
  SmallVector<Value> parts;
  for (int64_t lane : first)
    parts.push_back(vector::ExtractOp::create(b, b.loc, totals[lane / lanes], ArrayRef<int64_t>{lane % lanes}));
  if (auto vector = dyn_cast<VectorType>(d.partType(cast<RankedTensorType>(op.getTile().getType()))))
    parts = {vector::FromElementsOp::create(b, b.loc, vector, parts)};
  d.tiles[op.getTile()] = parts;
}

/// What a kernel is told.
template <typename Op> static void copy(Distributor &d, Op op) { d.b.clone(*op, d.scalars); }

void attachElementwiseModels(MLIRContext *context) {
  attachModel<EncodeOp, distribute>(context);
  attachModel<RowsOp, distribute>(context);
  attachModel<RowOp, distribute>(context);
  attachModel<IndexOp, distribute>(context);
  attachModel<SpreadOp, distribute>(context);
  attachModel<ReduceOp, distribute>(context);
  attachModel<StepOp, copy>(context);
  attachModel<ItemOp, copy>(context);
  attachModel<ArgumentOp, copy>(context);
  attachModel<NewItemOp, copy>(context);
  attachModel<SetItemOp, copy>(context);
}

} // namespace kv
