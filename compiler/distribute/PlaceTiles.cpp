// Gives every tile of level 1 its map, #kv.tile or in a team of threads #kv.map, from the ops that say how tiles lie:
//
//   kv.product, kv.multiply, kv.decode     as their dot record has sums, or columns along lanes
//
// From there maps go on to results, then to operands and results alike, through elementwise ops, kv.spread, kv.reduce, loops and
// conditions. A tile that no such op reaches has columns along lanes, or its rows in one vector; tokens of kv.read and kv.index lie
// along lanes. What is read or made anew by any map (kv.fetch, kv.load, kv.read, kv.index, kv.rows, kv.spread) lies as its first
// user wants it, and is read or made once more for users who want another: that costs a thread no more than its own loads, where
// kv.relayout would store, wait and load as well. All else gets a kv.relayout behind it for users who want another map.
//
//   %c = kv.reduce max %s : tensor<16x64xf32, #rows x columns> -> tensor<16xf32, #rows>
//   %t = kv.relayout %c : tensor<16xf32, #rows> -> tensor<16xf32, #all>
//   %a = kv.spread %t along 0 : tensor<16xf32, #all> -> tensor<16x32xf32, #columns>
//
// Assumes that elementwise ops join tiles of one shape; the verifier has seen to that.
#include "compiler/distribute/Passes.h"
#include "compiler/schedule/TileMaps.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace kv {
namespace {

bool isTile(Value value) { return isa<RankedTensorType>(value.getType()); }
RankedTensorType tileOf(Value value) { return cast<RankedTensorType>(value.getType()); }

bool isElementwise(Operation *op) {
  return op && op->getNumResults() == 1 && isTile(op->getResult(0)) && (op->hasTrait<OpTrait::Elementwise>() || isa<EncodeOp>(op));
}

/// What a product adds to, or nothing.
Value initOf(Operation *op) {
  if (auto product = dyn_cast_or_null<ProductOp>(op))
    return product.getInit();
  auto multiply = dyn_cast_or_null<MultiplyOp>(op);
  return multiply ? multiply.getInit() : Value();
}

/// The value that has the map of all that a loop carries in one place: results of loops stand for what goes around.
Value carrierOf(Value value) {
  auto loop = value.getDefiningOp<scf::ForOp>();
  return loop ? Value(loop.getTiedLoopRegionIterArg(cast<OpResult>(value))) : value;
}

/// The loop that carries a value, if one does.
scf::ForOp loopOf(Value carrier) {
  auto argument = dyn_cast<BlockArgument>(carrier);
  return argument ? dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp()) : scf::ForOp();
}

/// Finds a map for every tile of a function.
class Solver {
public:
  Solver(func::FuncOp func, const TileMaps &maps) : func(func), maps(maps) {}

  void solve();
  Attribute mapOf(Value value) const { return found.lookup(carrierOf(value)); }

private:
  func::FuncOp func;
  const TileMaps &maps;
  DenseMap<Value, Attribute> found;
  SmallVector<Value> placed; ///< in the order in which their maps were found
  size_t next = 0;           ///< of them, the first that has not been followed

  void set(Value value, Attribute map) {
    value = carrierOf(value);
    if (isTile(value) && found.try_emplace(value, map).second)
      placed.push_back(value);
  }
  /// What is reduced lies as its source says.
  void wish(Value operand, Attribute map) {
    if (!carrierOf(operand).getDefiningOp<ReduceOp>())
      set(operand, map);
  }
  void toResults(Value value, bool both);
  void toOperands(Value value);
  void follow(bool both);
  void placeRest(function_ref<Attribute(Value)> mapFor);
};

void Solver::toResults(Value value, bool both) {
  Attribute map = found.lookup(value);
  auto toUser = [&](OpOperand &use) {
    Operation *op = use.getOwner(), *parent = op->getParentOp();
    if (auto reduce = dyn_cast<ReduceOp>(op))
      set(reduce.getTile(), maps.ofLine(tileOf(value), map, 0));
    else if (isa<scf::YieldOp>(op))
      set(parent->getResult(use.getOperandNumber()), map);
    else if (auto loop = dyn_cast<scf::ForOp>(op); loop && both) // what comes around says more than what a loop begins with
      set(loop.getTiedLoopRegionIterArg(&use), map);
    else if (isElementwise(op))
      set(op->getResult(0), map);
  };
  for (OpOperand &use : value.getUses())
    toUser(use);
  if (scf::ForOp loop = loopOf(value))
    for (OpOperand &use : loop.getTiedLoopResult(cast<BlockArgument>(value)).getUses())
      toUser(use);
}

