// Rules of the operations of levels 1 and 2 (KvTileOps.td, KvMachineOps.td). Each check names the rule that it enforces.
#include "dialect/DotRecord.h"
#include "dialect/KvOps.h"
#include "dialect/Storage.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace kv {

static RankedTensorType tileOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Whether a tile is [rows] or [rows, columns] and no larger than a home.
static bool fitsHome(RankedTensorType tile, MemRefType home) {
  if (!tile.hasStaticShape() || tile.getRank() < 1 || tile.getRank() > 2)
    return false;
  int64_t columns = tile.getRank() == 2 ? tile.getDimSize(1) : 1;
  return tile.getDimSize(0) <= home.getDimSize(0) && columns <= home.getDimSize(1);
}

template <typename OpType> static LogicalResult verifyMove(OpType op) {
  auto home = cast<MemRefType>(op.getHome().getType());
  RankedTensorType tile = tileOf(op.getTile());
  if (tile.getElementType() != home.getElementType()) // fetch C1, store C1
    return op.emitOpError() << "expected a tile of " << home.getElementType() << ", got " << tile;
  if (!fitsHome(tile, home)) // fetch C2, store C2
    return op.emitOpError() << "expected a tile of [rows] or [rows, columns] no larger than " << home << ", got " << tile;
  return success();
}

template <typename OpType> static LogicalResult verifyRow(OpType op) {
  RankedTensorType tile = tileOf(op.getTile());
  if (tile.getRank() != 2 || tile.getDimSize(0) != 1 || !tile.hasStaticShape()) // load C1, save C1
    return op.emitOpError() << "expected a tile of [1, channels], got " << tile;
  Type stored = op.getStored();
  if (!stored.isF32() && !stored.isF16() && !stored.isBF16()) // load C2, save C2
    return op.emitOpError() << "expected a stored type of f32, f16 or bf16, got " << stored;
  return success();
}

template <typename OpType> static LogicalResult verifyParameter(OpType op, CacheType cache) {
  CodecAttr codec = cache.getCodec(op.getStream());
  if (!codec.has(op.getParameter())) // read C1, parameter_address C1
    return op.emitOpError() << "expected a codec with a " << stringifyCodecParameter(op.getParameter()) << ", got " << codec;
  return success();
}

LogicalResult ScratchOp::verify() {
  auto home = cast<MemRefType>(getHome().getType());
  if (!home.hasStaticShape() || home.getNumElements() < 1) // C1
    return emitOpError() << "expected static positive sizes, got " << home;
  return success();
}

LogicalResult FetchOp::verify() { return verifyMove(*this); }

LogicalResult StoreOp::verify() { return verifyMove(*this); }

LogicalResult PackOp::verify() {
  auto home = cast<MemRefType>(getHome().getType());
  RankedTensorType tile = tileOf(getTile());
  if (getDot() == Dot::f32 || !home.getElementType().isInteger(32)) // C1
    return emitOpError() << "expected a record of less than f32 and a home of i32, got " << stringifyDot(getDot()) << " and "
                         << home;
  if (tile.getRank() != 2 || !tile.hasStaticShape() || tile.getDimSize(0) > home.getDimSize(0)) // C2
    return emitOpError() << "expected a tile of [rows, columns] with at most " << home.getDimSize(0) << " rows, got " << tile;
  CodecAttr codec = cast<CacheType>(getCache()).getCodec(getStream());
  if (isIntegerDot(getDot()) && !codec.isInteger()) // C3
    return emitOpError() << "expected a codec of integer elements, got " << codec;
  return success();
}

LogicalResult LoadOp::verify() { return verifyRow(*this); }

LogicalResult SaveOp::verify() { return verifyRow(*this); }

LogicalResult ScatterOp::verify() {
  auto bits = cast<MemRefType>(getBits().getType());
  auto cache = cast<CacheType>(getCache());
  int64_t dim = cache.getDim(getStream());
  if (!bits.getElementType().isInteger(32) || bits.getDimSize(1) < dim) // C1
    return emitOpError() << "expected bits of i32 with at least " << dim << " columns, got " << bits;
  return success();
}

