// Tiles -> vectors and scalars: the only 1:N conversion. A tile of R rows and X elements over teams of L lanes becomes R * X / L
// vectors, or in a team of threads so many scalars of each thread; a tile that every lane holds becomes scalars. Homes become
// addresses in the item's scratch, blocks become page addresses.
//
//   %s = arith.mulf %a, %b : tensor<2x32xf32, #kv.tile<lanes = 16, dim = 1>>
//   ->  four arith.mulf : vector<16xf32>
//
// What is left of the dialect are the neutral instructions kv.dot, kv.exp2, kv.from_half, kv.to_half on vectors.
#include "compiler/codecs/CodecFamily.h"
#include "compiler/distribute/Distributor.h"
#include "compiler/distribute/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace kv {

Distributor::Distributor(func::FuncOp func)
    : b(func), fences(b), schedule(func->getAttrOfType<ScheduleAttr>("kv.schedule")), func(func) {}

void Distributor::run() {
  mlir::Region body;
  body.takeBody(func.getBody());
  Block *entry = func.addEntryBlock();
  for (auto [from, to] : llvm::zip(body.front().getArguments(), entry->getArguments()))
    scalars.map(from, to);
  b.setInsertionPointToEnd(entry);
  b.step = entry->getArgument(0);
  b.item = entry->getArgument(1);
  scratch = b.read(ItemField::scratch);
  distribute(body.front());
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(entry->getTerminator());
    fences.finish();
  }
  if (func->hasAttr("kv.scratch_on_stack") && !b.threads)
    moveScratchToStack();
  func->setAttr("kv.scratch_bytes", b.getI64IntegerAttr(scratchBytes));
  body.dropAllReferences();
}

/// For kernels with little scratch: a step of theirs needs no workspace.
void Distributor::moveScratchToStack() {
  if (!scratchBytes)
    return;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&func.front());
  Value stack = LLVM::AllocaOp::create(b, func.getLoc(), b.ptr(), b.getI8Type(), b.i64(scratchBytes), /*alignment=*/64);
  scratch.replaceAllUsesWith(stack);
  scratchBytes = 0;
}

Type Distributor::partType(RankedTensorType type) {
  if (b.threads || encoding(type).getDim() < 0)
    return type.getElementType();
  return VectorType::get({encoding(type).getLanes()}, type.getElementType());
}

SmallVector<Distributor::Cell> Distributor::cells(RankedTensorType type) {
  SmallVector<Cell> result;
  if (b.threads) {
    LaneMap map(type);
    SmallVector<Value> offsets;
    for (int64_t dim = 0; dim < map.rank(); ++dim)
      offsets.push_back(b.laneOffset(map.bits(dim)));
    for (size_t part = 0; part < map.numParts(); ++part) {
      auto coordinate = [&](int64_t dim) { return b.add(offsets[dim], map.constant(part, dim)); };
      result.push_back({coordinate(0), map.rank() == 2 ? coordinate(1) : b.i64(0)});
    }
    return result;
  }
  TileAttr placed = encoding(type);
  int64_t columns = type.getRank() == 2 ? type.getDimSize(1) : 1;
  int64_t rowStep = placed.getDim() == 0 ? placed.getLanes() : 1, columnStep = placed.getDim() == 1 ? placed.getLanes() : 1;
  for (int64_t r = 0; r < type.getDimSize(0); r += rowStep)
    for (int64_t c = 0; c < columns; c += columnStep)
      result.push_back({b.i64(r), b.i64(c)});
  return result;
}

void Distributor::storeParts(RankedTensorType type, ArrayRef<Value> parts, function_ref<Value(const Cell &)> addressOf) {
  auto store = [&] {
    for (auto [part, cell] : llvm::zip_equal(parts, cells(type)))
      b.storeVector(part, addressOf(cell));
  };
  b.threads ? b.onOwners(LaneMap(type).idleBits(b.threads), store) : store();
}

Value Distributor::homeAddress(Value home, Value row, Value column) {
  auto type = cast<MemRefType>(home.getType());
  int64_t bytes = TeamBuilder::elementBytes(type.getElementType());
  Value offset = b.mul(b.add(b.mul(row, type.getDimSize(1)), column), bytes);
  return b.at(scalar(home), offset);
}

Value Distributor::allocate(int64_t bytes) {
  Value address = b.at(scratch, scratchBytes);
  scratchBytes += (bytes + 63) / 64 * 64;
  return address;
}

void Distributor::distribute(Block &block) {
  for (Operation &op : block)
    distribute(op);
}

