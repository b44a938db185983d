// Work of kernels on the Halide route -> calls of functions that Halide makes, whose declarations say what they are to do
// (WritePlan.cpp):
//
//   kv.attend_block   ->  for each row tile:  kv.attend_rows @NAME_rowsN, which joins it with the block
//   kv.encode_token   ->  the token as f32 in scratch, kv.store_token @NAME_keys or @NAME_values
#include "compiler/codecs/CodecFamily.h"
#include "compiler/halide/Passes.h"
#include "compiler/online/BlockAttend.h"
#include "compiler/schedule/Pacing.h"
#include "compiler/schedule/StreamAccess.h"
#include "mlir/Support/DebugStringHelper.h"

using namespace mlir;

namespace kv {

/// The score region as a list: see halide::ScoreOp.
static ArrayAttr scoreOps(OpBuilder &b, mlir::Region &score) {
  SmallVector<Attribute> ops;
  if (score.empty())
    return b.getArrayAttr(ops);
  Block &block = score.front();
  DenseMap<Value, int64_t> numbers;
  for (auto [i, argument] : llvm::enumerate(block.getArguments().take_front(4)))
    numbers[argument] = int64_t(i);
  auto add = [&](StringRef name, ArrayRef<int64_t> operands, Type type, double value, int64_t predicate) {
    std::string typeName = debugString(type);
    ops.push_back(b.getDictionaryAttr(
        {b.getNamedAttr("name", b.getStringAttr(name)), b.getNamedAttr("operands", b.getDenseI64ArrayAttr(operands)),
         b.getNamedAttr("predicate", b.getI64IntegerAttr(predicate)), b.getNamedAttr("type", b.getStringAttr(typeName)),
         b.getNamedAttr("value", b.getF64FloatAttr(value))}));
    return 3 + int64_t(ops.size());
  };
  // Constants may stand outside the region: canonicalization moves them there.
  auto numberOf = [&](Value value) {
    auto constant = numbers.contains(value) ? arith::ConstantOp() : value.getDefiningOp<arith::ConstantOp>();
    if (!constant)
      return numbers.lookup(value);
    auto real = dyn_cast<FloatAttr>(constant.getValue());
    APInt integer = real ? APInt() : cast<IntegerAttr>(constant.getValue()).getValue();
    double number =
        real ? real.getValueAsDouble() : double(integer.getBitWidth() == 1 ? integer.getZExtValue() : integer.getSExtValue());
    return numbers[value] = add("constant", {}, constant.getType(), number, 0);
  };
  for (Operation &op : block) {
    if (isa<arith::ConstantOp>(op))
      continue;
    if (auto yield = dyn_cast<YieldOp>(op)) {
      add("result", {numberOf(yield.getValue())}, b.getF32Type(), 0, 0);
      continue;
    }
    if (auto argument = dyn_cast<ArgumentOp>(op)) {
      numbers[argument.getValue()] = add("array", {}, b.getF32Type(), double(argument.getNumber()), 0);
      continue;
    }
    if (isa<arith::IndexCastOp>(op)) { // of the head, which the function has as a number
      numbers[op.getResult(0)] = 3;
      continue;
    }
    SmallVector<int64_t> operands;
    for (Value operand : op.getOperands())
      operands.push_back(numberOf(operand));
    auto predicate = op.getAttrOfType<IntegerAttr>("predicate");
    numbers[op.getResult(0)] =
        add(op.getName().getStringRef(), operands, op.getResult(0).getType(), 0, predicate ? predicate.getInt() : 0);
  }
  return b.getArrayAttr(ops);
}

/// One more than the greatest number of an array that a score reads.
static int64_t numArrays(mlir::Region &score) {
  int64_t count = 0;
  score.walk([&](ArgumentOp argument) { count = std::max(count, int64_t(argument.getNumber()) + 1); });
  return count;
}

namespace {

/// Scratch of a function for the arguments of its attend_rows.
struct FunctionHomes {
  Value limit, newMax, newSum;
  Value positions, heads, arrays; ///< what a score expression knows of the rows
};

struct Outline : BlockRows {
  const FunctionHomes &homes;
  const RowTile tile;

  Outline(func::FuncOp func, AttendBlockOp op, const FunctionHomes &homes)
      : BlockRows(func, op), homes(homes), tile(op.getTiles() == Tiles::many ? manyTiles(schedule) : oneTile(schedule)) {}

  void build();

private:
  bool asksByTiles() const { return schedule.getBlock().getAhead() && wholeTiles(cache, block, schedule.getScores().getLoad()); }
  SmallVector<Value> roundings();
  FlatSymbolRefAttr functionOfTile();
  void putKnown(Value ofHead);
};

} // namespace

/// Declares `name`, of `arguments` and an i32, with `what` it is to do. Returns its symbol.
static FlatSymbolRefAttr declare(KernelBuilder &b, StringRef name, ArrayRef<Type> arguments, ArrayRef<NamedAttribute> what) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(b.function()->getParentOfType<ModuleOp>().getBody());
  auto function = func::FuncOp::create(b, b.loc, name, b.getFunctionType(arguments, {b.getI32Type()}));
  function.setPrivate();
  function->setAttr("kv.halide", b.getDictionaryAttr(what));
  return FlatSymbolRefAttr::get(b.getContext(), name);
}

