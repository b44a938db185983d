// kv.attend and kv.append_attend -> the kernels of one item: `NAME.attend` and `NAME.merge`.
//
// Attend is flash attention over blocks of tokens; maximum, sum and accumulator of every row are explicit, so that a split ends by
// writing them out and merge joins splits in order:
//
//   kv.start_rows                                      of each kv head
//   %s = kv.for_blocks init (kv.start_state) { kv.attend_block }
//   kv.finish %s                                       of each kv head
//
// which is
//
//   for each block of the item's tokens:
//     for each kv head of the item:                        pages are read whole, in the order in which they lie in memory
//       for each tile of rows (query, head):
//         s   = score(q . k)  masked                       product over channels, tokens along lanes
//         m'  = max(m, max s),  p = exp2((s - m') * u),  c = exp2((m - m') * u)      u: a unit of s in those of log2
//         sum = sum * c + add p
//         acc = acc * c + p . v                            product over tokens, channels along lanes
//
// Scales of keys multiply s, scales of values multiply p. Blocks that no row may see are never visited.
#include "compiler/kernels/AttendKernel.h"
#include "compiler/kernels/VisibleTokens.h"
#include "compiler/online/Passes.h"
#include "compiler/schedule/Choice.h"
#include "compiler/schedule/RowTiles.h"
#include "dialect/DotRecord.h"

using namespace mlir;

namespace kv {
namespace {

/// Rows of the largest item, in whole row tiles of each head. An item of q queries has as many heads as `item.heads`, or fewer,
/// so that there are no more pairs of both than either number allows alone.
int64_t rowsOfLargestItem(const AttendSpec &spec) {
  ItemAttr item = spec.schedule.getItem();
  RowTilesAttr tiles = spec.schedule.getRows();
  int64_t pairs = std::max(item.getHeads(), item.getQueries()), most = 0;
  for (int64_t queries = 1; queries <= item.getQueries(); ++queries) {
    int64_t rows = queries * spec.group(), heads = std::clamp<int64_t>(pairs / queries, 1, item.getHeads());
    bool several = tiles.getMany() && (rows > tiles.getOne() || tiles.getAlways());
    most = std::max(most, heads * int64_t(llvm::alignTo(rows, several ? tiles.getMany() : tiles.getOne())));
  }
  return most;
}

/// The variant's align_tokens.
int64_t alignOf(const AttendSpec &spec) { return splitUnit(spec.cache, spec.schedule.getBlock().getTokens()); }

/// The kernel `NAME.attend`.
struct OnlineAttend {
  KernelBuilder b;
  const AttendSpec &spec;
  const CacheType cache;
  const ScheduleAttr schedule;
  const int64_t maxRows; ///< of the largest item, whole row tiles for each head

  Value seq, firstHead, numHeads, queryBegin, queryEnd, tokenBegin, tokenEnd;
  Value length, queries, numRows, paddedRows;  ///< of the sequence; of its step; of a head of the item, and in whole row tiles
  Value table;                                 ///< the sequence's row of the block table
  Value operands, scales, rest, refined, sums; ///< homes of the rows' operands, as kv.attend_block has them
  Value state;                                 ///< what all rows have so far

