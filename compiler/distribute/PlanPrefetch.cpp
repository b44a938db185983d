// Says which bytes of the block ahead each product and each kv.ask prefetches, at the pace at which the block is worked on
// (schedule/Pacing.h).
//
//   %b = kv.acquire .. ahead [..]          %b = kv.acquire .. ahead [..]
//   %s = kv.product .. of %b          ->   %s = kv.product .. of %b ask [%0, 448] lines 7
//   kv.ask %b                              kv.ask %b from 7168 lines 20
//
// Row tiles that share a block (kv.share) ask for their part of it each: one by the number of tiles of what one alone would ask
// for. A kv.ask that is left bare, where nothing is ahead or the block ahead is not whole tiles of pages, goes; so does kv.share.
#include "compiler/distribute/Passes.h"
#include "compiler/schedule/Pacing.h"
#include "compiler/schedule/RowTiles.h"

using namespace mlir;

namespace kv {
namespace {

constexpr int64_t lineBytes = 64;

struct PlanPrefetch : PassWrapper<PlanPrefetch, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PlanPrefetch)
  StringRef getArgument() const final { return "kv-plan-prefetch"; }
  StringRef getDescription() const final { return "say which bytes of the block ahead are prefetched where"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<arith::ArithDialect>(); }

  void runOnOperation() override;
};

/// The bytes of the block ahead that a place in the work of a row tile asks for: from the first on, or so many further each time.
struct Ask {
  Value from, step;
  int64_t lines; ///< each time
};

/// A kind of row tile that works on a block.
struct TileAtWork {
  RowTile tile;
  Pace pace;
};

class Planner {
public:
  explicit Planner(func::FuncOp func) : b(func), schedule(func->getAttrOfType<ScheduleAttr>("kv.schedule")) {}

  void plan(ProductOp op);
  void plan(MultiplyOp op);
  /// The ask is number `number` of `count` in its block of the IR.
  void plan(AskOp op, int64_t number, int64_t count);

private:
  KernelBuilder b;
  const ScheduleAttr schedule;
  DenseMap<Value, Value> shares; ///< by the rows that an item has on a head: one by the number of its row tiles

  std::optional<TileAtWork> tileOf(Value block, const RowTile &tile);
  template <typename OpType> std::optional<TileAtWork> start(OpType op);
  template <typename OpType>
  void plan(OpType op, const TileAtWork &work, Contract contract, Value elementsBefore, int64_t elements);
  Ask ask(ShareOp share, const TileAtWork &work, Value byte, int64_t step);
  Ask askInSoftmax(ShareOp share, const TileAtWork &work, Value rowOfTile, int64_t number, int64_t count);
  Value shareOfTile(ShareOp share);
};

/// None where the block names none ahead, or one that is not whole tiles.
std::optional<TileAtWork> Planner::tileOf(Value block, const RowTile &tile) {
  if (auto share = block.getDefiningOp<ShareOp>())
    block = share.getBlock();
  auto acquire = block.getDefiningOp<AcquireOp>();
  if (!acquire || acquire.getAhead().empty())
    return std::nullopt;
  CacheType cache = acquire.getBlock().getType().getCache();
  auto elements = [&](Contract contract) {
    bool once = tile.several && schedule.plan(contract).getDecode() == Decoding::once;
    return once ? elementsOfDecoded : elementsOfIteration(cache, schedule, contract);
  };
  std::optional<Pace> pace = paceBlock(cache, schedule, {tile.rows, tile.several, {elements(Contract::d), elements(Contract::t)}});
  if (!pace)
    return std::nullopt;
  return TileAtWork{tile, *pace};
}

/// One by the number of the row tiles, 24 bits after the point.
Value Planner::shareOfTile(ShareOp share) {
  Value &found = shares[share.getPadded()];
  if (found)
    return found;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(share.getPadded());
  Value whole = b.div(share.getPadded(), int64_t(share.getRows()));
  Value tiles = b.max(whole, b.i64(1));
  return found = arith::DivUIOp::create(b, b.loc, b.i64(int64_t(1) << 24), tiles);
}

/// A row tile alone would ask in `step`s from `byte` on; those that share the block ask for a part of that each.
Ask Planner::ask(ShareOp share, const TileAtWork &work, Value byte, int64_t step) {
  if (!work.tile.several)
    return {byte, b.i64(step), int64_t(llvm::divideCeil(step, lineBytes))};
  auto part = [&](Value bytes) {
    Value product = arith::MulIOp::create(b, b.loc, bytes, shareOfTile(share));
    return b.div(product, int64_t(1) << 24);
  };
  Value tile = b.div(share.getRow(), work.tile.rows);
  Value from = part(b.add(b.mul(tile, work.pace.bytes), byte));
  return {from, part(b.i64(step)), int64_t(llvm::divideCeil(step, lineBytes * int64_t(share.getFewest())))};
}