void Distributor::distribute(Operation &op) {
  b.loc = op.getLoc();
  llvm::TypeSwitch<Operation *>(&op)
      .Case<scf::ForOp, scf::IfOp, ScratchOp, FetchOp, StoreOp, PackOp, LoadOp, SaveOp, EncodeOp, IndexOp, SpreadOp, ReduceOp,
            AcquireOp, AskOp, AttendRowsOp, StoreTokenOp, StageOp, StagedOp, ReadOp, DecodeOp, MultiplyOp, ParameterAddressOp,
            ScatterOp>([&](auto concrete) { convert(concrete); })
      .Case([&](ProductOp product) { tiles[product.getTile()] = distributeProduct(*this, product); })
      .Case([&](RowsOp rows) {
        SmallVector<Value> values;
        for (Value value : rows.getValues())
          values.push_back(scalar(value));
        auto type = cast<RankedTensorType>(rows.getTile().getType());
        if (b.threads)
          values = ownRows(type, values);
        else if (auto vector = dyn_cast<VectorType>(partType(type)))
          values = {vector::FromElementsOp::create(b, b.loc, vector, values)};
        tiles[rows.getTile()] = values;
      })
      .Case([&](LLVM::StoreOp
                    store) { // what level 1 computes is shared by all lanes; only a thread's own variables are not memory of all
        Value address = store.getAddr();
        while (auto offset = address.getDefiningOp<LLVM::GEPOp>())
          address = offset.getBase();
        if (address.getDefiningOp<LLVM::AllocaOp>()) {
          b.clone(op, scalars);
          return;
        }
        fences.beforeWrite();
        b.onOwners(b.threads ? b.threads - 1 : 0, [&] { b.clone(op, scalars); });
      })
      .Case([&](func::CallOp call) {
        fences.beforeRead();
        b.clone(op, scalars);
        fences.forget();
      })
      .Case([&](RowOp row) { scalars.map(row.getValue(), tile(row.getSource())[0]); })
      .Default([&](Operation *other) {
        bool onTiles = llvm::any_of(other->getResultTypes(), llvm::IsaPred<RankedTensorType>);
        if (onTiles)
          convertElementwise(*other);
        else
          b.clone(*other, scalars);
      });
}

/// One op on tiles becomes the same op on each of their parts.
void Distributor::convertElementwise(Operation &op) {
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  SmallVector<Value> parts;
  size_t asked = 0;
  for (size_t i = 0, count = tile(op.getOperand(0)).size(); i < count; ++i) {
    for (size_t due = linesToAsk.size() * (i + 1) / count; asked < due; ++asked)
      b.prefetch(linesToAsk[asked]);
    SmallVector<Value> operands;
    for (Value operand : op.getOperands())
      operands.push_back(isa<RankedTensorType>(operand.getType()) ? tile(operand)[i] : scalar(operand));
    OperationState state(b.loc, op.getName(), operands, {partType(type)}, op.getAttrs());
    parts.push_back(b.create(state)->getResult(0));
  }
  linesToAsk.clear();
  tiles[op.getResult(0)] = parts;
}

//===- control flow ----------------------------------------------------------------------------------------------------------===//

void Distributor::convert(scf::ForOp op) {
  SmallVector<Value> init;
  for (Value value : op.getInitArgs())
    if (isa<RankedTensorType>(value.getType()))
      llvm::append_range(init, tile(value));
    else
      init.push_back(scalar(value));
  auto loop = scf::ForOp::create(b, b.loc, scalar(op.getLowerBound()), scalar(op.getUpperBound()), scalar(op.getStep()), init);
  scalars.map(op.getInductionVar(), loop.getInductionVar());
  // Carried tiles take as many of the new loop's values as they have parts.
  auto bind = [&](ValueRange from, ValueRange to) {
    size_t next = 0;
    for (auto [value, initial] : llvm::zip(from, op.getInitArgs())) {
      size_t count = isa<RankedTensorType>(value.getType()) ? tile(initial).size() : 1;
      if (isa<RankedTensorType>(value.getType()))
        tiles[value] = SmallVector<Value>(to.slice(next, count));
      else
        scalars.map(value, to[next]);
      next += count;
    }
  };
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    fences.forget();
    bind(op.getRegionIterArgs(), loop.getRegionIterArgs());
    for (Operation &inner : op.getBody()->without_terminator())
      distribute(inner);
    if (!init.empty()) {
      SmallVector<Value> yielded;
      for (Value value : op.getBody()->getTerminator()->getOperands())
        if (isa<RankedTensorType>(value.getType()))
          llvm::append_range(yielded, tile(value));
        else
          yielded.push_back(scalar(value));
      scf::YieldOp::create(b, b.loc, yielded);
    }
  }
  fences.forget();
  bind(op.getResults(), loop.getResults());
}

