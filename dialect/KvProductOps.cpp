// Rules of products and of what they multiply (KvProductOps.td). Each check names the rule that it enforces.
#include "dialect/DotRecord.h"
#include "dialect/KvOps.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace kv {

static RankedTensorType tileOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// What of the block ahead an op asks for.
template <typename OpType> static LogicalResult verifyAsk(OpType op) {
  if (op.getAsk().size() != 0 && op.getAsk().size() != 2) // product C4, multiply C3
    return op.emitOpError() << "expected to ask for nothing, or from a byte in steps, got " << op.getAsk().size() << " values";
  return success();
}

/// Whether all tiles are f32 of two dimensions and of one shape.
static bool areAlike(ValueRange tiles) {
  return !tiles.empty() && tileOf(tiles.front()).getRank() == 2 && tileOf(tiles.front()).hasStaticShape() &&
         llvm::all_equal(tiles.getTypes());
}

LogicalResult WeighOp::verify() {
  auto types = llvm::to_vector(getProbabilities().getTypes());
  if (!areAlike(getProbabilities()) || types != llvm::to_vector(getWeights().getTypes())) // C1
    return emitOpError() << "expected as many weights as probabilities, all [rows, tokens] of one shape";
  for (Value bound : {getEnd(), getBegin()}) {
    if (!bound)
      continue;
    RankedTensorType tile = tileOf(bound);
    int64_t rows = tileOf(getProbabilities().front()).getDimSize(0);
    if (tile.getRank() != 1 || tile.getDimSize(0) != rows || !tile.getElementType().isInteger(32)) // C2
      return emitOpError() << "expected bounds of i32 for " << rows << " rows, got " << tile;
  }
  return success();
}

LogicalResult OperandsOp::verify() {
  auto home = cast<MemRefType>(getHome().getType());
  auto fits = [&] {
    RankedTensorType tile = tileOf(getTiles().front());
    return tile.getDimSize(0) <= home.getDimSize(0) && int64_t(getTiles().size()) * tile.getDimSize(1) <= home.getDimSize(1);
  };
  if (!areAlike(getTiles()) || !home.getElementType().isF32() || !fits()) // C1
    return emitOpError() << "expected tiles of one shape that fit a home of f32, got " << home;
  if (!getLift().isFinite() || getLift().isNegative() || getLift().isZero()) // C2
    return emitOpError() << "expected a positive `lift`, got " << getLift().convertToDouble();
  return success();
}

LogicalResult ProductOp::verify() {
  auto rows = cast<MemRefType>(getRows().getType());
  RankedTensorType tile = tileOf(getTile());
  bool packed = getDot() != Dot::f32, integer = isIntegerDot(getDot()), ofCodes = getForm() == Form::codes;
  auto agrees = [&](Type type, bool isInteger) { return isInteger ? type.isInteger(32) : type.isF32(); };
  if (ofCodes && (!agrees(rows.getElementType(), packed) || !agrees(tile.getElementType(), integer))) // C1
    return emitOpError() << "expected rows of " << (packed ? "i32" : "f32") << " and a result of " << (integer ? "i32" : "f32")
                         << " for the record " << stringifyDot(getDot()) << ", got " << rows << " and " << tile;
  if (!ofCodes && !tile.getElementType().isF32()) // C1
    return emitOpError() << "expected a result of f32 for a product of " << stringifyForm(getForm()) << ", got " << tile;
  CacheType cache = getBlock().getType().getCache();
  CodecAttr codec = cache.getCodec(getStream());
  if (integer && !codec.isInteger()) // C2
    return emitOpError() << "expected a codec of integer elements for the record " << stringifyDot(getDot()) << ", got " << codec;
  bool overTokens = getContract() == Contract::t;
  int64_t most = overTokens ? cache.getDim(getStream()) : getBlock().getType().getTokens();
  if (tile.getRank() != 2 || !tile.hasStaticShape() || tile.getDimSize(0) > rows.getDimSize(0) || tile.getDimSize(1) > most) // C3
    return emitOpError() << "expected a result of at most " << rows.getDimSize(0) << " rows and " << most << " columns, got "
                         << tile;
  bool mayBeNan = getForm() == Form::values || !codec.isInteger();
  for (OperandRange ends : {getLimits(), getStarts()})
    if (!ends.empty() && (!overTokens || !mayBeNan || int64_t(ends.size()) != tile.getDimSize(0))) // C5
      return emitOpError() << "expected no limits or starts, or " << tile.getDimSize(0)
                           << " of each, of values that are no codes, got " << ends.size();
  if (bool(getRest()) != bool(getRefined()) || (getRest() && !integer)) // C6
    return emitOpError() << "expected what rounding has left, and when to add it, of an integer record";
  if (ofCodes && (getSums() || getApart())) // C7
    return emitOpError() << "expected no `sums` and nothing `apart` of a product of codes";
  return verifyAsk(*this);
}

