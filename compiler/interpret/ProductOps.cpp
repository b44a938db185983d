// kv.product and kv.multiply: row operands times what a block holds, or what was decoded of it.
#include "compiler/codecs/CodecFamily.h"
#include "compiler/interpret/Frame.h"

#include <cmath>

using namespace mlir;

namespace kv::tiles {
namespace {

/// The parts of a sum over z in [begin, end): factors of rows, and of columns x.
class Sum {
public:
  Sum(Frame &frame, Operation *op, mlir::Value zBegin, mlir::Value zEnd, RankedTensorType type)
      : frame(frame), op(op), begin(frame.integer(zBegin)), end(std::max(begin, frame.integer(zEnd))), rows(type.getDimSize(0)),
        columns(type.getDimSize(1)), isInteger(isa<IntegerType>(type.getElementType())) {}

  Frame &frame;
  Operation *op;
  const int64_t begin, end, rows, columns;
  const bool isInteger;
  std::vector<double> factors; ///< [columns][end - begin]

  int64_t length() const { return end - begin; }
  double &factor(int64_t x, int64_t z) { return factors[size_t(x * length() + z - begin)]; }

  /// What each row takes of z: all, but for its own limit and start.
  llvm::Error readBounds(ValueRange limits, ValueRange starts) {
    for (int64_t r = 0; r < rows; ++r) {
      firsts.push_back(starts.empty() ? begin : std::max(begin, frame.integer(starts[size_t(r)])));
      lasts.push_back(limits.empty() ? end : std::min(end, frame.integer(limits[size_t(r)])));
    }
    if (!llvm::is_sorted(firsts) || !llvm::is_sorted(lasts))
      return fail(op, "expected limits and starts that ascend");
    return llvm::Error::success();
  }

  /// Rows of a home from `row` on, by z: of f32, or row operands.
  llvm::Expected<std::vector<double>> readRows(const HomeData &home, int64_t row) const {
    const bool packed = !home.operands.values.empty();
    const int64_t width = packed ? home.operands.columns : home.cells.columns();
    if (row < 0 || row + rows > home.cells.rows() || begin < 0 || end > width)
      return fail(op, "rows {} to {}, elements {} to {} are outside `{}`", row, row + rows, begin, end, home.name);
    if (!packed && !home.cells.isFloat)
      return fail(op, "nothing has written `{}`", home.name);
    std::vector<double> read(size_t(rows * length()));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t z = firsts[size_t(r)]; z < lasts[size_t(r)]; ++z) {
        const auto cell = size_t((row + r) * width + z);
        if (!(packed ? home.operands.known : home.known)[cell])
          return fail(op, "nothing has written row {}, element {} of `{}`", row + r, z, home.name);
        read[size_t(r * length() + z - begin)] = packed ? home.operands.values[cell] : home.cells.floats[cell];
      }
    return read;
  }

  /// sum over z, for each row and column.
  std::vector<double> multiply(const std::vector<double> &rowFactors) {
    std::vector<double> sums(size_t(rows * columns));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t x = 0; x < columns; ++x)
        for (int64_t z = firsts[size_t(r)]; z < lasts[size_t(r)]; ++z)
          sums[size_t(r * columns + x)] += rowFactors[size_t(r * length() + z - begin)] * factor(x, z);
    return sums;
  }

  /// init + sums. Sums of integers stay in i32.
  llvm::Expected<Data> addTo(const Data &init, const std::vector<double> &sums) const {
    Data tile = init;
    for (size_t i = 0; i < sums.size(); ++i) {
      const double total = sums[i] + (isInteger ? double(init.integers[i]) : double(init.floats[i]));
      if (!isInteger)
        tile.floats[i] = float(total);
      else if (total == double(int32_t(total)))
        tile.integers[i] = int64_t(total);
      else
        return fail(op, "the sum {} is not in i32", total);
    }
    return tile;
  }

private:
  std::vector<int64_t> firsts, lasts;
};