/// Conditions of level 1 yield scalars only.
void Distributor::convert(scf::IfOp op) {
  auto copy = scf::IfOp::create(b, b.loc, op.getResultTypes(), scalar(op.getCondition()), !op.getElseRegion().empty());
  for (auto [from, to] : llvm::zip(op->getRegions(), copy->getRegions())) {
    if (from.empty())
      continue;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&to.front());
    fences.forget();
    for (Operation &inner : from.front().without_terminator())
      distribute(inner);
    if (op.getNumResults()) {
      SmallVector<Value> yielded;
      for (Value value : from.front().getTerminator()->getOperands())
        yielded.push_back(scalar(value));
      scf::YieldOp::create(b, b.loc, yielded);
    }
  }
  fences.forget();
  for (auto [from, to] : llvm::zip(op.getResults(), copy.getResults()))
    scalars.map(from, to);
}

//===- scratch and tensors ---------------------------------------------------------------------------------------------------===//

void Distributor::convert(ScratchOp op) {
  auto type = cast<MemRefType>(op.getHome().getType());
  scalars.map(op.getHome(), allocate(type.getNumElements() * TeamBuilder::elementBytes(type.getElementType())));
}

void Distributor::convert(FetchOp op) {
  auto type = cast<RankedTensorType>(op.getTile().getType());
  fences.beforeRead();
  SmallVector<Value> parts;
  for (const Cell &cell : cells(type))
    parts.push_back(b.loadVector(partType(type), homeAddress(op.getHome(), b.KernelBuilder::add(scalar(op.getRow()), cell.row),
                                                             b.KernelBuilder::add(scalar(op.getColumn()), cell.column))));
  tiles[op.getTile()] = parts;
}

void Distributor::convert(StoreOp op) {
  fences.beforeWrite();
  storeParts(cast<RankedTensorType>(op.getTile().getType()), tile(op.getTile()), [&](const Cell &cell) {
    return homeAddress(op.getHome(), b.KernelBuilder::add(scalar(op.getRow()), cell.row),
                       b.KernelBuilder::add(scalar(op.getColumn()), cell.column));
  });
}

/// The half of a record nearest to `value`, as bits; `value` becomes what that leaves.
Value Distributor::takeHalf(Value &value, Dot dot) {
  Type halves = b.getI16Type(), f32 = value.getType();
  if (auto vector = dyn_cast<VectorType>(f32))
    halves = vector.clone(halves);
  if (dot == Dot::f16)
    return ToHalfOp::create(b, b.loc, halves, value);
  Value bits = b.bfloatBits(value);
  value = b.subf(value, b.bitcast(f32, b.shl(bits, 16)));
  return arith::TruncIOp::create(b, b.loc, halves, bits);
}

/// Elements in the order in which a load's steps consume them, `depth` to a word.
void Distributor::convert(PackOp op) {
  auto type = cast<RankedTensorType>(op.getTile().getType());
  fences.beforeWrite();
  if (op.getDot() == Dot::f16 || b.threads) { // as they are numbered; the parts of an operand in halves of the home
    int64_t rowBytes = cast<MemRefType>(op.getHome().getType()).getDimSize(1) * 4;
    SmallVector<Value> rest(tile(op.getTile()));
    for (int64_t part = 0, count = rowParts(op.getDot()); part < count; ++part) {
      SmallVector<Value> halves;
      for (Value &value : rest)
        halves.push_back(takeHalf(value, op.getDot()));
      Value words = b.at(homeAddress(op.getHome(), scalar(op.getRow()), b.i64(0)), part * rowBytes / count);
      storeParts(type, halves, [&](const Cell &cell) {
        Value column = b.KernelBuilder::add(scalar(op.getColumn()), cell.column);
        return b.at(words, b.KernelBuilder::add(b.mul(cell.row, rowBytes), b.mul(column, 2)));
      });
    }
    return;
  }
  auto cache = cast<CacheType>(op.getCache());
  LoadAttr load = schedule.plan(StreamRef(op.getStream()).contract).getLoad();
  int64_t bits = cache.getCodec(op.getStream()).bits();
  int64_t lanes = encoding(type).getLanes(), columns = type.getDimSize(1), depth = dotDepth(op.getDot());
  bool numbered = schedule.getRoute() == Route::halide; // as they are numbered: Halide's own loads say which
  int64_t pack = numbered ? depth : load.getPack();
  int64_t width = std::max(lanes, pack); // of whole loads: one vector or two
  assert(width <= 2 * lanes && columns % width == 0 && "one or two vectors hold whole loads of row operands");
  SmallVector<int64_t> order;
  for (int64_t first = 0; first < width; first += pack)
    for (int64_t step = 0; step < pack / depth; ++step)
      for (int64_t sub = 0; sub < depth; ++sub)
        order.push_back(first + (numbered ? sub : elementOfLane(load, bits, op.getDot(), step, sub)));
  Type integers = b.vec(lanes, b.getI32Type()), narrow = b.vec(lanes, b.getIntegerType(32 / depth));
  ArrayRef<Value> parts = tile(op.getTile());
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
        Value word = b.add(b.div(scalar(op.getColumn()), depth), c / depth + part * partWords);
        b.storeVector(value, homeAddress(op.getHome(), b.add(scalar(op.getRow()), r), word));
      }
    }
}