void Solver::toOperands(Value value) {
  Attribute map = found.lookup(value);
  if (scf::ForOp loop = loopOf(value)) {
    auto argument = cast<BlockArgument>(value);
    wish(loop.getTiedLoopYieldedValue(argument)->get(), map);
    wish(loop.getTiedLoopInit(argument)->get(), map);
    return;
  }
  Operation *op = value.getDefiningOp();
  if (auto spread = dyn_cast_or_null<SpreadOp>(op); spread && isTile(spread.getSource()))
    wish(spread.getSource(), maps.ofLine(tileOf(value), map, int64_t(spread.getDim())));
  else if (auto branch = dyn_cast_or_null<scf::IfOp>(op))
    for (Region *region : branch.getRegions())
      wish(region->front().getTerminator()->getOperand(cast<OpResult>(value).getResultNumber()), map);
  else if (Value init = initOf(op))
    wish(init, map);
  else if (isElementwise(op))
    for (Value operand : op->getOperands())
      wish(operand, map);
}

void Solver::follow(bool both) {
  for (; next < placed.size(); ++next) {
    Value value = placed[next];
    toResults(value, both);
    if (both)
      toOperands(value);
  }
}

/// Places what has no map yet and what follows from it, in the order of the function.
void Solver::placeRest(function_ref<Attribute(Value)> mapFor) {
  auto place = [&](Value value) {
    if (!isTile(value) || found.contains(carrierOf(value)))
      return;
    if (Attribute map = mapFor(value))
      set(value, map);
    follow(/*both=*/true);
  };
  func.walk<WalkOrder::PreOrder>([&](Operation *op) {
    llvm::for_each(op->getResults(), place);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        llvm::for_each(block.getArguments(), place);
  });
}

void Solver::solve() {
  func.walk([&](Operation *op) {
    if (auto product = dyn_cast<ProductOp>(op))
      set(product.getTile(), maps.ofSums(tileOf(product.getTile()), product.getDot()));
    else if (isa<MultiplyOp, DecodeOp>(op))
      set(op->getResult(0), maps.alongLanes(tileOf(op->getResult(0))));
  });
  follow(/*both=*/false);
  next = 0;
  follow(/*both=*/true);
  placeRest([&](Value value) { return tileOf(value).getRank() == 2 ? maps.alongLanes(tileOf(value)) : Attribute(); });
  placeRest([&](Value value) {
    return isa_and_nonnull<ReadOp, IndexOp>(value.getDefiningOp()) ? maps.alongLanes(tileOf(value)) : Attribute();
  });
  placeRest([&](Value value) { return maps.ofRows(tileOf(value)); });
}

/// Writes the maps down, and joins what disagrees.
class Rewriter {
public:
  Rewriter(func::FuncOp func, const TileMaps &maps) : func(func), maps(maps) {}

  void write(const Solver &solver);
  void join();

private:
  func::FuncOp func;
  const TileMaps &maps;
  DenseMap<std::pair<Value, Attribute>, Value> made;

  void joinOperands(Operation *op);
  Value inMap(Value value, Attribute map);
};

void Rewriter::write(const Solver &solver) {
  SmallVector<Value> tiles;
  func.walk([&](Operation *op) {
    llvm::append_range(tiles, op->getResults());
    for (Region &region : op->getRegions())
      for (Block &block : region)
        llvm::append_range(tiles, block.getArguments());
  });
  llvm::erase_if(tiles, [](Value value) { return !isTile(value); });
  for (Value tile : tiles)
    tile.setType(tileOf(tile).cloneWithEncoding(solver.mapOf(tile)));
}