/// Fills in what the product multiplies of its block.
llvm::Error readElements(Sum &sum, ProductOp op) {
  Frame &frame = sum.frame;
  const BlockData &block = frame.block(op.getBlock());
  const CacheReader &reader = frame.reader(block.cache);
  const Stream stream = op.getStream();
  CodecAttr codec = block.cache.getCodec(stream);
  const bool overChannels = op.getContract() == Contract::d;
  const int64_t first = frame.integer(op.getX()), channels = block.cache.getDim(stream);
  const int64_t lengthOfX = overChannels ? op.getBlock().getType().getTokens() : channels;
  if (first < 0 || first + sum.columns > lengthOfX)
    return fail(op, "columns {} to {} are outside the block", first, first + sum.columns);
  if (sum.begin < 0 || sum.end > (overChannels ? channels : block.count))
    return fail(op, "elements {} to {} are outside the block, which has {} tokens", sum.begin, sum.end, block.count);
  OperandForm operand; // of values and numbers, as they are
  if (op.getForm() == Form::codes)
    operand = familyOf(codec).operandForm(codec, op.getDot());
  sum.factors.resize(size_t(sum.columns * sum.length()));
  for (int64_t x = 0; x < sum.columns; ++x)
    for (int64_t z = sum.begin; z < sum.end; ++z) {
      const int64_t token = overChannels ? first + x : z, channel = overChannels ? z : first + x;
      const float element =
          op.getForm() == Form::values ? reader.value(block, stream, token, channel) : reader.number(block, stream, token, channel);
      sum.factor(x, z) = (double(element) + double(operand.shift)) * double(operand.factor);
    }
  return llvm::Error::success();
}

} // namespace

static llvm::Error runProduct(Frame &frame, ProductOp op) {
  Sum sum(frame, op, op.getZBegin(), op.getZEnd(), cast<RankedTensorType>(op.getTile().getType()));
  if (llvm::Error error = sum.readBounds(op.getLimits(), op.getStarts()))
    return error;
  if (llvm::Error error = readElements(sum, op))
    return error;
  const int64_t row = frame.integer(op.getRow());
  auto operands = sum.readRows(frame.home(op.getRows()), row);
  if (!operands)
    return operands.takeError();
  std::vector<double> sums = sum.multiply(*operands);
  if (op.getRest() && frame.isTrue(op.getRefined())) {
    auto rest = sum.readRows(frame.home(op.getRest()), row);
    if (!rest)
      return rest.takeError();
    std::vector<double> left = sum.multiply(*rest);
    for (auto [total, units] : llvm::zip_equal(sums, left))
      total += op.getForm() == Form::codes ? std::floor(units / 256) : units / 256;
  }
  if (op.getApart())
    for (double &total : sums)
      total = float(total);
  auto tile = sum.addTo(frame.data(op.getInit()), sums);
  if (!tile)
    return tile.takeError();
  frame.set(op.getTile(), std::move(*tile));
  return llvm::Error::success();
}

static llvm::Error runMultiply(Frame &frame, MultiplyOp op) {
  Sum sum(frame, op, op.getZBegin(), op.getZEnd(), cast<RankedTensorType>(op.getTile().getType()));
  if (llvm::Error error = sum.readBounds(op.getLimits(), op.getStarts()))
    return error;
  const HomeData &numbers = frame.home(op.getNumbers());
  const int64_t first = frame.integer(op.getFirst());
  if (first + sum.begin < 0 || first + sum.end > numbers.cells.rows() || sum.columns > numbers.cells.columns())
    return fail(op, "rows {} to {} are outside `{}`", first + sum.begin, first + sum.end, numbers.name);
  sum.factors.resize(size_t(sum.columns * sum.length()));
  for (int64_t x = 0; x < sum.columns; ++x)
    for (int64_t z = sum.begin; z < sum.end; ++z) {
      const auto cell = size_t((first + z) * numbers.cells.columns() + x);
      if (!numbers.known[cell])
        return fail(op, "nothing has written row {}, column {} of `{}`", first + z, x, numbers.name);
      sum.factor(x, z) = double(numbers.cells.floats[cell]);
    }
  auto rows = sum.readRows(frame.home(op.getRows()), frame.integer(op.getRow()));
  if (!rows)
    return rows.takeError();
  auto tile = sum.addTo(frame.data(op.getInit()), sum.multiply(*rows));
  if (!tile)
    return tile.takeError();
  frame.set(op.getTile(), std::move(*tile));
  return llvm::Error::success();
}

void addProductOps(Table &table) {
  table.add<ProductOp>(runProduct);
  table.add<MultiplyOp>(runMultiply);
}

} // namespace kv::tiles