LogicalResult EncodeOp::verify() {
  if (isCode(getElement())) // C1
    return emitOpError() << "expected a float, got " << stringifyElement(getElement());
  RankedTensorType source = tileOf(getSource()), tile = tileOf(getTile());
  if (tile != source.clone(IntegerType::get(getContext(), 32))) // C2
    return emitOpError() << "expected a result of i32 in the shape of " << source << ", got " << tile;
  return success();
}

LogicalResult ParameterAddressOp::verify() { return verifyParameter(*this, cast<CacheType>(getCache())); }

LogicalResult AcquireOp::verify() {
  if (getAhead().size() != 0 && getAhead().size() != 3) // C1
    return emitOpError() << "expected nothing or a head, a token and a count ahead, got " << getAhead().size() << " values";
  return success();
}

LogicalResult ShareOp::verify() {
  if (int64_t(getRows()) < 1 || int64_t(getFewest()) < 1) // C1
    return emitOpError() << "expected `rows` and `fewest` from 1, got " << int64_t(getRows()) << " and " << int64_t(getFewest());
  return success();
}

LogicalResult AskOp::verify() {
  if (int64_t(getLines()) < 0) // C1
    return emitOpError() << "expected `lines` from 0, got " << int64_t(getLines());
  return success();
}

LogicalResult Exp2Op::verify() {
  if (getBits() < 1 || getBits() > 23) // C1
    return emitOpError() << "expected from 1 to 23 bits of precision, got " << getBits();
  return success();
}

LogicalResult AttendRowsOp::verify() {
  auto element = [](Value home) { return cast<MemRefType>(home.getType()).getElementType(); };
  bool rounded = !getRounding().empty();
  if (rounded && !element(getQueries()).isInteger(32)) // C1
    return emitOpError() << "expected rounded queries in words of i32, got " << getQueries().getType();
  SmallVector<Value> floats(getRounding());
  if (!rounded)
    floats.push_back(getQueries());
  floats.append({getMaximum(), getSum(), getNewMaximum(), getNewSum(), getAccumulator()});
  for (Value home : floats)
    if (!element(home).isF32() || !element(getLimits()).isInteger(32)) // C1
      return emitOpError() << "expected limits of i32 and other homes of f32, got " << getLimits().getType() << " and "
                           << home.getType();
  CacheType cache = getBlock().getType().getCache();
  int64_t key = cast<MemRefType>(getQueries().getType()).getDimSize(1) * (rounded ? 4 : 1);
  int64_t value = cast<MemRefType>(getAccumulator().getType()).getDimSize(1);
  if (key != cache.getKeyDim() || value != cache.getValueDim()) // C2
    return emitOpError() << "expected queries of " << cache.getKeyDim() << " channels and accumulators of " << cache.getValueDim()
                         << ", got " << key << " and " << value;
  return success();
}

LogicalResult StoreTokenOp::verify() {
  auto cache = cast<CacheType>(getCache());
  auto token = cast<MemRefType>(getToken().getType());
  int64_t dim = cache.getDim(getStream());
  if (!token.getElementType().isF32() || token.getShape() != ArrayRef<int64_t>{1, dim}) // C1
    return emitOpError() << "expected a token of 1 x " << dim << " f32, got " << token;
  return success();
}

/// Whether a slot of a ring is a page of `cache`.
static LogicalResult verifyRing(Operation *op, MemRefType ring, CacheType cache) {
  int64_t bytes = mapPage(cache).bytes;
  if (!ring.getElementType().isInteger(8) || ring.getDimSize(1) != bytes) // stage C1, staged C1
    return op->emitOpError() << "expected slots of " << bytes << " bytes, got " << ring;
  return success();
}

LogicalResult StageOp::verify() {
  BlockType block = getBlock().getType();
  return verifyRing(*this, cast<MemRefType>(getRing().getType()), stagedCache(block.getCache(), block.getTokens()));
}

