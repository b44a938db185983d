// kv.for_blocks -> scf loops over blocks of tokens and, inside, kv heads: pages are read whole, in the order in which they lie in
// memory. Each block is acquired where it is worked on, and names the block ahead, which reading it prefetches. The state is in
// scratch; where it fits a thread's registers it goes around the innermost loop as values. Loops that are chained by the state, one
// for each segment of a cache, hand it on in scratch.
#include "compiler/online/Passes.h"
#include "compiler/schedule/RowTiles.h"
#include "compiler/schedule/StreamAccess.h"
#include "dialect/KernelBuilder.h"
#include "dialect/TokenMap.h"

#include <limits>

using namespace mlir;

namespace kv {
namespace {

struct OrderedLoops {
  KernelBuilder b;
  ForBlocksOp op;
  const ScheduleAttr schedule;
  const CacheType cache;
  const int64_t block;
  const ArrayRef<Value> homes; ///< of the state
  SmallVector<Value> carried;  ///< what the state is now, where it goes around the loop as values

  OrderedLoops(func::FuncOp func, ForBlocksOp op, ArrayRef<Value> homes)
      : b(func), op(op), schedule(func->getAttrOfType<ScheduleAttr>("kv.schedule")),
        cache(cast<BlockType>(op.getBody().getArgument(2).getType()).getCache()), block(schedule.getBlock().getTokens()),
        homes(homes) {
    b.loc = op.getLoc();
    b.setInsertionPoint(op);
  }
  void build();

private:
  /// A kv head of the item.
  struct Head {
    Value number, firstRow; ///< firstRow: of its rows, in the homes of the item
  };
  /// Head `index` of the item.
  Head headAt(Value index) { return {b.add(op.getHead(), index), b.mul(index, op.getPadded())}; }
  struct Span {
    Value token, count; ///< consecutive tokens of the sequence, inside one block
  };
  /// Where the work `ahead` steps after head `index` of block number `at` is: a block and a head of the item.
  struct Place {
    Value block, index;
  };
  Place placeAhead(Value at, Value index);
  void attendAhead(Value first, Value last, function_ref<Span(Value)> blockAt);
  void attendInnermost(Value first, Value last, function_ref<Span(Value)> blockAt);
  Value some(Span span) { return arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sgt, span.count, zero()); }
  Value acquire(const Head &head, Span here, ValueRange ahead);
  void placeBody(const Head &head, Value blockValue, Span here);
  Value zero() { return b.i64(0); }
};

OrderedLoops::Place OrderedLoops::placeAhead(Value at, Value index) {
  Value steps = b.add(index, schedule.getBlock().getAhead());
  Value blocks = arith::DivUIOp::create(b, b.loc, steps, op.getHeads());
  return {b.add(at, blocks), b.sub(steps, arith::MulIOp::create(b, b.loc, blocks, op.getHeads()))};
}

/// Blocks never cross a page unless they hold whole pages.
void OrderedLoops::build() {
  int64_t page = cache.getLayout().getSlots();
  TokenMap tokens(b, page);
  Value tokenBegin = op.getBegin(), end = op.getEnd();
  Value first, last;
  llvm::unique_function<Span(Value)> blockAt;
  if (fitBlocks(cache, block) != BlockFit::cut) {
    first = zero();
    last = b.div(b.add(b.max(b.sub(end, tokenBegin), 0), block - 1), block);
    blockAt = [&](Value at) {
      Value token = b.add(tokenBegin, b.mul(at, block));
      return Span{token, b.min(b.sub(end, token), block)};
    };
  } else { // tokenBegin is the first token of a page
    int64_t blocksPerPage = (page + block - 1) / block;
    first = b.mul(tokens.entryOf(tokenBegin), blocksPerPage);
    last = b.mul(tokens.entryOf(b.add(b.max(end, tokenBegin), page - 1)), blocksPerPage);
    blockAt = [&, blocksPerPage](Value at) {
      Value slot = b.mul(b.rem(at, blocksPerPage), block);
      Value token = b.add(tokens.firstOf(b.div(at, blocksPerPage)), slot);
      Value ofPage = b.min(b.sub(b.i64(page), slot), block), left = b.sub(end, token);
      return Span{token, b.min(ofPage, left)};
    };
  }
  if (schedule.getBlock().getStages())
    attendInnermost(first, last, blockAt);
  else
    attendAhead(first, last, blockAt);
}

/// Reading a block prefetches one that comes later, maybe of another head.
void OrderedLoops::attendAhead(Value first, Value last, function_ref<Span(Value)> blockAt) {
  b.loop(first, last, 1, [&](Value at) {
    Span here = blockAt(at);
    b.ifThen(some(here), [&] {
      b.loop(zero(), op.getHeads(), 1, [&](Value index) {
        Head head = headAt(index);
        if (!schedule.getBlock().getAhead())
          return placeBody(head, acquire(head, here, {}), here);
        Place next = placeAhead(at, index);
        Span ahead = blockAt(next.block);
        Value inside = some(ahead);
        auto choose = [&](Value there, Value otherwise) -> Value {
          return arith::SelectOp::create(b, b.loc, inside, there, otherwise);
        };
        Value token = choose(ahead.token, here.token), count = choose(ahead.count, here.count);
        Value headAhead = choose(b.add(op.getHead(), next.index), head.number);
        placeBody(head, acquire(head, here, {headAhead, token, count}), here);
      });
    });
  });
}

/// Where blocks are staged an item has one head and none of its blocks is empty: their loop is the innermost, and the state may go
/// around it as values.
void OrderedLoops::attendInnermost(Value first, Value last, function_ref<Span(Value)> blockAt) {
  Head head = headAt(zero());
  auto work = [&](Value at) {
    Span here = blockAt(at);
    placeBody(head, acquire(head, here, {}), here);
  };
  if (schedule.getBlock().getState() == StatePlace::scratch)
    return b.loop(first, last, 1, work);
  int64_t rows = schedule.getRows().getOne(), columns = schedule.getSums().getSlice();
  RankedTensorType perRow = b.tileF32({rows}), slice = b.tileF32({rows, columns});
  int64_t slices = cache.getValueDim() / columns;
  Value start = zero();
  SmallVector<Value> init;
  if (op.getInit().getDefiningOp<StartStateOp>()) {
    Value none = b.f32(-std::numeric_limits<double>::infinity()), nothing = b.f32(0);
    init.push_back(b.spread(none, 0, perRow));
    init.push_back(b.spread(nothing, 0, perRow));
    init.append(slices, b.spread(nothing, 0, slice));
  } else {
    for (Value home : homes.take_front(2))
      init.push_back(b.fetch(home, start, start, {rows}));
    for (int64_t i = 0; i < slices; ++i) {
      Value column = b.i64(i * columns);
      init.push_back(b.fetch(homes[2], start, column, {rows, columns}));
    }
  }
  SmallVector<Value> result = b.loop(first, last, 1, init, [&](Value at, ValueRange state) {
    carried = SmallVector<Value>(state);
    work(at);
    return carried;
  });
  b.put(result[0], homes[0], zero());
  b.put(result[1], homes[1], zero());
  for (auto [i, tile] : llvm::enumerate(ArrayRef(result).drop_front(2))) {
    Value row = zero(), column = b.i64(int64_t(i) * columns);
    b.put(tile, homes[2], row, column);
  }
}

Value OrderedLoops::acquire(const Head &head, Span here, ValueRange ahead) {
  Value pages = b.read(StepField::pages), stride = b.read(StepField::page_stride);
  return AcquireOp::create(b, b.loc, BlockType::get(b.getContext(), cache, block), pages, stride, op.getTable(), head.number,
                           here.token, here.count, ahead);
}

void OrderedLoops::placeBody(const Head &head, Value blockValue, Span here) {
  IRMapping mapping;
  mapping.map(op.getBody().getArguments().drop_back(),
              ArrayRef<Value>{head.number, head.firstRow, blockValue, here.token, here.count});
  mapping.map(op.getBody().getArgument(5), op.getInit());
  for (Operation &inner : op.getBody().front().without_terminator()) {
    auto attend = dyn_cast<AttendBlockOp>(*b.clone(inner, mapping));
    if (!attend)
      continue;
    ArrayRef<Value> state = carried.empty() ? homes : ArrayRef<Value>(carried);
    attend.getStateMutable().assign(state);
    SmallVector<Type> types = llvm::to_vector(ValueRange(carried).getTypes());
    OperationState placed(attend.getLoc(), AttendBlockOp::getOperationName(), attend->getOperands(), types, attend->getAttrs());
    placed.propertiesAttr = attend->getPropertiesAsAttribute();
    placed.addRegion()->takeBody(attend.getScore());
    carried = SmallVector<Value>(b.create(placed)->getResults());
    attend.erase();
  }
}

/// Takes the state out of what an scf.for carries or an scf.if yields: it is in its homes. `state`: any of its values.
void dropState(scf::ForOp loop, Value state) {
  OpBuilder b(loop);
  SmallVector<Value> init;
  SmallVector<unsigned> kept;
  for (auto [i, value] : llvm::enumerate(loop.getInitArgs()))
    if (!isa<StateType>(value.getType())) {
      init.push_back(value);
      kept.push_back(unsigned(i));
    }
  auto own = scf::ForOp::create(b, loop.getLoc(), loop.getLowerBound(), loop.getUpperBound(), loop.getStep(), init);
  if (!own.getBody()->empty())
    own.getBody()->getTerminator()->erase();
  SmallVector<Value> arguments = {own.getInductionVar()};
  unsigned next = 0;
  for (Value value : loop.getInitArgs())
    arguments.push_back(isa<StateType>(value.getType()) ? state : own.getRegionIterArg(next++));
  auto yield = cast<scf::YieldOp>(loop.getBody()->getTerminator());
  SmallVector<Value> yielded;
  for (unsigned i : kept)
    yielded.push_back(yield.getOperand(i));
  yield->setOperands(yielded);
  own.getBody()->getOperations().splice(own.getBody()->end(), loop.getBody()->getOperations());
  for (auto [from, to] : llvm::zip_equal(loop.getBody()->getArguments(), arguments))
    from.replaceAllUsesWith(to);
  next = 0;
  for (Value result : loop.getResults())
    result.replaceAllUsesWith(isa<StateType>(result.getType()) ? state : own.getResult(next++));
  loop.erase();
}

void dropState(scf::IfOp branch, Value state) { // which is all that it yields
  OpBuilder b(branch);
  auto own = scf::IfOp::create(b, branch.getLoc(), branch.getCondition(), /*withElseRegion=*/true);
  own.getThenRegion().takeBody(branch.getThenRegion());
  own.getElseRegion().takeBody(branch.getElseRegion());
  own.thenYield()->setOperands({});
  own.elseYield()->setOperands({});
  branch.replaceAllUsesWith(ValueRange(state));
  branch.erase();
}

struct OrderLoops : PassWrapper<OrderLoops, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(OrderLoops)
  StringRef getArgument() const final { return "kv-order-loops"; }
  StringRef getDescription() const final { return "loops over blocks in the order of the schedule"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, arith::ArithDialect, LLVM::LLVMDialect>();
  }