void Distributor::convert(LoadOp op) {
  auto type = cast<RankedTensorType>(op.getTile().getType());
  int64_t bytes = op.getStored().getIntOrFloatBitWidth() / 8;
  Type f32 = partType(type), i16 = partType(type.clone(b.getI16Type())), i32 = partType(type.clone(b.getI32Type()));
  SmallVector<Value> parts;
  for (const Cell &cell : cells(type)) {
    Value element = b.KernelBuilder::add(scalar(op.getElement()), cell.column);
    Value address = b.at(scalar(op.getBase()), b.mul(element, bytes));
    if (op.getStored().isF32())
      parts.push_back(b.loadVector(f32, address));
    else if (op.getStored().isF16())
      parts.push_back(FromHalfOp::create(b, b.loc, f32, b.loadVector(i16, address)));
    else
      parts.push_back(b.bitcast(f32, b.shl(arith::ExtUIOp::create(b, b.loc, i32, b.loadVector(i16, address)), 16)));
  }
  tiles[op.getTile()] = parts;
}

void Distributor::convert(SaveOp op) {
  auto type = cast<RankedTensorType>(op.getTile().getType());
  int64_t bytes = op.getStored().getIntOrFloatBitWidth() / 8;
  Type i16 = partType(type.clone(b.getI16Type()));
  SmallVector<Value> parts;
  for (Value value : tile(op.getTile())) {
    if (op.getStored().isF16())
      value = ToHalfOp::create(b, b.loc, i16, value);
    else if (op.getStored().isBF16())
      value = arith::TruncIOp::create(b, b.loc, i16, b.bfloatBits(value));
    parts.push_back(value);
  }
  storeParts(type, parts, [&](const Cell &cell) {
    Value element = b.KernelBuilder::add(scalar(op.getElement()), cell.column);
    return b.at(scalar(op.getBase()), b.mul(element, bytes));
  });
}

void Distributor::convert(EncodeOp op) {
  SmallVector<Value> parts;
  for (Value part : tile(op.getSource()))
    parts.push_back(narrow(b, op.getElement(), part));
  tiles[op.getTile()] = parts;
}

//===- shapes ----------------------------------------------------------------------------------------------------------------===//

void Distributor::convert(IndexOp op) {
  auto type = cast<RankedTensorType>(op.getTile().getType());
  Value start = scalar(op.getStart());
  SmallVector<Value> parts;
  if (b.threads)
    for (const Cell &cell : cells(type))
      parts.push_back(b.KernelBuilder::add(start, b.toI32(cell.row)));
  else
    for (int64_t lanes = encoding(type).getLanes(), c = 0; c < type.getDimSize(0); c += lanes)
      parts.push_back(b.countLanes(start, c, lanes));
  tiles[op.getTile()] = parts;
}

void Distributor::convert(SpreadOp op) {
  auto type = cast<RankedTensorType>(op.getTile().getType());
  SmallVector<Value> parts;
  auto source = dyn_cast<RankedTensorType>(op.getSource().getType());
  if (b.threads) {
    LaneMap map(type);
    for (size_t part = 0; part < map.numParts(); ++part)
      parts.push_back(source ? tile(op.getSource())[LaneMap(source).partAt(map.constant(part, int64_t(op.getDim())))]
                             : scalar(op.getSource()));
    tiles[op.getTile()] = parts;
    return;
  }
  TileAttr placed = encoding(type);
  int64_t lanes = placed.getLanes();
  auto fill = [&](Value value) { return placed.getDim() < 0 ? value : b.broadcast(value, lanes); };
  if (!source) {
    parts.assign(type.getNumElements() / lanes, fill(scalar(op.getSource())));
  } else {
    int64_t columns = type.getDimSize(1) / lanes;
    for (int64_t r = 0; r < type.getDimSize(0); ++r) {
      Value row;
      if (op.getDim() == 0)
        row = encoding(source).getDim() < 0 ? fill(tile(op.getSource())[r]) : b.laneEverywhere(tile(op.getSource())[0], r, lanes);
      for (int64_t c = 0; c < columns; ++c)
        parts.push_back(row ? row : tile(op.getSource())[c]);
    }
  }
  tiles[op.getTile()] = parts;
}