LogicalResult StagedOp::verify() {
  CacheType cache = getBlock().getType().getCache();
  int64_t tokens = getBlock().getType().getTokens();
  if (cache.getHeads() != 1 || cache.getLayout().getSlots() != tokens) // C1
    return emitOpError() << "expected a block of a cache of one head and " << tokens << " slots, got " << cache;
  if (int64_t pending = int64_t(getPending()); pending < 0) // C2
    return emitOpError() << "expected `pending` from 0, got " << pending;
  return verifyRing(*this, cast<MemRefType>(getRing().getType()), cache);
}

LogicalResult ReadOp::verify() {
  if (failed(verifyParameter(*this, getBlock().getType().getCache())))
    return failure();
  RankedTensorType tile = tileOf(getTile());
  int64_t tokens = getBlock().getType().getTokens();
  if (tile.getRank() != 1 || !tile.hasStaticShape() || tile.getDimSize(0) > tokens) // C2
    return emitOpError() << "expected a tile of at most " << tokens << " tokens, got " << tile;
  return success();
}

LogicalResult IndexOp::verify() {
  RankedTensorType tile = tileOf(getTile());
  if (tile.getRank() != 1 || !tile.hasStaticShape() || !tile.getElementType().isInteger(32)) // C1
    return emitOpError() << "expected a tile of rank 1 and of i32, got " << tile;
  return success();
}

LogicalResult RowsOp::verify() {
  RankedTensorType tile = tileOf(getTile());
  int64_t values = getValues().size();
  if (tile.getRank() != 1 || tile.getDimSize(0) != values) // C1
    return emitOpError() << "expected a tile of " << values << " rows, got " << tile;
  for (Type type : getValues().getTypes())
    if (type != tile.getElementType()) // C2
      return emitOpError() << "expected values of " << tile.getElementType() << ", got " << type;
  return success();
}

LogicalResult RowOp::verify() {
  RankedTensorType source = tileOf(getSource());
  if (source.getRank() != 1 || source.getDimSize(0) != 1) // C1
    return emitOpError() << "expected a tile of one row, got " << source;
  if (getValue().getType() != source.getElementType()) // C2
    return emitOpError() << "expected a value of " << source.getElementType() << ", got " << getValue().getType();
  return success();
}

/// Whether all rows of a tile are in one vector or in every lane.
static bool isOneVector(TileAttr placed, RankedTensorType rows) {
  return placed.getDim() < 0 || (placed.getDim() == 0 && placed.getLanes() == rows.getDimSize(0));
}

/// Whether, in a team of threads, a tile of rank 1 lies as dimension `dim` of one of rank 2 does; without encodings too.
static bool sharesThreads(RankedTensorType line, RankedTensorType tile, int64_t dim) {
  auto own = dyn_cast_or_null<MapAttr>(line.getEncoding()), whole = dyn_cast_or_null<MapAttr>(tile.getEncoding());
  if (!own || !whole)
    return true;
  bool sized = own.getDims().size() == 1 && whole.getDims().size() == 2;
  return sized && own.getDims()[0] == whole.getDims()[size_t(dim)];
}

LogicalResult SpreadOp::verify() {
  RankedTensorType tile = tileOf(getTile());
  Type element = getElementTypeOrSelf(getSource().getType());
  if (element != tile.getElementType()) // C1
    return emitOpError() << "expected a result of " << element << ", got " << tile;
  auto source = dyn_cast<RankedTensorType>(getSource().getType());
  if (!source)
    return success();
  int64_t dim = getDim();
  if (source.getRank() != 1 || tile.getRank() != 2 || (dim != 0 && dim != 1)) // C2
    return emitOpError() << "expected a tile of rank 1 spread along 0 or 1 of one of rank 2, got " << source << " along " << dim
                         << " of " << tile;
  if (source.getDimSize(0) != tile.getDimSize(dim)) // C3
    return emitOpError() << "expected a source of " << tile.getDimSize(dim) << " elements, got " << source;
  auto from = dyn_cast_or_null<TileAttr>(source.getEncoding()), to = dyn_cast_or_null<TileAttr>(tile.getEncoding());
  auto oneVector = [&] { return isOneVector(from, source); };
  if (from && to && (dim == 0 ? !oneVector() : from.getDim() != 0 || from.getLanes() != to.getLanes())) // C4
    return emitOpError() << "expected a source "
                         << (dim == 0 ? "of rows in one vector or in every lane" : "along the lanes of the result") << ", got "
                         << source << " and " << tile;
  if (!sharesThreads(source, tile, dim)) // C4
    return emitOpError() << "expected a source that lies as dimension " << dim << " of the result does, got " << source << " and "
                         << tile;
  return success();
}

