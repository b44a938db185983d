// Scratch, and rows of the step's tensors.
#include "compiler/interpret/Frame.h"
#include "compiler/reference/codecs/Scalar.h"
#include "dialect/DotRecord.h"

#include <cmath>
#include <cstring>

using namespace mlir;

namespace kv::tiles {
namespace {

Data dataLike(ShapedType type) {
  return isa<FloatType>(type.getElementType()) ? Data::ofFloats(type.getShape()) : Data::ofIntegers(type.getShape());
}

/// Part of a home: where a tile's elements are in it.
struct Part {
  int64_t row, column, rows, columns;
};

Part partOf(Frame &frame, const Data &tile, mlir::Value row, mlir::Value column) {
  return {frame.integer(row), frame.integer(column), tile.rows(), tile.columns()};
}

llvm::Error checkPart(Operation *op, const HomeData &home, const Part &part, int64_t columns) {
  if (part.row < 0 || part.row + part.rows > home.cells.rows())
    return fail(op, "rows {} to {} are outside `{}`, which has {}", part.row, part.row + part.rows, home.name, home.cells.rows());
  if (part.column < 0 || part.column + part.columns > columns)
    return fail(op, "columns {} to {} are outside `{}`, which has {}", part.column, part.column + part.columns, home.name, columns);
  return llvm::Error::success();
}

} // namespace

static llvm::Error runScratch(Frame &frame, ScratchOp op) {
  auto type = cast<MemRefType>(op.getHome().getType());
  HomeData &home = frame.makeHome();
  home.name = op.getName().str();
  if (type.getElementType().isInteger(8)) { // a ring of blocks
    home.ring.resize(size_t(type.getDimSize(0)));
  } else {
    home.cells = dataLike(type);
    home.known.resize(home.cells.count());
  }
  frame.set(op.getHome(), &home);
  return llvm::Error::success();
}

static llvm::Error runFetch(Frame &frame, FetchOp op) {
  const HomeData &home = frame.home(op.getHome());
  Data tile = dataLike(cast<RankedTensorType>(op.getTile().getType()));
  const Part part = partOf(frame, tile, op.getRow(), op.getColumn());
  if (llvm::Error error = checkPart(op, home, part, home.cells.columns()))
    return error;
  for (int64_t r = 0; r < part.rows; ++r)
    for (int64_t c = 0; c < part.columns; ++c) {
      const auto cell = size_t((part.row + r) * home.cells.columns() + part.column + c);
      if (!home.known[cell])
        return fail(op, "nothing has written row {}, column {} of `{}`", part.row + r, part.column + c, home.name);
      tile.copy(size_t(r * part.columns + c), home.cells, cell);
    }
  frame.set(op.getTile(), std::move(tile));
  return llvm::Error::success();
}

/// Writes a tile into a part of a home.
static llvm::Error storeTile(Operation *op, HomeData &home, const Data &tile, const Part &part) {
  if (llvm::Error error = checkPart(op, home, part, home.cells.columns()))
    return error;
  for (int64_t r = 0; r < part.rows; ++r)
    for (int64_t c = 0; c < part.columns; ++c) {
      const auto cell = size_t((part.row + r) * home.cells.columns() + part.column + c);
      home.cells.copy(cell, tile, size_t(r * part.columns + c));
      home.known[cell] = true;
    }
  return llvm::Error::success();
}

static llvm::Error runStore(Frame &frame, StoreOp op) {
  const Data &tile = frame.data(op.getTile());
  return storeTile(op, frame.home(op.getHome()), tile, partOf(frame, tile, op.getRow(), op.getColumn()));
}

/// Side by side, without their lift.
static llvm::Error runOperands(Frame &frame, OperandsOp op) {
  Part part{frame.integer(op.getRow()), 0, 0, 0};
  for (mlir::Value operand : op.getTiles()) {
    Data tile = frame.data(operand);
    for (float &number : tile.floats)
      number = float(double(number) / op.getLift().convertToDouble());
    part.rows = tile.rows();
    part.columns = tile.columns();
    if (llvm::Error error = storeTile(op, frame.home(op.getHome()), tile, part))
      return error;
    part.column += part.columns;
  }
  return llvm::Error::success();
}

/// The greatest and the least row operand of an integer record.
static std::pair<float, float> operandRange(Dot dot) {
  if (isTwoBytes(dot)) // the high one of two bytes must fit, too
    return hasSignedRows(dot) ? std::pair(127 * 256 + 127.0f, -32768.0f) : std::pair(65535.0f, 0.0f);
  if (dot == Dot::s16)
    return {32767.0f, -32768.0f};
  return hasSignedRows(dot) ? std::pair(127.0f, -128.0f) : std::pair(255.0f, 0.0f);
}

static float roundOperand(Dot dot, float number) {
  if (isIntegerDot(dot))
    return std::isnan(number) ? 0 : std::nearbyint(number); // the scale is NaN then
  if (dot == Dot::f16)
    return roundTo(Element::f16, number);
  const float high = roundTo(Element::bf16, number);
  return dot == Dot::bf16x2 ? high + roundTo(Element::bf16, number - high) : high;
}

static llvm::Error runPack(Frame &frame, PackOp op) {
  HomeData &home = frame.home(op.getHome());
  const Data &tile = frame.data(op.getTile());
  const Dot dot = op.getDot();
  Operands &operands = home.operands;
  if (operands.values.empty()) {
    operands.dot = dot;
    operands.columns = home.cells.columns() * dotDepth(dot) / rowParts(dot);
    operands.values.resize(size_t(home.cells.rows() * operands.columns));
    operands.known.resize(operands.values.size());
  }
  if (operands.dot != dot)
    return fail(op, "`{}` has operands of the record {}", home.name, stringifyDot(operands.dot).str());
  const Part part = partOf(frame, tile, op.getRow(), op.getColumn());
  if (llvm::Error error = checkPart(op, home, part, operands.columns))
    return error;
  for (int64_t r = 0; r < part.rows; ++r)
    for (int64_t c = 0; c < part.columns; ++c) {
      const auto cell = size_t((part.row + r) * operands.columns + part.column + c);
      const float rounded = roundOperand(dot, tile.floats[size_t(r * part.columns + c)]);
      if (auto [most, least] = operandRange(dot); isIntegerDot(dot) && !(rounded <= most && rounded >= least))
        return fail(op, "{} is no row operand of the record {}", rounded, stringifyDot(dot).str());
      operands.values[cell] = rounded;
      operands.known[cell] = true;
    }
  return llvm::Error::success();
}

//===- rows of tensors -------------------------------------------------------------------------------------------------------===//

/// A row of a tensor: f32, f16 or bf16.
struct TensorRow {
  Element type;
  int64_t width;
  Address first;

