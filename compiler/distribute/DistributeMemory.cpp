// Scratch and the tensors of a step: what tiles are read from and written to.
#include "compiler/distribute/Distributor.h"

using namespace mlir;

namespace kv {

static void distribute(Distributor &d, ScratchOp op) {
  auto type = cast<MemRefType>(op.getHome().getType());
  d.scalars.map(op.getHome(), d.allocate(type.getNumElements() * TeamBuilder::elementBytes(type.getElementType())));
}

static void distribute(Distributor &d, FetchOp op) {
  TeamBuilder &b = d.b;
  auto type = cast<RankedTensorType>(op.getTile().getType());
  SmallVector<Value> parts;
  for (const Distributor::Cell &cell : d.cells(type)) {
    Value row = b.KernelBuilder::add(d.scalar(op.getRow()), cell.row);
    Value column = b.KernelBuilder::add(d.scalar(op.getColumn()), cell.column);
    parts.push_back(b.loadVector(d.partType(type), d.homeAddress(op.getHome(), row, column)));
  }
  d.tiles[op.getTile()] = parts;
}

static void distribute(Distributor &d, StoreOp op) {
  TeamBuilder &b = d.b;
  d.storeParts(cast<RankedTensorType>(op.getTile().getType()), d.tile(op.getTile()), [&](const Distributor::Cell &cell) {
    Value row = b.KernelBuilder::add(d.scalar(op.getRow()), cell.row);
    Value column = b.KernelBuilder::add(d.scalar(op.getColumn()), cell.column);
    return d.homeAddress(op.getHome(), row, column);
  });
}

/// The half of a record nearest to `value`, as bits; `value` becomes what that leaves.
static Value takeHalf(TeamBuilder &b, Value &value, Dot dot) {
  Type halves = b.getI16Type(), f32 = value.getType();
  if (auto vector = dyn_cast<VectorType>(f32))
    halves = vector.clone(halves);
  if (dot == Dot::f16)
    return NarrowOp::create(b, b.loc, halves, Element::f16, value);
  Value bits = b.bfloatBits(value);
  value = b.subf(value, b.bitcast(f32, b.shl(bits, 16)));
  return arith::TruncIOp::create(b, b.loc, halves, bits);
}

/// Elements in the order in which a load's steps consume them, `depth` to a word.
static void distribute(Distributor &d, PackOp op) {
  TeamBuilder &b = d.b;
  auto type = cast<RankedTensorType>(op.getTile().getType());
  if (op.getDot() == Dot::f16 || b.threads) { // as they are numbered; the parts of an operand in halves of the home
    int64_t rowBytes = cast<MemRefType>(op.getHome().getType()).getDimSize(1) * 4;
    SmallVector<Value> rest(d.tile(op.getTile()));
    for (int64_t part = 0, count = rowParts(op.getDot()); part < count; ++part) {
      SmallVector<Value> halves;
      for (Value &value : rest)
        halves.push_back(takeHalf(b, value, op.getDot()));
      Value words = b.at(d.rowAddress(op.getHome(), d.scalar(op.getRow())), part * rowBytes / count);
      d.storeParts(type, halves, [&](const Distributor::Cell &cell) {
        Value column = b.KernelBuilder::add(d.scalar(op.getColumn()), cell.column);
        Value ofRow = b.mul(cell.row, rowBytes), ofColumn = b.mul(column, 2);
        return b.at(words, b.KernelBuilder::add(ofRow, ofColumn));
      });
    }
    return;
  }
  auto cache = cast<CacheType>(op.getCache());
  LoadAttr load = d.schedule.plan(StreamRef(op.getStream()).contract).getLoad();
  int64_t bits = cache.getCodec(op.getStream()).bits();
  int64_t lanes = d.encoding(type).getLanes(), columns = type.getDimSize(1), depth = dotDepth(op.getDot());
  bool numbered = op.getNumbered();
  int64_t pack = numbered ? depth : load.getPack();
  int64_t width = std::max(lanes, pack); // of whole loads: one vector or two
  assert(width <= 2 * lanes && columns % width == 0 && "one or two vectors hold whole loads of row operands");
  SmallVector<int64_t> order;
  for (int64_t first = 0; first < width; first += pack)
    for (int64_t step = 0; step < pack / depth; ++step)
      for (int64_t sub = 0; sub < depth; ++sub)
        order.push_back(first + (numbered ? sub : elementOfLane(load, bits, op.getDot(), step, sub)));
  Type integers = b.vec(lanes, b.getI32Type()), narrow = b.vec(lanes, b.getIntegerType(32 / depth));
  ArrayRef<Value> parts = d.tile(op.getTile());
  // The bits that a record takes of a number, in the low end of i32.
  auto round = [&](Value number) -> Value {
    if (plainDot(op.getDot()) == Dot::bf16)
      return b.bfloatBits(number);
    Value magic = b.broadcast(b.f32(roundingMagic), lanes);
    return b.bitcast(integers, arith::AddFOp::create(b, b.loc, number, magic, arith::FastMathFlags::contract));
  };
  int64_t count = rowParts(op.getDot()), partWords = cast<MemRefType>(op.getHome().getType()).getDimSize(1) / count;
  for (int64_t r = 0; r < type.getDimSize(0); ++r)
    for (int64_t c = 0; c < columns; c += width) {
      SmallVector<Value> bits;
      for (int64_t column = c; column < c + width; column += lanes)
        bits.push_back(round(parts[(r * columns + column) / lanes]));
      for (int64_t part = 0; part < count; ++part) {
        auto narrowed = [&](Value value) -> Value {
          if (part + 1 < count) // the high byte: what is left of a number without its low byte, signed where bytes are
            value = b.shrU(b.KernelBuilder::add(value, b.like(hasSignedRows(op.getDot()) ? 128 : 0, integers)), 8);
          return arith::TruncIOp::create(b, b.loc, narrow, value);
        };
        Value value = narrowed(bits[0]);
        if (width > lanes)
          value = vector::ShuffleOp::create(b, b.loc, value, narrowed(bits[1]), order);
        else if (!llvm::is_sorted(order))
          value = vector::ShuffleOp::create(b, b.loc, value, value, order);
        Value word = b.add(b.div(d.scalar(op.getColumn()), depth), c / depth + part * partWords);
        b.storeVector(value, d.homeAddress(op.getHome(), b.add(d.scalar(op.getRow()), r), word));
      }
    }
}

static void distribute(Distributor &d, LoadOp op) {
  TeamBuilder &b = d.b;
  auto type = cast<RankedTensorType>(op.getTile().getType());
  int64_t bytes = op.getStored().getIntOrFloatBitWidth() / 8;
  Type f32 = d.partType(type), i16 = d.partType(type.clone(b.getI16Type())), i32 = d.partType(type.clone(b.getI32Type()));
  SmallVector<Value> parts;
  for (const Distributor::Cell &cell : d.cells(type)) {
    Value element = b.KernelBuilder::add(d.scalar(op.getElement()), cell.column);
    Value address = b.at(d.scalar(op.getBase()), b.mul(element, bytes));
    if (op.getStored().isF32())
      parts.push_back(b.loadVector(f32, address));
    else if (op.getStored().isF16())
      parts.push_back(WidenOp::create(b, b.loc, f32, Element::f16, b.loadVector(i16, address)));
    else
      parts.push_back(b.bitcast(f32, b.shl(arith::ExtUIOp::create(b, b.loc, i32, b.loadVector(i16, address)), 16)));
  }
  d.tiles[op.getTile()] = parts;
}

static void distribute(Distributor &d, SaveOp op) {
  TeamBuilder &b = d.b;
  auto type = cast<RankedTensorType>(op.getTile().getType());
  int64_t bytes = op.getStored().getIntOrFloatBitWidth() / 8;
  Type i16 = d.partType(type.clone(b.getI16Type()));
  SmallVector<Value> parts;
  for (Value value : d.tile(op.getTile())) {
    if (op.getStored().isF16())
      value = NarrowOp::create(b, b.loc, i16, Element::f16, value);
    else if (op.getStored().isBF16())
      value = arith::TruncIOp::create(b, b.loc, i16, b.bfloatBits(value));
    parts.push_back(value);
  }
  d.storeParts(type, parts, [&](const Distributor::Cell &cell) {
    Value element = b.KernelBuilder::add(d.scalar(op.getElement()), cell.column);
    return b.at(d.scalar(op.getBase()), b.mul(element, bytes));
  });
}

/// A thread's own variables are not memory of the team.
static bool isOwn(LLVM::StoreOp op) {
  Value address = op.getAddr();
  while (auto offset = address.getDefiningOp<LLVM::GEPOp>())
    address = offset.getBase();
  return isa_and_nonnull<LLVM::AllocaOp>(address.getDefiningOp());
}

static TeamMemory memoryOf(LLVM::StoreOp op) { return {.writes = !isOwn(op)}; }

/// A scalar of level 1 is the same in every lane: one thread stores it.
static void distribute(Distributor &d, LLVM::StoreOp op) {
  int64_t idle = d.b.threads && !isOwn(op) ? d.b.threads - 1 : 0;
  d.b.onOwners(idle, [&] { d.b.clone(*op, d.scalars); });
}

void attachMemoryModels(MLIRContext *context) {
  attachModel<ScratchOp, distribute>(context);
  attachModel<FetchOp, distribute, readsTeam>(context);
  attachModel<StoreOp, distribute, writesTeam>(context);
  attachModel<PackOp, distribute, writesTeam>(context);
  attachModel<LoadOp, distribute>(context);
  attachModel<SaveOp, distribute>(context);
  attachModel<LLVM::StoreOp, distribute, memoryOf>(context);
}

} // namespace kv
