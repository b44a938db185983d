// kv.for_blocks -> scf loops over blocks of tokens and, inside, kv heads: pages are read whole, in the order in which they lie in
// memory. Each block is acquired where it is worked on, and names the block ahead, which reading it prefetches. A state that fits a
// thread's registers goes around the loop as values.
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
  SmallVector<Value> carried; ///< what the state is now, where it goes around the loop as values

  OrderedLoops(func::FuncOp func, ForBlocksOp op)
      : b(func), op(op), schedule(func->getAttrOfType<ScheduleAttr>("kv.schedule")),
        cache(cast<BlockType>(op.getBody().getArgument(2).getType()).getCache()), block(schedule.getBlock().getTokens()) {
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
  SmallVector<Value> homes(op.getAttend().getState());
  int64_t rows = schedule.getRows().getOne(), columns = schedule.getSums().getSlice();
  RankedTensorType perRow = b.tileF32({rows}), slice = b.tileF32({rows, columns});
  SmallVector<Value> init = {b.spread(b.f32(-std::numeric_limits<double>::infinity()), 0, perRow), b.spread(b.f32(0), 0, perRow)};
  init.append(cache.getValueDim() / columns, b.spread(b.f32(0), 0, slice));
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
  mapping.map(op.getBody().getArguments(), ArrayRef<Value>{head.number, head.firstRow, blockValue, here.token, here.count});
  for (Operation &inner : op.getBody().front()) {
    auto attend = dyn_cast<AttendBlockOp>(*b.clone(inner, mapping));
    if (!attend || carried.empty())
      continue;
    attend.getStateMutable().assign(carried);
    SmallVector<Type> types = llvm::to_vector(ValueRange(carried).getTypes());
    OperationState state(attend.getLoc(), AttendBlockOp::getOperationName(), attend->getOperands(), types, attend->getAttrs());
    state.propertiesAttr = attend->getPropertiesAsAttribute();
    state.addRegion()->takeBody(attend.getScore());
    carried = SmallVector<Value>(b.create(state)->getResults());
    attend.erase();
  }
}

struct OrderLoops : PassWrapper<OrderLoops, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(OrderLoops)
  StringRef getArgument() const final { return "kv-order-loops"; }
  StringRef getDescription() const final { return "loops over blocks in the order of the schedule"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, arith::ArithDialect, LLVM::LLVMDialect>();
  }

  void runOnOperation() override {
    SmallVector<ForBlocksOp> ops;
    getOperation().walk([&](ForBlocksOp op) { ops.push_back(op); });
    for (ForBlocksOp op : ops) {
      OrderedLoops(getOperation(), op).build();
      op.erase();
    }
  }
};

} // namespace

std::unique_ptr<Pass> createOrderLoopsPass() { return std::make_unique<OrderLoops>(); }

} // namespace kv