  TensorRow(Type stored, Address base, int64_t element)
      : type(stored.isF32()   ? Element::f32
             : stored.isF16() ? Element::f16
                              : Element::bf16),
        width(stored.getIntOrFloatBitWidth() / 8),
        first(reinterpret_cast<Address>(reinterpret_cast<intptr_t>(base) + element * width)) {}
};

static llvm::Error runLoad(Frame &frame, LoadOp op) {
  Data tile = dataLike(cast<RankedTensorType>(op.getTile().getType()));
  const TensorRow row(op.getStored(), frame.address(op.getBase()), frame.integer(op.getElement()));
  if (!frame.allows(row.first, int64_t(tile.count()) * row.width, /*writes=*/false))
    return fail(op, "element {} and on are outside the tensor", frame.integer(op.getElement()));
  for (size_t c = 0; c < tile.count(); ++c) {
    uint32_t stored = 0;
    std::memcpy(&stored, row.first + int64_t(c) * row.width, size_t(row.width));
    tile.floats[c] = decodeScalar(row.type, stored);
  }
  frame.set(op.getTile(), std::move(tile));
  return llvm::Error::success();
}

static llvm::Error runSave(Frame &frame, SaveOp op) {
  const Data &tile = frame.data(op.getTile());
  const TensorRow row(op.getStored(), frame.address(op.getBase()), frame.integer(op.getElement()));
  if (!frame.allows(row.first, int64_t(tile.count()) * row.width, /*writes=*/true))
    return fail(op, "element {} and on are outside the tensor", frame.integer(op.getElement()));
  for (size_t c = 0; c < tile.count(); ++c) {
    const uint32_t stored = encodeScalar(row.type, tile.floats[c]);
    std::memcpy(row.first + int64_t(c) * row.width, &stored, size_t(row.width));
  }
  return llvm::Error::success();
}

void addMemoryOps(Table &table) {
  table.add<ScratchOp>(runScratch);
  table.add<FetchOp>(runFetch);
  table.add<StoreOp>(runStore);
  table.add<OperandsOp>(runOperands);
  table.add<PackOp>(runPack);
  table.add<LoadOp>(runLoad);
  table.add<SaveOp>(runSave);
}

} // namespace kv::tiles