/// Asks `op` for `contract`'s part of the block: elements of the contraction are `elements` an iteration, and were `elementsBefore`
/// in the products before it.
template <typename OpType>
void Planner::plan(OpType op, const TileAtWork &work, Contract contract, Value elementsBefore, int64_t elements) {
  int64_t step = work.pace.of(contract).step;
  Value iteration = b.div(elementsBefore, elements);
  Value byte = b.add(b.mul(iteration, step), work.pace.start(contract));
  Ask asked = ask(op.getBlock().template getDefiningOp<ShareOp>(), work, byte, step);
  op.getAskMutable().assign({asked.from, asked.step});
  op.setLines(uint64_t(asked.lines));
}

template <typename OpType> std::optional<TileAtWork> Planner::start(OpType op) {
  b.loc = op.getLoc();
  b.setInsertionPoint(op);
  bool several = op.getBlock().template getDefiningOp<ShareOp>();
  return tileOf(op.getBlock(), several ? manyTiles(schedule) : oneTile(schedule));
}

/// In the order of the kernel: slices, in each the runs of a contraction.
void Planner::plan(ProductOp op) {
  std::optional<TileAtWork> work = start(op);
  if (!work)
    return;
  BlockType block = op.getBlock().getType();
  bool overChannels = op.getContract() == Contract::d;
  Value slice = b.div(op.getX(), cast<RankedTensorType>(op.getTile().getType()).getDimSize(1));
  Value first = b.mul(slice, overChannels ? block.getCache().getDim(op.getStream()) : block.getTokens());
  Value before = b.mul(b.add(first, op.getZBegin()), rowParts(op.getDot()));
  plan(op, *work, op.getContract(), before, elementsOfIteration(block.getCache(), schedule, op.getContract()));
}

void Planner::plan(MultiplyOp op) {
  if (std::optional<TileAtWork> work = start(op))
    plan(op, *work, op.getContract(), b.add(op.getFirst(), op.getZBegin()), int64_t(op.getUnroll()));
}

/// One of `count` asks in softmax on rows `rowOfTile` and on asks for its part of the lines that are softmax's.
Ask Planner::askInSoftmax(ShareOp share, const TileAtWork &work, Value rowOfTile, int64_t number, int64_t count) {
  const RowTile &tile = work.tile;
  int64_t parts = tile.rows / tile.softmaxRows, lines = work.pace.softmaxLines();
  // Line by line where that is known beforehand: a line asked for twice takes as long as one.
  int64_t from = lines * number / (count * parts), to = lines * (number + 1) / (count * parts);
  Value line = b.add(b.div(b.mul(rowOfTile, lines), tile.rows), from);
  return ask(share, work, b.add(b.mul(line, lineBytes), work.pace.scores.bytes()), (to - from) * lineBytes);
}

void Planner::plan(AskOp op, int64_t number, int64_t count) {
  std::optional<TileAtWork> work = start(op);
  if (!work)
    return op.erase();
  // A loop between the row tile and the ask is over its rows.
  auto loop = dyn_cast<scf::ForOp>(op->getParentOp());
  bool inParts = loop && !loop.getBody()->findAncestorOpInBlock(*op.getBlock().getDefiningOp());
  Value rowOfTile = inParts ? loop.getInductionVar() : b.i64(0);
  auto share = op.getBlock().getDefiningOp<ShareOp>();
  Ask asked = askInSoftmax(share, *work, rowOfTile, number, count);
  if (share && share.getAlone()) { // as the block is whole tiles for one kind of row tile, it is for the other
    Ask alone = askInSoftmax(share, *tileOf(op.getBlock(), oneTile(schedule)), rowOfTile, number, count);
    asked.from = arith::SelectOp::create(b, b.loc, share.getAlone(), alone.from, asked.from);
    asked.lines = std::max(asked.lines, alone.lines);
  }
  op.getFromMutable().assign(asked.from);
  op.setLines(uint64_t(asked.lines));
}

void PlanPrefetch::runOnOperation() {
  if (!getOperation()->hasAttr("kv.schedule"))
    return;
  Planner planner(getOperation());
  SmallVector<Operation *> askers;
  SmallVector<ShareOp> shares;
  DenseMap<Block *, int64_t> counts, numbers; // of kv.ask
  getOperation().walk([&](Operation *op) {
    if (isa<ProductOp, MultiplyOp, AskOp>(op))
      askers.push_back(op);
    if (isa<AskOp>(op))
      ++counts[op->getBlock()];
    if (auto share = dyn_cast<ShareOp>(op))
      shares.push_back(share);
  });
  for (Operation *op : askers) {
    Block *block = op->getBlock();
    if (auto product = dyn_cast<ProductOp>(op))
      planner.plan(product);
    else if (auto multiply = dyn_cast<MultiplyOp>(op))
      planner.plan(multiply);
    else
      planner.plan(cast<AskOp>(op), numbers[block]++, counts[block]);
  }
  for (ShareOp share : shares) {
    share.getMine().replaceAllUsesWith(share.getBlock());
    share.erase();
  }
}

} // namespace

std::unique_ptr<Pass> createPlanPrefetchPass() { return std::make_unique<PlanPrefetch>(); }

} // namespace kv
