// Shapes and functions of tiles.
#include "compiler/interpret/Frame.h"
#include "compiler/reference/codecs/Scalar.h"

#include <cmath>

using namespace mlir;

namespace kv::tiles {

static llvm::ArrayRef<int64_t> shapeOf(mlir::Value tile) { return cast<RankedTensorType>(tile.getType()).getShape(); }

static llvm::Error runIndex(Frame &frame, IndexOp op) {
  Data tile = Data::ofIntegers(shapeOf(op.getTile()));
  const int64_t start = frame.integer(op.getStart());
  for (size_t i = 0; i < tile.count(); ++i)
    tile.integers[i] = int32_t(uint64_t(start) + i);
  frame.set(op.getTile(), std::move(tile));
  return llvm::Error::success();
}

static llvm::Error runRows(Frame &frame, RowsOp op) {
  const bool isFloat = frame.data(op.getValues().front()).isFloat;
  Data tile = isFloat ? Data::ofFloats(shapeOf(op.getTile())) : Data::ofIntegers(shapeOf(op.getTile()));
  for (auto [i, value] : llvm::enumerate(op.getValues()))
    tile.copy(i, frame.data(value), 0);
  frame.set(op.getTile(), std::move(tile));
  return llvm::Error::success();
}

static llvm::Error runRow(Frame &frame, RowOp op) {
  const Data &source = frame.data(op.getSource());
  Data value = source.isFloat ? Data::ofFloats({}) : Data::ofIntegers({});
  value.copy(0, source, 0);
  frame.set(op.getValue(), std::move(value));
  return llvm::Error::success();
}

static llvm::Error runSpread(Frame &frame, SpreadOp op) {
  const Data &source = frame.data(op.getSource());
  Data tile = source.isFloat ? Data::ofFloats(shapeOf(op.getTile())) : Data::ofIntegers(shapeOf(op.getTile()));
  for (size_t i = 0; i < tile.count(); ++i) {
    const auto row = int64_t(i) / tile.columns(), column = int64_t(i) % tile.columns();
    tile.copy(i, source, source.shape.empty() ? 0 : size_t(op.getDim() == 0 ? row : column));
  }
  frame.set(op.getTile(), std::move(tile));
  return llvm::Error::success();
}

static llvm::Error runReduce(Frame &frame, ReduceOp op) {
  const Data &source = frame.data(op.getSource());
  Data tile = source.isFloat ? Data::ofFloats(shapeOf(op.getTile())) : Data::ofIntegers(shapeOf(op.getTile()));
  const auto columns = size_t(source.columns());
  for (size_t row = 0; row < tile.count(); ++row) {
    const size_t first = row * columns;
    if (op.getKind() == Reduction::umax) {
      uint32_t greatest = 0;
      for (size_t c = 0; c < columns; ++c)
        greatest = std::max(greatest, uint32_t(source.integers[first + c]));
      tile.integers[row] = int32_t(greatest);
      continue;
    }
    double total = source.floats[first];
    for (size_t c = 1; c < columns; ++c) {
      const double element = source.floats[first + c];
      if (op.getKind() == Reduction::add)
        total += element;
      else if (op.getKind() == Reduction::max ? element > total : element < total)
        total = element;
    }
    tile.floats[row] = float(total);
  }
  frame.set(op.getTile(), std::move(tile));
  return llvm::Error::success();
}

static llvm::Error runExp2(Frame &frame, Exp2Op op) {
  Data y = frame.data(op.getX());
  for (float &number : y.floats) // of numbers above 0 it may be anything; of NaN it is NaN
    number = number > 0 ? NAN : number < -126 ? 0 : float(std::exp2(double(number)));
  frame.set(op.getY(), std::move(y));
  return llvm::Error::success();
}

/// Products of values take probabilities as they are.
static llvm::Error runWeigh(Frame &frame, WeighOp op) {
  for (auto [weight, probability] : llvm::zip_equal(op.getWeights(), op.getProbabilities()))
    frame.set(weight, Datum(frame.get(probability)));
  return llvm::Error::success();
}

/// Tiles are whole here, whatever lanes hold of them.
static llvm::Error runRelayout(Frame &frame, RelayoutOp op) {
  frame.set(op.getTile(), Datum(frame.get(op.getSource())));
  return llvm::Error::success();
}

static llvm::Error runNarrow(Frame &frame, NarrowOp op) {
  const Data &source = frame.data(op.getSource());
  Data bits = Data::ofIntegers(source.shape);
  const unsigned width = unsigned(bitsOf(op.getElement()));
  for (size_t i = 0; i < source.count(); ++i)
    bits.integers[i] = llvm::SignExtend64(encodeScalar(op.getElement(), source.floats[i]), width);
  frame.set(op.getResult(), std::move(bits));
  return llvm::Error::success();
}

static llvm::Error runWiden(Frame &frame, WidenOp op) {
  if (!op.getResult().getType().isF32())
    return fail(op, "expected f32");
  const Data &source = frame.data(op.getSource());
  Data numbers = Data::ofFloats(source.shape);
  const uint32_t mask = uint32_t((uint64_t(1) << bitsOf(op.getElement())) - 1);
  for (size_t i = 0; i < source.count(); ++i)
    numbers.floats[i] = decodeScalar(op.getElement(), uint32_t(source.integers[i]) >> op.getBit() & mask);
  frame.set(op.getResult(), std::move(numbers));
  return llvm::Error::success();
}

void addTileOps(Table &table) {
  table.add<IndexOp>(runIndex);
  table.add<RowsOp>(runRows);
  table.add<RowOp>(runRow);
  table.add<SpreadOp>(runSpread);
  table.add<ReduceOp>(runReduce);
  table.add<Exp2Op>(runExp2);
  table.add<WeighOp>(runWeigh);
  table.add<RelayoutOp>(runRelayout);
  table.add<NarrowOp>(runNarrow);
  table.add<WidenOp>(runWiden);
}

} // namespace kv::tiles
