// Tiles -> vectors and scalars: the only 1:N conversion. A tile of R rows and X elements over teams of L lanes becomes R * X / L
// vectors, or in a team of threads so many scalars of each thread; a tile that every lane holds becomes scalars. Homes become
// addresses in the item's scratch, blocks become page addresses.
//
//   %s = arith.mulf %a, %b : tensor<2x32xf32, #kv.tile<lanes = 16, dim = 1>>
//   ->  four arith.mulf : vector<16xf32>
//
// What is left of the dialect are the neutral instructions kv.dot, kv.exp2, kv.from_half, kv.to_half on vectors.
#include "compiler/transforms/Distributor.h"
#include "compiler/transforms/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace kv {

Distributor::Distributor(func::FuncOp func) : b(func), fences(b), func(func) {}

void Distributor::run() {
  mlir::Region body;
  body.takeBody(func.getBody());
  Block *entry = func.addEntryBlock();
  for (auto [from, to] : llvm::zip(body.front().getArguments(), entry->getArguments()))
    scalars.map(from, to);
  b.setInsertionPointToEnd(entry);
  b.step = entry->getArgument(0);
  b.item = entry->getArgument(1);
  scratch = b.itemPtr(offsetof(kv_item, scratch));
  distribute(body.front());
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(entry->getTerminator());
    fences.finish();
  }
  func->setAttr("kv.scratch_bytes", b.getI64IntegerAttr(scratchBytes));
  body.dropAllReferences();
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
            AcquireOp, StageOp, StagedOp, ReadOp, ParameterAddressOp, ScatterOp>([&](auto concrete) { convert(concrete); })
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
  for (size_t i = 0, count = tile(op.getOperand(0)).size(); i < count; ++i) {
    SmallVector<Value> operands;
    for (Value operand : op.getOperands())
      operands.push_back(isa<RankedTensorType>(operand.getType()) ? tile(operand)[i] : scalar(operand));
    OperationState state(b.loc, op.getName(), operands, {partType(type)}, op.getAttrs());
    parts.push_back(b.create(state)->getResult(0));
  }
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
  auto schedule = func->getAttrOfType<ScheduleAttr>("kv.schedule");
  LoadRecord load = productLoad(cache, op.getStream(), schedule.getLanes());
  int64_t bits = (op.getStream() == Stream::key ? cache.getKey() : cache.getValue()).bits();
  int64_t lanes = encoding(type).getLanes(), columns = type.getDimSize(1), depth = dotDepth(op.getDot());
  int64_t width = std::max(lanes, load.pack); // of whole loads: one vector or two
  assert(width <= 2 * lanes && columns % width == 0 && "one or two vectors hold whole loads of row operands");
  SmallVector<int64_t> order;
  for (int64_t first = 0; first < width; first += load.pack)
    for (int64_t step = 0; step < load.pack / depth; ++step)
      for (int64_t sub = 0; sub < depth; ++sub)
        order.push_back(first + elementOfLane(load, bits, op.getDot(), step, sub));
  Type integers = b.vec(lanes, b.getI32Type()), narrow = b.vec(lanes, b.getIntegerType(32 / depth));
  ArrayRef<Value> parts = tile(op.getTile());
  for (int64_t r = 0; r < type.getDimSize(0); ++r)
    for (int64_t c = 0; c < columns; c += width) {
      auto round = [&](int64_t column) -> Value {
        if (plainDot(op.getDot()) == Dot::bf16)
          return arith::TruncIOp::create(b, b.loc, narrow, b.bfloatBits(parts[(r * columns + column) / lanes]));
        Value magic = b.broadcast(b.f32(roundingMagic), lanes), shifted = b.addf(parts[(r * columns + column) / lanes], magic);
        return arith::TruncIOp::create(b, b.loc, narrow, b.bitcast(integers, shifted));
      };
      Value value = round(c);
      if (width > lanes)
        value = vector::ShuffleOp::create(b, b.loc, value, round(c + lanes), order);
      else if (!llvm::is_sorted(order))
        value = vector::ShuffleOp::create(b, b.loc, value, value, order);
      Value word = b.add(b.div(scalar(op.getColumn()), depth), c / depth);
      b.storeVector(value, homeAddress(op.getHome(), b.add(scalar(op.getRow()), r), word));
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
  auto type = cast<RankedTensorType>(op.getTile().getType());
  Type integers = partType(type), halves = partType(type.clone(b.getI16Type()));
  SmallVector<Value> parts;
  for (Value part : tile(op.getSource())) {
    if (op.getElement() == Element::f32)
      parts.push_back(b.bitcast(integers, part));
    else if (op.getElement() == Element::bf16)
      parts.push_back(b.bfloatBits(part));
    else
      parts.push_back(arith::ExtUIOp::create(b, b.loc, integers, ToHalfOp::create(b, b.loc, halves, part)));
  }
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

//===- the cache -------------------------------------------------------------------------------------------------------------===//

void Distributor::convert(AcquireOp op) {
  auto type = cast<BlockType>(op.getBlock().getType());
  PageMap map = mapPage(type.getCache());
  int64_t slots = map.slots, tokens = type.getTokens();
  bool several = fitBlocks(type.getCache(), tokens) == BlockFit::whole;
  bool list = several && !llvm::all_of(op.getBlock().getUsers(), llvm::IsaPred<StageOp>);
  BlockPages block{findPages(op, op.getHead(), op.getToken(), op.getCount(), several, list), map, tokens,
                   /*ragged=*/!several && slots % tokens != 0, std::nullopt};
  if (OperandRange ahead = op.getAhead(); !ahead.empty())
    block.ahead = findPages(op, ahead[0], ahead[1], ahead[2], several, list);
  blocks.insert({op.getBlock(), block});
}

TokenPages Distributor::findPages(AcquireOp op, Value head, Value token, Value count, bool several, bool list) {
  int64_t slots = cast<BlockType>(op.getBlock().getType()).getCache().getLayout().getSlots();
  int64_t tokens = cast<BlockType>(op.getBlock().getType()).getTokens();
  Value first = b.div(scalar(token), slots);
  Value last = b.div(b.sub(b.add(scalar(token), scalar(count)), b.i64(1)), slots);
  TokenPages found;
  found.head = scalar(head);
  found.firstSlot = several ? b.i64(0) : b.sub(scalar(token), b.mul(first, slots));
  for (int64_t i = 0; i < (several ? tokens / slots : 1); ++i) {
    Value number = b.entry(scalar(op.getTable()), i ? b.min(b.add(first, i), last) : first);
    found.pages.push_back(b.at(scalar(op.getPages()), b.mul(number, scalar(op.getStride()))));
  }
  if (list) {
    found.list = allocate(found.pages.size() * 8);
    fences.beforeWrite();
    b.onOwners(b.threads ? b.threads - 1 : 0, [&] {
      for (auto [i, page] : llvm::enumerate(found.pages))
        b.store(page, b.at(found.list, i * 8));
    });
  }
  return found;
}

/// Of the numbers of all rows, those of the thread's own.
SmallVector<Value> Distributor::ownRows(RankedTensorType type, ArrayRef<Value> values) {
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

Distributor::OwnToken Distributor::ownToken(const BlockPages &block, Value token) {
  if (!block.list) {
    Value slot = b.KernelBuilder::add(block.firstSlot, token);
    // What lies past the page is masked, but must not be read outside: the page's last slot stands for it.
    return {block.pages[0], block.ragged ? b.min(slot, b.i64(block.map.slots - 1)) : slot};
  }
  fences.beforeRead();
  Value page = b.load(b.ptr(), b.at(block.list, b.mul(b.div(token, block.tokensPerPage()), 8)));
  return {page, b.rem(token, block.tokensPerPage())};
}

static const Region &parameterRegion(const PageMap &map, Stream stream, CodecParameter parameter) {
  if (stream == Stream::key)
    return parameter == CodecParameter::scale ? *map.keyScale : *map.keyZero;
  return parameter == CodecParameter::scale ? *map.valueScale : *map.valueZero;
}

void Distributor::convert(ReadOp op) {
  const BlockPages &block = blocks.find(op.getBlock())->second;
  const Region &region = parameterRegion(block.map, op.getStream(), op.getParameter());
  auto type = cast<RankedTensorType>(op.getTile().getType());
  SmallVector<Value> parts;
  if (b.threads) {
    for (const Cell &cell : cells(type)) {
      OwnToken own = ownToken(block, b.KernelBuilder::add(scalar(op.getToken()), cell.row));
      Value address = b.elementAddress(region, own.page, b.element(region, block.head, own.slot, scalar(op.getGroup())));
      if (region.bits == 32)
        parts.push_back(b.loadVector(b.getF32Type(), address));
      else
        parts.push_back(FromHalfOp::create(b, b.loc, b.getF32Type(), b.loadVector(b.getI16Type(), address)));
    }
    tiles[op.getTile()] = parts;
    return;
  }
  int64_t lanes = encoding(type).getLanes();
  APInt firstToken;
  bool constant = matchPattern(op.getToken(), m_ConstantInt(&firstToken));
  assert(constant && "a read starts at a constant token of its block");
  (void)constant;
  for (int64_t c = 0; c < type.getDimSize(0); c += lanes) {
    int64_t token = firstToken.getSExtValue() + c, page = token / block.tokensPerPage();
    auto locate = [&](const TokenPages &where) {
      Value slot = b.add(where.firstSlot, token % block.tokensPerPage());
      if (block.ragged) // stay inside the region: what lies past the end is masked
        slot = b.min(slot, b.i64((block.map.slots + 15) / 16 * 16 - lanes));
      return b.elementAddress(region, where.pages[page], b.element(region, where.head, slot, scalar(op.getGroup())));
    };
    Value address = locate(block);
    if (block.ahead && token % (512 / region.bits) == 0)
      b.prefetch(locate(*block.ahead), CacheLevel::second);
    if (region.bits == 32)
      parts.push_back(b.loadVector(b.vec(lanes, b.getF32Type()), address));
    else
      parts.push_back(
          FromHalfOp::create(b, b.loc, b.vec(lanes, b.getF32Type()), b.loadVector(b.vec(lanes, b.getI16Type()), address)));
  }
  tiles[op.getTile()] = parts;
}

void Distributor::convert(ParameterAddressOp op) {
  PageMap map = mapPage(cast<CacheType>(op.getCache()));
  const Region &region = parameterRegion(map, op.getStream(), op.getParameter());
  Value index = b.element(region, scalar(op.getHead()), scalar(op.getSlot()), scalar(op.getGroup()));
  scalars.map(op.getAddress(), b.elementAddress(region, scalar(op.getPage()), index));
}

/// Channels that lie together are stored together; the loop over them is rolled, append is not bound by it.
void Distributor::convert(ScatterOp op) {
  auto cache = cast<CacheType>(op.getCache());
  PageMap map = mapPage(cache);
  const Region &region = op.getStream() == Stream::key ? map.key : map.value;
  int64_t dim = op.getStream() == Stream::key ? cache.getKeyDim() : cache.getValueDim();
  const Axis &fastest = region.axes.back();
  int64_t run = 1; // consecutive channels in consecutive elements
  if (fastest.digit.coordinate == 'd' && fastest.digit.divisor == 1)
    while (run < 16 && fastest.extent % (run * 2) == 0 && dim % (run * 2) == 0)
      run *= 2;
  // Channels that share a byte are one thread's.
  int64_t own = region.bits < 8 && fastest.digit.coordinate == 'd' ? std::max(run, 2 * fastest.digit.divisor) : run;
  auto storeRun = [&](Value channel) { scatterRun(op, region, run, channel); };
  if (!b.threads)
    return b.loop(b.i64(0), b.i64(dim), run, storeRun);
  fences.beforeRead();
  b.loop(b.i64(0), b.i64(dim), own * b.threads, [&](Value first) {
    Value begin = b.KernelBuilder::add(first, b.mul(b.lane(), own));
    b.loop(begin, b.min(b.add(begin, own), b.i64(dim)), run, storeRun);
  });
}

/// Stores `run` channels from `channel` on, which lie together.
void Distributor::scatterRun(ScatterOp op, const Region &region, int64_t run, Value channel) {
  Value index = b.element(region, scalar(op.getHead()), scalar(op.getSlot()), channel);
  Value address = b.elementAddress(region, scalar(op.getPage()), index);
  Value source = b.at(scalar(op.getBits()), b.mul(channel, 4));
  if (region.bits >= 8) {
    auto several = [&](Type element) { return run > 1 ? Type(VectorType::get({run}, element)) : element; };
    Value bits = b.loadVector(several(b.getI32Type()), source);
    if (region.bits < 32)
      bits = arith::TruncIOp::create(b, b.loc, several(b.getIntegerType(region.bits)), bits);
    b.storeVector(bits, address);
    return;
  }
  Value low = b.andBits(b.load(b.getI32Type(), source), 15);
  if (run > 1) { // two channels share a byte
    for (int64_t i = 0; i < run; i += 2) {
      Value first = i ? b.andBits(b.load(b.getI32Type(), b.at(source, i * 4)), 15) : low;
      Value second = b.shl(b.andBits(b.load(b.getI32Type(), b.at(source, i * 4 + 4)), 15), 4);
      Value byte = arith::TruncIOp::create(b, b.loc, b.getI8Type(), arith::OrIOp::create(b, b.loc, first, second));
      b.storeVector(byte, b.at(address, i / 2));
    }
    return;
  }
  // The other half of the byte belongs to another token or channel.
  Value shift = b.toI32(b.mul(b.rem(index, 2), 4));
  Value kept = arith::ExtUIOp::create(b, b.loc, b.getI32Type(), b.loadVector(b.getI8Type(), address));
  Value hole = b.xorBits(arith::ShLIOp::create(b, b.loc, b.i32(15), shift), -1);
  Value byte =
      arith::OrIOp::create(b, b.loc, arith::AndIOp::create(b, b.loc, kept, hole), arith::ShLIOp::create(b, b.loc, low, shift));
  b.storeVector(arith::TruncIOp::create(b, b.loc, b.getI8Type(), byte), address);
}

//===- pass ------------------------------------------------------------------------------------------------------------------===//

namespace {

struct DistributeTiles : PassWrapper<DistributeTiles, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DistributeTiles)
  StringRef getArgument() const final { return "kv-distribute-tiles"; }
  StringRef getDescription() const final { return "turn tiles into vectors and scalars"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<vector::VectorDialect>(); }

  void runOnOperation() override {
    if (getOperation()->hasAttr("kv.kernel"))
      Distributor(getOperation()).run();
  }
};

} // namespace

std::unique_ptr<Pass> createDistributeTilesPass() { return std::make_unique<DistributeTiles>(); }

} // namespace kv