  OnlineAttend(ModuleOp module, func::FuncOp func, const AttendSpec &spec)
      : b(module, func.getLoc(), kernelSymbol(func.getName(), "attend"), spec.schedule), spec(spec), cache(spec.cache),
        schedule(spec.schedule), maxRows(rowsOfLargestItem(spec)) {}
  void build();

private:
  bool hasScore() const { return !spec.score->empty(); }
  bool roundsQueries() const { return roundsRows(schedule.getScores().getDot()); }
  double factor() const { return rowFactor(spec.scale, hasScore()); }
  int64_t keyRun() const;
  void readArguments();
  void makeHomes();
  /// Calls `body` with each kv head of the item and the first of its rows in the homes.
  void eachHead(function_ref<void(Value head, Value first)> body) {
    b.loop(b.i64(0), numHeads, 1, [&](Value index) {
      Value head = b.add(firstHead, index);
      body(head, b.mul(index, paddedRows));
    });
  }
  void startRows(Value head, Value first);
  void attendBlocks();
  Value attendRange(Value before, Value run, Value begin, Value end, Value past);
  void copyScore(mlir::Region &into);
  void finish(Value head, Value first);
};

/// Channels whose products are summed before the scale comes in: a group. Under `exact`, no more than some 32 where codes have
/// zeros: sums of centred codes and what the zeros add are large and cancel, and f32 forgets more of larger sums.
int64_t OnlineAttend::keyRun() const {
  CodecAttr codec = cache.getKey();
  if (!codec.hasZero() || spec.accuracy != Accuracy::exact)
    return cache.getRun(Stream::key);
  int64_t run = 0, step = elementsOfIteration(cache, schedule, Contract::d); // which takes no less
  while (run < codec.getGroup() && (run < 32 || codec.getGroup() % run))
    run += step;
  return run;
}

void OnlineAttend::readArguments() {
  seq = b.read(ItemField::seq);
  firstHead = b.read(ItemField::head);
  numHeads = b.read(ItemField::num_heads);
  queryBegin = b.read(ItemField::query_begin);
  queryEnd = b.read(ItemField::query_end);
  tokenBegin = b.read(ItemField::token_begin);
  tokenEnd = b.read(ItemField::token_end);
  length = b.read(StepField::seq_lens, seq);
  Value end = b.read(StepField::query_start_loc, b.add(seq, 1));
  queries = b.sub(end, b.read(StepField::query_start_loc, seq));
  numRows = b.mul(b.sub(queryEnd, queryBegin), spec.group());
  auto padded = [&](int64_t rows) { return b.mul(b.div(b.add(numRows, rows - 1), rows), rows); };
  int64_t one = schedule.getRows().getOne(), many = schedule.getRows().getMany();
  bool always = schedule.getRows().getAlways();
  paddedRows = padded(always ? many : one);
  if (many && !always) {
    Value fits = fitsOne(b, schedule.getRows(), numRows);
    paddedRows = arith::SelectOp::create(b, b.loc, fits, paddedRows, padded(many));
  }
  table = b.sequenceTable(cache, seq);
}

void OnlineAttend::makeHomes() {
  Dot dot = schedule.getScores().getDot();
  if (roundsQueries()) {
    operands = b.scratch("q", maxRows, rowWords(dot, cache.getKeyDim()), b.getI32Type());
    scales = b.scratch("qscale", maxRows, 1, b.getF32Type());
    if (isIntegerDot(dot)) {
      rest = b.scratch("qrest", maxRows, cache.getKeyDim() / dotDepth(dot), b.getI32Type());
      refined = b.scratch("refined", maxRows, 1, b.getI32Type());
    }
  } else {
    operands = b.scratch("q", maxRows, cache.getKeyDim(), b.getF32Type());
  }
  if (cache.getKey().hasZero() || keyShift(cache, schedule))
    sums = b.scratch("qsum", cache.getKeyDim() / keyRun() * maxRows, 1, b.getF32Type());
  state = StartStateOp::create(b, b.loc, StateType::get(b.getContext(), maxRows, cache.getValueDim(), /*observers=*/0));
}

void OnlineAttend::startRows(Value head, Value first) {
  StartRowsOp::create(b, b.loc, seq, head, first, numRows, paddedRows, queryBegin, operands, scales, rest, refined, sums,
                      /*state=*/ValueRange(), cache, spec.queryType, APFloat(factor()), spec.group(), spec.accuracy);
}

/// Blocks that no row may see are never visited.
void OnlineAttend::attendBlocks() {
  Value past = b.sub(length, queries);
  if (!spec.visible.hasLow()) { // visible tokens are tokens
    Value after = b.add(past, queryEnd), last = b.sub(after, b.i64(1));
    std::optional<Value> high = VisibleRuns<KernelNumbers>({b}, spec.visible).high(0, last);
    Value end = high ? b.min(tokenEnd, *high) : tokenEnd;
    state = attendRange(state, b.i64(0), tokenBegin, end, past);
    return;
  }
  SmallVector<VisibleRange> ranges = visibleRanges(b, spec.visible, length, queries, queryBegin, queryEnd, alignOf(spec));
  Value none = b.i64(0), count = b.i64(int64_t(ranges.size()));
  state = b.loop(none, count, 1, {state}, [&](Value run, ValueRange before) -> SmallVector<Value> {
    VisibleRange range = ranges.front();
    for (auto [number, other] : llvm::drop_begin(llvm::enumerate(ranges))) {
      Value isOther = b.isEqual(run, b.i64(int64_t(number)));
      for (Value VisibleRange::*part : {&VisibleRange::begin, &VisibleRange::end, &VisibleRange::before, &VisibleRange::tokens})
        range.*part = b.select(isOther, other.*part, range.*part);
    }
    auto tokenOf = [&](Value visible) { // of those of this range
      Value after = b.sub(visible, range.before), ofRange = b.max(b.min(after, range.tokens), 0);
      return b.add(range.begin, ofRange);
    };
    Value begin = tokenOf(tokenBegin), end = tokenOf(tokenEnd);
    end = b.min(end, range.end);
    return {attendRange(before.front(), run, begin, end, past)};
  })[0];
}

/// The state with tokens [begin, end), which rows see in run `run`.
Value OnlineAttend::attendRange(Value before, Value run, Value begin, Value end, Value past) {
  auto loop = ForBlocksOp::create(b, b.loc, before.getType(), begin, end, firstHead, numHeads, paddedRows, table, before);
  OpBuilder::InsertionGuard guard(b);
  Type number = b.getI64Type(), block = BlockType::get(b.getContext(), cache, schedule.getBlock().getTokens());
  Type types[] = {number, number, block, number, number, before.getType()};
  Block *body = b.createBlock(&loop.getBody(), {}, types, SmallVector<Location>(6, b.loc));
  auto attend =
      AttendBlockOp::create(b, b.loc, before.getType(), body->getArgument(2), body->getArgument(3), body->getArgument(4),
                            body->getArgument(0), body->getArgument(1), numRows, paddedRows, queryBegin, past, run, operands,
                            scales, rest, refined, sums, body->getArgument(5), cache, Tiles::any, spec.group(),
                            spec.minQueries * spec.group(), APFloat(spec.scale), spec.visible, /*whole=*/false, spec.accuracy);
  if (hasScore())
    copyScore(attend.getScore());
  YieldOp::create(b, b.loc, attend.getNext().front());
  return loop.getEndState();
}

/// The score region with all that it uses: constants, which canonicalization may have moved out of it, and the declared arrays as
/// arguments of the step.
void OnlineAttend::copyScore(mlir::Region &into) {
  IRMapping mapping;
  spec.score->cloneInto(&into, mapping);
  Block &block = into.front();
  OpBuilder::InsertionGuard guard(b);
  Value head;
  for (Operation &op : llvm::make_early_inc_range(block)) {
    b.setInsertionPointToStart(&block);
    for (OpOperand &operand : op.getOpOperands())
      if (auto constant = operand.get().getDefiningOp<arith::ConstantOp>(); constant && constant->getBlock() != &block)
        operand.set(b.clone(*constant)->getResult(0));
    if (op.getName().getStringRef() != "tensor.extract")
      continue;
    if (!head)
      head = arith::IndexCastOp::create(b, b.loc, b.getI64Type(), block.getArgument(3));
    auto array = cast<BlockArgument>(op.getOperand(0));
    auto function = cast<FunctionOpInterface>(array.getOwner()->getParentOp());
    unsigned number = array.getArgNumber() - declaredArrays(function).front().getArgNumber();
    b.setInsertionPoint(&op);
    op.replaceAllUsesWith(ValueRange{b.argument(number, head)});
    op.erase();
  }
}

/// The maximum leaves as a score: what softmax has is a product in units of the row.
void OnlineAttend::finish(Value head, Value first) {
  double unit = hasScore() ? 1 : roundsQueries() ? ln2 : factor() * ln2;
  FinishOp::create(b, b.loc, seq, head, firstHead, first, numRows, queryBegin, hasScore() ? Value() : scales, state, APFloat(unit),
                   spec.group(), spec.output);
}

void OnlineAttend::build() {
  readArguments();
  makeHomes();
  eachHead([&](Value head, Value first) { startRows(head, first); });
  attendBlocks();
  eachHead([&](Value head, Value first) { finish(head, first); });
}

struct ConvertToOnline : PassWrapper<ConvertToOnline, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ConvertToOnline)
  StringRef getArgument() const final { return "kv-convert-to-online"; }
  StringRef getDescription() const final { return "attends become loops over blocks of tokens with a state"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, LLVM::LLVMDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect>();
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<func::FuncOp> done;
    for (func::FuncOp func : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      if (func.isDeclaration() || func->hasAttr("kv.kernel"))
        continue;
      for (Operation &op : func.getBody().front()) {
        if (isa<AttendOp, AppendAttendOp>(op) && !op.getAttrOfType<ScheduleAttr>("schedule")) {
          op.emitOpError() << "expected a `schedule`, which kv-select-schedule writes";
          return signalPassFailure();
        }
        if (auto attend = dyn_cast<AttendOp>(op)) {
          AttendSpec spec = describe(attend);
          OnlineAttend(module, func, spec).build();
          buildMergeKernel(module, func, spec);
          done.push_back(func);
        } else if (auto fused = dyn_cast<AppendAttendOp>(op)) {
          AttendSpec spec = describe(fused);
          buildFusedKernel(module, func, spec, alignOf(spec));
          done.push_back(func);
        }
      }
    }
    for (func::FuncOp func : done)
      func.erase();
  }
};

} // namespace

std::unique_ptr<Pass> createConvertToOnlinePass() { return std::make_unique<ConvertToOnline>(); }

} // namespace kv