  void runOnOperation() override {
    SmallVector<StartStateOp> states;
    getOperation().walk([&](StartStateOp op) { states.push_back(op); });
    if (states.empty())
      return;
    if (states.size() > 1) {
      states.back().emitOpError() << "expected one state in a function";
      return signalPassFailure();
    }
    if (int64_t observers = states.front().getType().getObservers()) {
      states.front().emitOpError() << "expected a state without observers, got " << observers << "; they are not lowered yet";
      return signalPassFailure();
    }
    SmallVector<ForBlocksOp> loops;
    SmallVector<Operation *> around; // inner ones first
    getOperation().walk([&](Operation *op) {
      if (auto loop = dyn_cast<ForBlocksOp>(op))
        loops.push_back(loop);
      else if (isa<scf::ForOp, scf::IfOp>(op) && llvm::any_of(op->getResultTypes(), llvm::IsaPred<StateType>))
        around.push_back(op);
    });
    SmallVector<Value> homes = makeHomes(states.front(), loops);
    getOperation().walk([&](FinishOp op) { op.getStateMutable().assign(homes); });
    for (ForBlocksOp op : llvm::reverse(loops)) { // each while it still begins with what the one before it has left
      OrderedLoops(getOperation(), op, homes).build();
      op.replaceAllUsesWith(op.getInit());
      op.erase();
    }
    for (Operation *op : around) {
      if (auto loop = dyn_cast<scf::ForOp>(op))
        dropState(loop, states.front());
      else
        dropState(cast<scf::IfOp>(op), states.front());
    }
    states.front().erase();
  }

private:
  /// Whether a loop begins with no tokens, or with what another one has left.
  static bool beginsKnown(ForBlocksOp loop) {
    return loop.getInit().getDefiningOp<StartStateOp>() || loop.getInit().getDefiningOp<ForBlocksOp>();
  }

  /// Scratch for the state. The rows are started where their queries are; those in registers where their loop begins.
  SmallVector<Value> makeHomes(StartStateOp op, ArrayRef<ForBlocksOp> loops) {
    KernelBuilder b(getOperation());
    b.loc = op.getLoc();
    b.setInsertionPoint(op);
    int64_t rows = op.getType().getRows(), channels = op.getType().getChannels();
    SmallVector<Value> homes;
    homes.push_back(b.scratch("max", rows, 1, b.getF32Type()));
    homes.push_back(b.scratch("sum", rows, 1, b.getF32Type()));
    homes.push_back(b.scratch("acc", rows, channels, b.getF32Type()));
    auto schedule = getOperation()->getAttrOfType<ScheduleAttr>("kv.schedule");
    if (schedule.getBlock().getState() == StatePlace::scratch || !llvm::all_of(loops, beginsKnown))
      getOperation().walk([&](StartRowsOp start) { start.getStateMutable().assign(homes); });
    return homes;
  }
};

} // namespace

std::unique_ptr<Pass> createOrderLoopsPass() { return std::make_unique<OrderLoops>(); }

} // namespace kv