/// The value by another map, behind it, so that all users find it there.
Value Rewriter::inMap(Value value, Attribute map) {
  if (tileOf(value).getEncoding() == map)
    return value;
  if (auto joined = value.getDefiningOp<RelayoutOp>())
    return inMap(joined.getSource(), map);
  if (Value known = made.lookup({value, map}))
    return known;
  OpBuilder b(func.getContext());
  b.setInsertionPointAfterValue(value);
  RankedTensorType type = tileOf(value).cloneWithEncoding(map);
  Value other;
  if (isa_and_nonnull<FetchOp, LoadOp, ReadOp, IndexOp, RowsOp, SpreadOp>(value.getDefiningOp())) {
    Operation *copy = b.clone(*value.getDefiningOp());
    copy->getResult(0).setType(type);
    joinOperands(copy);
    other = copy->getResult(0);
  } else {
    other = RelayoutOp::create(b, value.getLoc(), type, value);
  }
  made[{value, map}] = other;
  return other;
}

/// Gives an op its operands as its results, or what they are carried by, lie.
void Rewriter::joinOperands(Operation *op) {
  auto want = [&](OpOperand &operand, Attribute map) {
    if (isTile(operand.get()))
      operand.set(inMap(operand.get(), map));
  };
  auto wantLike = [&](OpOperand &operand, Value like) {
    if (isTile(like))
      want(operand, tileOf(like).getEncoding());
  };
  if (auto spread = dyn_cast<SpreadOp>(op)) {
    RankedTensorType tile = tileOf(spread.getTile());
    return want(spread.getSourceMutable(),
                tile.getRank() == 2 ? maps.ofLine(tile, tile.getEncoding(), int64_t(spread.getDim())) : Attribute());
  }
  if (auto row = dyn_cast<RowOp>(op))
    return want(row.getSourceMutable(), maps.ofRows(tileOf(row.getSource())));
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    for (auto [init, argument] : llvm::zip_equal(loop.getInitArgsMutable(), loop.getRegionIterArgs()))
      wantLike(init, argument);
    return;
  }
  if (isa<scf::YieldOp>(op)) {
    for (auto [operand, result] : llvm::zip_equal(op->getOpOperands(), op->getParentOp()->getResults()))
      wantLike(operand, result);
    return;
  }
  if (isElementwise(op) || initOf(op))
    for (OpOperand &operand : op->getOpOperands())
      wantLike(operand, op->getResult(0));
}

void Rewriter::join() {
  SmallVector<Operation *> ops;
  func.walk<WalkOrder::PreOrder>([&](Operation *op) { ops.push_back(op); });
  llvm::for_each(ops, [&](Operation *op) { joinOperands(op); });
}

struct PlaceTiles : PassWrapper<PlaceTiles, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PlaceTiles)
  StringRef getArgument() const final { return "kv-place-tiles"; }
  StringRef getDescription() const final { return "give every tile its map"; }

  void runOnOperation() override {
    auto schedule = getOperation()->getAttrOfType<ScheduleAttr>("kv.schedule");
    if (!schedule)
      return;
    if (failed(checkTiles()))
      return signalPassFailure();
    spreadConstants();
    TileMaps maps(schedule);
    Solver solver(getOperation(), maps);
    solver.solve();
    Rewriter rewriter(getOperation(), maps);
    rewriter.write(solver);
    rewriter.join();
  }

private:
  LogicalResult checkTiles() {
    WalkResult result = getOperation().walk([](Operation *op) {
      for (Type type : op->getResultTypes())
        if (auto tile = dyn_cast<RankedTensorType>(type);
            tile && (!tile.hasStaticShape() || tile.getRank() < 1 || tile.getRank() > 2)) {
          op->emitOpError() << "expected a tile of one or two dimensions, got " << tile;
          return WalkResult::interrupt();
        }
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  /// Folding makes `i - i` a constant that is a tile, and a constant has no encoding: each becomes a scalar that is spread.
  void spreadConstants() {
    SmallVector<arith::ConstantOp> constants;
    getOperation().walk([&](arith::ConstantOp constant) {
      if (isa<SplatElementsAttr>(constant.getValue()))
        constants.push_back(constant);
    });
    for (arith::ConstantOp constant : constants) {
      OpBuilder b(constant);
      auto number = cast<SplatElementsAttr>(constant.getValue()).getSplatValue<TypedAttr>();
      Value scalar = arith::ConstantOp::create(b, constant.getLoc(), number);
      constant.replaceAllUsesWith(SpreadOp::create(b, constant.getLoc(), constant.getType(), scalar, /*dim=*/0).getTile());
      constant.erase();
    }
  }
};

} // namespace

std::unique_ptr<Pass> createPlaceTilesPass() { return std::make_unique<PlaceTiles>(); }

} // namespace kv