LogicalResult ReduceOp::verify() {
  RankedTensorType source = tileOf(getSource()), tile = tileOf(getTile());
  if (source.getRank() != 2 || tile.getRank() != 1 || source.getDimSize(0) != tile.getDimSize(0)) // C1
    return emitOpError() << "expected [rows, columns] reduced to [rows], got " << source << " and " << tile;
  Type element = source.getElementType();
  if (element != tile.getElementType() || (getKind() == Reduction::umax ? !element.isInteger(32) : !element.isF32())) // C2
    return emitOpError() << "expected " << (getKind() == Reduction::umax ? "i32" : "f32") << " elements, got " << source << " and "
                         << tile;
  auto rows = dyn_cast_or_null<TileAttr>(tile.getEncoding());
  if ((rows && !isOneVector(rows, tile)) || !sharesThreads(tile, source, 0)) // C3
    return emitOpError() << "expected rows in one vector or in every lane, or as the threads have them, got " << source << " and "
                         << tile;
  return success();
}

LogicalResult RelayoutOp::verify() {
  RankedTensorType source = tileOf(getSource()), tile = tileOf(getTile());
  if (source.getShape() != tile.getShape() || source.getElementType() != tile.getElementType()) // C1
    return emitOpError() << "expected one shape and element type, got " << source << " and " << tile;
  bool vectors = isa_and_nonnull<TileAttr>(source.getEncoding()) && isa_and_nonnull<TileAttr>(tile.getEncoding());
  bool threads = isa_and_nonnull<MapAttr>(source.getEncoding()) && isa_and_nonnull<MapAttr>(tile.getEncoding());
  if (!vectors && !threads) // C2
    return emitOpError() << "expected encodings of one kind, got " << source << " and " << tile;
  return success();
}

LogicalResult CopyOp::verify() {
  if (getBytes() != 4 && getBytes() != 8 && getBytes() != 16) // C1
    return emitOpError() << "expected 4, 8 or 16 bytes, got " << getBytes();
  return success();
}

LogicalResult ExchangeOp::verify() {
  if (getDistance() < 1 || !llvm::isPowerOf2_64(uint64_t(getDistance()))) // C1
    return emitOpError() << "expected a distance that is a power of two, got " << getDistance();
  return success();
}

/// C1 and C2 of kv.widen and kv.narrow.
template <typename OpType> static LogicalResult verifyConversion(OpType op) {
  Type source = op.getSource().getType(), result = op.getResult().getType();
  auto from = dyn_cast<VectorType>(source), to = dyn_cast<VectorType>(result);
  if (bool(from) != bool(to) || (from && from.getShape() != to.getShape())) // C1
    return op.emitOpError() << "expected source and result of one shape, got " << source << " and " << result;
  if (op.getElement() != Element::f16 && op.getElement() != Element::f8e4m3) // C2
    return op.emitOpError() << "expected f16 or f8e4m3, got " << stringifyElement(op.getElement());
  return success();
}

static int64_t widthOf(Value value) { return getElementTypeOrSelf(value.getType()).getIntOrFloatBitWidth(); }

LogicalResult WidenOp::verify() {
  if (failed(verifyConversion(*this)))
    return failure();
  int64_t bits = bitsOf(getElement()), bit = getBit();
  if (bit < 0 || bit + bits > widthOf(getSource()) || widthOf(getResult()) <= bits) // C3
    return emitOpError() << "expected " << bits << " bits from " << bit << " on and a result of more, got " << getSource().getType()
                         << " and " << getResult().getType();
  return success();
}

LogicalResult NarrowOp::verify() {
  if (failed(verifyConversion(*this)))
    return failure();
  if (widthOf(getResult()) != bitsOf(getElement())) // C3
    return emitOpError() << "expected " << bitsOf(getElement()) << " bits, got " << getResult().getType();
  return success();
}

} // namespace kv