LogicalResult DecodeOp::verify() {
  RankedTensorType tile = tileOf(getTile());
  CacheType cache = getBlock().getType().getCache();
  int64_t z = cache.getDim(getStream()), x = getBlock().getType().getTokens();
  if (getContract() == Contract::t)
    std::swap(z, x);
  if (tile.getRank() != 2 || !tile.hasStaticShape() || tile.getDimSize(0) > z || tile.getDimSize(1) > x) // C1
    return emitOpError() << "expected a tile of at most " << z << " by " << x << ", got " << tile;
  return success();
}

LogicalResult MultiplyOp::verify() {
  auto rows = cast<MemRefType>(getRows().getType()), numbers = cast<MemRefType>(getNumbers().getType());
  if (!rows.getElementType().isF32() || !numbers.getElementType().isF32()) // C1
    return emitOpError() << "expected homes of f32, got " << rows << " and " << numbers;
  RankedTensorType tile = tileOf(getTile());
  if (tile.getRank() != 2 || !tile.hasStaticShape() || tile.getDimSize(0) > rows.getDimSize(0) || // C2
      tile.getDimSize(1) > numbers.getDimSize(1))
    return emitOpError() << "expected a result of at most " << rows.getDimSize(0) << " rows and " << numbers.getDimSize(1)
                         << " columns, got " << tile;
  for (OperandRange ends : {getLimits(), getStarts()})
    if (!ends.empty() && int64_t(ends.size()) != tile.getDimSize(0)) // C4
      return emitOpError() << "expected no limits or starts, or " << tile.getDimSize(0) << " of each, got " << ends.size();
  return verifyAsk(*this);
}

LogicalResult DotOp::verify() {
  Type acc = getAcc().getType(), cache = getCache().getType();
  Type f32 = Float32Type::get(getContext());
  Type sum = isIntegerDot(getDot()) ? IntegerType::get(getContext(), 32) : f32;
  Type operand = getDot() == Dot::f32 ? f32 : IntegerType::get(getContext(), getDot() == Dot::f16 ? 16 : 32);
  if (getElementTypeOrSelf(acc) != sum || getElementTypeOrSelf(cache) != operand) // C1
    return emitOpError() << "expected an accumulator of " << sum << " and operands of " << operand << " for the record "
                         << stringifyDot(getDot()) << ", got " << acc << " and " << cache;
  auto lanesOf = [](Type type) {
    auto vector = dyn_cast<VectorType>(type);
    return vector ? vector.getNumElements() : 1;
  };
  if (lanesOf(acc) != lanesOf(cache)) // C2
    return emitOpError() << "expected an accumulator with the lanes of its operands, got " << acc << " and " << cache;
  if (isPaired(getDot()) && lanesOf(acc) % 4) // C3
    return emitOpError() << "expected whole groups of four lanes for the record " << stringifyDot(getDot()) << ", got " << acc;
  return success();
}

LogicalResult MmaOp::verify() {
  if (getDot() != Dot::f16 && getDot() != Dot::bf16) // C1
    return emitOpError() << "expected the record f16 or bf16, got " << stringifyDot(getDot());
  return success();
}

} // namespace kv