/// Homes of what makes numbers of rounded queries.
SmallVector<Value> Outline::roundings() {
  SmallVector<Value> found;
  if (roundsQueries())
    found.push_back(op.getScales());
  if (roundsQueries() && op.getSums())
    found.push_back(op.getSums());
  return found;
}

/// `NAME_rowsN`, declared with what a plan needs (compiler/halide/WritePlan.cpp).
FlatSymbolRefAttr Outline::functionOfTile() {
  auto module = b.function()->getParentOfType<ModuleOp>();
  std::string name = b.function().getName().str();
  llvm::replace(name, '.', '_');
  name += "_rows" + std::to_string(tile.rows);
  if (module.lookupSymbol(name))
    return FlatSymbolRefAttr::get(b.getContext(), name);
  // Buffers of queries, limits and what rounding leaves, of every region and maybe a page table, of maximum and sum; three numbers;
  // maybe what is ahead; three results.
  bool several = fitBlocks(cache, block) == BlockFit::whole && block > cache.getLayout().getSlots();
  size_t regions = mapPage(cache).regions.size();
  SmallVector<Type> arguments(4 + roundings().size() + bool(op.getRest()) + (hasScore() ? 3 : 0) + regions + several, b.ptr());
  arguments.append(3 + bool(op.getRest()) + hasScore(), b.getI32Type());
  arguments.append(asksByTiles() ? 4 : 3, b.ptr());
  int64_t spread = differ(tile) ? int64_t(llvm::divideCeil(tile.rows - 1, group())) : 0; // queries of a tile, less one
  int64_t rowsOfSums = cast<MemRefType>(op.getQueries().getType()).getDimSize(0);
  return declare(b, name, arguments,
                 {b.getNamedAttr("arrays", b.getI64IntegerAttr(numArrays(op.getScore()))),
                  b.getNamedAttr("cache", TypeAttr::get(cache)), b.getNamedAttr("factor", b.getF64FloatAttr(factor())),
                  b.getNamedAttr("rowsOfSums", b.getI64IntegerAttr(rowsOfSums)),
                  b.getNamedAttr("keySlice", b.getI64IntegerAttr(schedule.getScores().sliceOf(tile.several))),
                  b.getNamedAttr("rows", b.getI64IntegerAttr(tile.rows)), b.getNamedAttr("schedule", schedule),
                  b.getNamedAttr("score", scoreOps(b, op.getScore())), b.getNamedAttr("spread", b.getI64IntegerAttr(spread)),
                  b.getNamedAttr("valueSlice", b.getI64IntegerAttr(schedule.getSums().sliceOf(tile.several)))});
}

/// What a score expression knows of the rows of a tile.
void Outline::putKnown(Value ofHead) {
  SmallVector<Value> positions, heads;
  SmallVector<SmallVector<Value>> arrays(size_t(numArrays(op.getScore())));
  for (int64_t r = 0; r < tile.rows; ++r) {
    Value row = b.add(ofHead, r), head = headOfRow(row);
    positions.push_back(b.toI32(positionOf(queryOfRow(row))));
    heads.push_back(b.toI32(head));
    for (auto [number, values] : llvm::enumerate(arrays))
      values.push_back(b.argument(int64_t(number), head));
  }
  RankedTensorType integers = b.tile({tile.rows}, b.getI32Type());
  Value zero = b.i64(0);
  b.put(RowsOp::create(b, b.loc, integers, positions), homes.positions, zero, zero);
  b.put(RowsOp::create(b, b.loc, integers, heads), homes.heads, zero, zero);
  for (auto [number, values] : llvm::enumerate(arrays))
    for (auto [r, value] : llvm::enumerate(values)) {
      Value entry = b.spread(value, 0, b.tileF32({1, 1})), at = b.i64(int64_t(number) * tile.rows + int64_t(r));
      b.put(entry, homes.arrays, at, zero);
    }
}