/// Along registers first; then across lanes, where pairs of rows share a vector until one vector holds them all: half the work of
/// reducing row by row. The order is the same for every length.
void Distributor::convert(ReduceOp op) {
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
        totals.push_back(tile(op.getSource())[part]);
      else
        totals.back() = combine(totals.back(), tile(op.getSource())[part]);
    for (Value &total : totals)
      for (int64_t bit : llvm::reverse(map.bits(1)))
        if (bit >= 0)
          total = combine(total, ExchangeOp::create(b, b.loc, total, int64_t(1) << bit));
    tiles[op.getTile()] = totals;
    return;
  }
  int64_t lanes = encoding(source).getLanes(), columns = source.getDimSize(1) / lanes, rows = source.getDimSize(0);
  for (int64_t r = 0; r < rows; ++r) {
    totals.push_back(tile(op.getSource())[r * columns]);
    for (int64_t c = 1; c < columns; ++c)
      totals.back() = combine(totals.back(), tile(op.getSource())[r * columns + c]);
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
      joined.push_back(combine(vector::ShuffleOp::create(b, b.loc, x, y, low), vector::ShuffleOp::create(b, b.loc, x, y, high)));
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
    tiles[op.getTile()] = {vector::ShuffleOp::create(b, b.loc, totals.front(), totals.back(), first)};
    return;
  }
  SmallVector<Value> parts;
  for (int64_t lane : first)
    parts.push_back(vector::ExtractOp::create(b, b.loc, totals[lane / lanes], ArrayRef<int64_t>{lane % lanes}));
  if (auto vector = dyn_cast<VectorType>(partType(cast<RankedTensorType>(op.getTile().getType()))))
    parts = {vector::FromElementsOp::create(b, b.loc, vector, parts)};
  tiles[op.getTile()] = parts;
}

//===- pass ------------------------------------------------------------------------------------------------------------------===//

namespace {

struct DistributeTiles : PassWrapper<DistributeTiles, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DistributeTiles)
  StringRef getArgument() const final { return "kv-distribute-tiles"; }
  StringRef getDescription() const final { return "turn tiles into vectors and scalars"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<vector::VectorDialect, scf::SCFDialect>(); }

  void runOnOperation() override {
    if (!getOperation()->hasAttr("kv.kernel"))
      return;
    if (failed(checkPlaced()))
      return signalPassFailure();
    Distributor(getOperation()).run();
  }

private:
  /// Whether tiling and kv-place-tiles have been here.
  LogicalResult checkPlaced() {
    func::FuncOp func = getOperation();
    auto isPointer = llvm::IsaPred<LLVM::LLVMPointerType>;
    if (func.isDeclaration() || func.getNumArguments() < 2 || !llvm::all_of(func.getArgumentTypes().take_front(2), isPointer))
      return func.emitOpError() << "expected a kernel of a step and an item, as kv-tile-append and kv-tile-attend make them";
    auto schedule = func->getAttrOfType<ScheduleAttr>("kv.schedule");
    if (!schedule)
      return func.emitOpError() << "expected a `kv.schedule`, which kv-select-schedule writes";
    auto isPlaced = [&](Type type) {
      auto tile = dyn_cast<RankedTensorType>(type);
      return !tile || (schedule.getTeam().getThreads() ? isa_and_nonnull<MapAttr>(tile.getEncoding())
                                                       : isa_and_nonnull<TileAttr>(tile.getEncoding()));
    };
    WalkResult result = func.walk([&](Operation *op) {
      if (isa<AppendOp, AttendOp, AppendAttendOp>(op)) {
        op->emitOpError() << "expected tiles, which kv-tile-append and kv-tile-attend make";
        return WalkResult::interrupt();
      }
      if (llvm::all_of(op->getResultTypes(), isPlaced))
        return WalkResult::advance();
      op->emitOpError() << "expected a tile with an encoding, which kv-place-tiles gives it";
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }
};

} // namespace

std::unique_ptr<Pass> createDistributeTilesPass() { return std::make_unique<DistributeTiles>(); }

} // namespace kv