void Outline::build() {
  FlatSymbolRefAttr function = functionOfTile();
  Value zero = b.i64(0), maximum = op.getState()[0], sum = op.getState()[1], accumulator = op.getState()[2];
  b.loop(zero, op.getPadded(), tile.rows, [&](Value ofHead) {
    SmallVector<Value> limits;
    for (int64_t r = 0; r < tile.rows; ++r)
      limits.push_back(limitOf(queryOfRow(b.add(ofHead, r))));
    b.put(RowsOp::create(b, b.loc, b.tile({tile.rows}, b.getI32Type()), limits), homes.limit, zero, zero);
    Value token;
    SmallVector<Value> known;
    if (hasScore()) {
      token = op.getToken();
      known = {homes.positions, homes.heads, homes.arrays};
      putKnown(ofHead);
    }
    Value row = rowOf(ofHead), end = seenBy(tile, ofHead).end, refined = hasOutliers(ofHead);
    AttendRowsOp::create(b, b.loc, function, op.getBlock(), row, end, op.getQueries(), homes.limit, maximum, sum, homes.newMax,
                         homes.newSum, accumulator, roundings(), op.getRest(), refined, token, known);
    Value newMaximum = b.fetch(homes.newMax, zero, zero, {tile.rows});
    b.put(newMaximum, maximum, row, zero);
    Value newSum = b.fetch(homes.newSum, zero, zero, {tile.rows});
    b.put(newSum, sum, row, zero);
  });
}

static void outline(func::FuncOp func, ScheduleAttr schedule, EncodeTokenOp op) {
  KernelBuilder b(func);
  b.loc = op.getLoc();
  b.setInsertionPoint(op);
  TokenRow row = rowOf(op);
  std::string stored = (stringifyStream(row.stream) + "s").str(), name = (func.getName() + "_" + stored).str();
  llvm::replace(name, '.', '_');
  SmallVector<Type> arguments = {b.ptr(), b.getI32Type(), b.getI32Type()};
  arguments.append(1 + row.codec().hasScale() + row.codec().hasZero(), b.ptr());
  auto stream = StreamAttr::get(b.getContext(), row.stream);
  FlatSymbolRefAttr function = declare(
      b, name, arguments,
      {b.getNamedAttr("cache", TypeAttr::get(row.cache)), b.getNamedAttr("schedule", schedule), b.getNamedAttr("stream", stream)});
  int64_t chunk = b.rowChunk(row.dim());
  Value token = b.scratch(stored, 1, row.dim(), b.getF32Type());
  Value first = b.i64(0), end = b.i64(row.dim());
  b.loop(first, end, chunk, [&](Value channel) {
    Value values = row.load(b, channel, chunk);
    b.put(values, token, b.i64(0), channel);
  });
  StoreTokenOp::create(b, b.loc, function, token, row.page, stream, TypeAttr::get(row.cache), row.head, row.slot);
  op.erase();
}

static FunctionHomes makeHomes(KernelBuilder &b, AttendBlockOp op, ScheduleAttr schedule) {
  int64_t rows = std::max(schedule.getRows().getOne(), schedule.getRows().getMany());
  FunctionHomes homes;
  homes.limit = b.scratch("limit", rows, 1, b.getI32Type());
  homes.newMax = b.scratch("newmax", rows, 1, b.getF32Type());
  homes.newSum = b.scratch("newsum", rows, 1, b.getF32Type());
  if (!op.getScore().empty()) {
    homes.positions = b.scratch("positions", rows, 1, b.getI32Type());
    homes.heads = b.scratch("heads", rows, 1, b.getI32Type());
    homes.arrays = b.scratch("arrays", std::max<int64_t>(1, numArrays(op.getScore())) * rows, 1, b.getF32Type());
  }
  return homes;
}

namespace {

struct OutlineForHalide : PassWrapper<OutlineForHalide, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(OutlineForHalide)
  StringRef getArgument() const final { return "kv-outline-for-halide"; }
  StringRef getDescription() const final { return "work of the Halide route becomes calls of functions that it makes"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect>();
  }

  void runOnOperation() override {
    SmallVector<func::FuncOp> funcs(getOperation().getOps<func::FuncOp>());
    for (func::FuncOp func : funcs) {
      auto schedule = func->getAttrOfType<ScheduleAttr>("kv.schedule");
      if (!schedule || schedule.getRoute() != Route::halide)
        continue;
      outlineTokens(func, schedule);
      if (failed(outlineBlocks(func, schedule)))
        return signalPassFailure();
    }
  }

private:
  void outlineTokens(func::FuncOp func, ScheduleAttr schedule) {
    SmallVector<EncodeTokenOp> ops;
    func.walk([&](EncodeTokenOp op) { ops.push_back(op); });
    for (EncodeTokenOp op : ops)
      outline(func, schedule, op);
  }

  LogicalResult outlineBlocks(func::FuncOp func, ScheduleAttr schedule) {
    SmallVector<AttendBlockOp> ops;
    func.walk([&](AttendBlockOp op) { ops.push_back(op); });
    if (ops.empty())
      return success();
    for (AttendBlockOp op : ops)
      if (failed(checkPlaced(op)))
        return failure();
    KernelBuilder b(func);
    b.loc = ops.front().getLoc();
    FunctionHomes homes;
    addScratch(b, [&] { homes = makeHomes(b, ops.front(), schedule); });
    for (AttendBlockOp op : ops) {
      Outline(func, op, homes).build();
      op->erase();
    }
    return success();
  }
};

} // namespace

std::unique_ptr<Pass> createOutlineForHalidePass() { return std::make_unique<OutlineForHalide>(); }

} // namespace kv
