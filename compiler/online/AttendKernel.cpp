// The attend kernel of one item: see TileAttend.cpp for the algorithm.
#include "compiler/online/AttendImpl.h"
#include "dialect/TokenMap.h"

#include <limits>
#include <numeric>

using namespace mlir;

namespace kv {

static int64_t roundUp(int64_t n, int64_t unit) { return int64_t(llvm::divideCeil(n, unit)) * unit; }

/// Whether no step is of one row tile: the last item of one may be, and is treated as the others.
static bool alwaysSeveral(const AttendSpec &spec) {
  return spec.schedule.getManyRows() && spec.minQueries * spec.group() > spec.schedule.getRows();
}

/// Whether one softmax serves both kinds of row tile. A score of its own makes softmax long, and its code would stand in the kernel
/// twice. To share it costs one row tile up to 8 % of its time, so what is short is not shared.
static bool sharesSoftmax(const AttendSpec &spec) {
  return !alwaysSeveral(spec) && !spec.score->empty() && !spec.schedule.getHalide() && rowsOfSharedSoftmax(spec.schedule) > 0;
}

/// Rows of the largest item, in whole row tiles of each head. An item of q queries has as many heads as `schedule.heads`, or fewer,
/// so that there are no more pairs of both than either number allows alone.
static int64_t rowsOfLargestItem(const AttendSpec &spec) {
  ScheduleAttr schedule = spec.schedule;
  int64_t pairs = std::max(schedule.getHeads(), schedule.getQueryBlock()), most = 0;
  for (int64_t queries = 1; queries <= schedule.getQueryBlock(); ++queries) {
    int64_t rows = queries * spec.group(), heads = std::clamp<int64_t>(pairs / queries, 1, schedule.getHeads());
    bool several = schedule.getManyRows() && (rows > schedule.getRows() || alwaysSeveral(spec));
    most = std::max(most, heads * roundUp(rows, several ? schedule.getManyRows() : schedule.getRows()));
  }
  return most;
}

Attend::Attend(ModuleOp module, func::FuncOp func, const AttendSpec &spec)
    : b(module, func.getLoc(), kernelSymbol(func.getName(), "attend"), spec.schedule), spec(spec), cache(spec.cache),
      schedule(spec.schedule), block(schedule.getBlock()), maxRows(rowsOfLargestItem(spec)) {}

/// Channels whose products are summed before the scale comes in: a group. Under `exact`, no more than some 32 where codes have
/// zeros: sums of centred codes and what the zeros add are large and cancel, and f32 forgets more of larger sums.
int64_t Attend::keyRun() const {
  CodecAttr codec = cache.getKey();
  if (!codec.hasZero() || spec.accuracy != Accuracy::exact)
    return cache.getRun(Stream::key);
  int64_t run = 0, step = elementsOfIteration(cache, schedule, Stream::key); // which takes no less
  while (run < codec.getGroup() && (run < 32 || codec.getGroup() % run))
    run += step;
  return run;
}

void Attend::readArguments() {
  seq = b.read(ItemField::seq);
  firstHead = b.read(ItemField::head);
  numHeads = b.read(ItemField::num_heads);
  queryBegin = b.read(ItemField::query_begin);
  queryEnd = b.read(ItemField::query_end);
  tokenBegin = b.read(ItemField::token_begin);
  tokenEnd = b.read(ItemField::token_end);
  length = b.read(StepField::seq_lens, seq);
  queries = b.sub(b.read(StepField::query_start_loc, b.add(seq, 1)), b.read(StepField::query_start_loc, seq));
  numRows = b.mul(b.sub(queryEnd, queryBegin), spec.group());
  auto padded = [&](int64_t rows) { return b.mul(b.div(b.add(numRows, rows - 1), rows), rows); };
  int64_t one = schedule.getRows(), many = schedule.getManyRows();
  paddedRows = padded(alwaysSeveral(spec) ? many : one);
  if (many && !alwaysSeveral(spec))
    paddedRows = arith::SelectOp::create(b, b.loc, fitsOne(), paddedRows, padded(many));
  table = b.sequenceTable(cache, seq);

  if (roundsQueries()) {
    homeQ = b.scratch("q", maxRows, rowWords(schedule.getKeyDot(), cache.getKeyDim()), b.getI32Type());
    homeQScale = b.scratch("qscale", maxRows, 1, b.getF32Type());
    homeQFloats = b.scratch("qfloats", 1, cache.getKeyDim(), b.getF32Type());
    if (isIntegerDot(schedule.getKeyDot())) {
      homeQRest = b.scratch("qrest", maxRows, cache.getKeyDim() / dotDepth(schedule.getKeyDot()), b.getI32Type());
      homeRefined = b.scratch("refined", maxRows, 1, b.getI32Type());
    }
  } else {
    homeQ = b.scratch("q", maxRows, cache.getKeyDim(), b.getF32Type());
  }
  if (cache.getKey().hasZero() || keyShift(cache, schedule))
    homeQSum = b.scratch("qsum", keyRuns() * maxRows, 1, b.getF32Type());
  homeMax = b.scratch("max", maxRows, 1, b.getF32Type());
  homeSum = b.scratch("sum", maxRows, 1, b.getF32Type());
  homeAcc = b.scratch("acc", maxRows, cache.getValueDim(), b.getF32Type());
}

/// Queries as row operands, scaled; maximum, sum and accumulator of nothing.
void Attend::prepareRows(const Head &head) {
  Value q = b.read(StepField::q), firstQuery = b.read(StepField::query_start_loc, seq);
  Value tokenStride = b.read(StepField::q_token_stride), headStride = b.read(StepField::q_head_stride);
  int64_t chunk = b.rowChunk(cache.getKeyDim()), valueChunk = b.rowChunk(cache.getValueDim());
  b.loop(zero(), paddedRows, 1, {b.i32(0)}, [&](Value ofHead, ValueRange before) -> SmallVector<Value> {
    Value element = b.add(b.mul(b.add(firstQuery, queryOfRow(ofHead)), tokenStride), b.mul(headOfRow(head, ofHead), headStride));
    Value row = b.add(head.firstRow, ofHead);
    b.loop(zero(), b.i64(cache.getKeyDim()), chunk, [&](Value channel) {
      Value loaded = LoadOp::create(b, b.loc, b.tileF32({1, chunk}), q, b.add(element, channel), spec.queryType);
      // As they came: scores take the factor. Rounding the product of a great channel would be the same error in every score.
      if (roundsQueries())
        b.put(loaded, homeQFloats, zero(), channel);
      else
        b.put(loaded, homeQ, row, channel);
    });
    Value outliers = before[0];
    if (Value isOutlier = roundsQueries() ? roundRow(row) : Value(); homeRefined)
      outliers = noteOutlier(head, ofHead, outliers, isOutlier);
    if (homeQSum)
      sumRow(row, roundsQueries() ? homeQFloats : homeQ);
    if (stages() && canCarry())
      return {outliers};
    b.put(b.spread(b.f32(-std::numeric_limits<double>::infinity()), 0, b.tileF32({1})), homeMax, row, zero());
    b.put(b.spread(b.f32(0), 0, b.tileF32({1})), homeSum, row, zero());
    b.loop(zero(), b.i64(cache.getValueDim()), valueChunk, [&](Value channel) {
      b.put(b.spread(b.f32(0), 0, b.tileF32({1, valueChunk})), homeAcc, row, channel);
    });
    return {outliers};
  });
}

/// Notes at the first row of a row tile whether one of the tile's rows up to `ofHead` has outliers, and returns it. `before` is
/// what was noted for the row before.
Value Attend::noteOutlier(const Head &head, Value ofHead, Value before, Value isOutlier) {
  int64_t one = schedule.getRows(), many = schedule.getManyRows();
  Value rows = b.i64(alwaysSeveral(spec) ? many : one);
  if (many && !alwaysSeveral(spec))
    rows = arith::SelectOp::create(b, b.loc, fitsOne(), rows, b.i64(many));
  Value ofTile = arith::RemUIOp::create(b, b.loc, ofHead, rows), first = b.add(head.firstRow, b.sub(ofHead, ofTile));
  Value isFirst = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::eq, ofTile, zero());
  Value noted = arith::OrIOp::create(b, b.loc, isOutlier, arith::SelectOp::create(b, b.loc, isFirst, b.i32(0), before));
  b.put(b.spread(noted, 0, b.tile({1}, b.getI32Type())), homeRefined, first, zero());
  return noted;
}

/// How many times the mean of the others the greatest magnitude of a row may be: rounding moves a score by about greatest / levels
/// / 4 times a key's deviation, by at most what the class allows. `fast` goes there, as rows with more cost it a third of its time.
double Attend::outlierRatio() const {
  double levels = double(rowLevels(schedule.getKeyDot(), cache.getKey().getGroup()));
  return levels * (spec.accuracy == Accuracy::fast ? 4 * 1.5e-2 : 3 * 1e-3);
}

/// Rounds a row of queries to what the key record multiplies, with one scale for the row; a row that is not finite has scale NaN.
/// Keeps what rounding leaves of a row with outliers too, in units of 2^-8. Returns whether the row is one, i32.
Value Attend::roundRow(Value row) {
  int64_t dim = cache.getKeyDim(), chunk = b.rowChunk(dim);
  double levels = double(rowLevels(schedule.getKeyDot(), cache.getKey().getGroup()));
  RankedTensorType tile = b.tileF32({1, chunk});
  SmallVector<Value> init(3, b.spread(b.f32(0), 0, tile));
  SmallVector<Value> found = b.loop(zero(), b.i64(dim), chunk, init, [&](Value channel, ValueRange carried) -> SmallVector<Value> {
    Value x = b.fetch(homeQFloats, zero(), channel, {1, chunk}), magnitude = math::AbsFOp::create(b, b.loc, x);
    Value nothing = b.mulf(x, b.spread(b.f32(0), 0, tile)); // NaN where x is not finite
    return {b.maxf(magnitude, carried[0]), b.addf(carried[1], nothing), b.addf(carried[2], magnitude)};
  });
  auto total = [&](Reduction kind, Value source) -> Value {
    return RowOp::create(b, b.loc, b.getF32Type(), ReduceOp::create(b, b.loc, b.tileF32({1}), kind, source));
  };
  Value greatest = total(Reduction::max, found[0]), check = total(Reduction::add, found[1]), unit, perUnit;
  if (isIntegerDot(schedule.getKeyDot())) {
    unit = b.mulf(greatest, b.f32(1 / levels));
    perUnit = b.levelsPerUnit(greatest, levels);
  } else { // a power of two: numbers of few bits stay what they are
    unit = powerBelow(greatest);
    perUnit = arith::DivFOp::create(b, b.loc, b.f32(1), unit);
  }
  // Never 0, nor near what a caller's flushing makes 0: a masked score would make NaN of it.
  Value scale = b.addf(b.maxf(b.mulf(unit, b.f32(rowFactor())), b.f32(1e-37)), check);
  b.put(b.spread(scale, 0, b.tileF32({1})), homeQScale, row, zero());
  Value inverse = b.spread(perUnit, 0, tile);
  Dot dot = schedule.getKeyDot();
  if (!isIntegerDot(dot)) {
    b.loop(zero(), b.i64(dim), chunk, [&](Value channel) {
      Value scaled = b.mulf(b.fetch(homeQFloats, zero(), channel, {1, chunk}), inverse);
      b.put(scaled, homeQFloats, zero(), channel);
      PackOp::create(b, b.loc, scaled, homeQ, row, channel, Stream::key, dot, cache);
    });
    return b.i32(0);
  }
  Value others = b.mulf(b.subf(total(Reduction::add, found[2]), greatest), b.f32(outlierRatio() / double(dim - 1)));
  Value isOutlier = arith::CmpFOp::create(b, b.loc, arith::CmpFPredicate::OGT, greatest, others);
  // Where rows have none, nothing is left: a row's results do not depend on the rows beside it.
  Value units = b.spread(arith::SelectOp::create(b, b.loc, isOutlier, b.f32(restUnits), b.f32(0)), 0, tile);
  Value most = b.spread(b.f32(restUnits / 2 - 1), 0, tile), unit1 = b.spread(b.f32(1 / restUnits), 0, tile);
  b.loop(zero(), b.i64(dim), chunk, [&](Value channel) {
    Value scaled = b.mulf(b.fetch(homeQFloats, zero(), channel, {1, chunk}), inverse), rounded = b.round(scaled);
    Value left = b.round(b.mulf(b.subf(scaled, rounded), units)), rest = b.negate(b.maxf(b.negate(left), b.negate(most)));
    b.put(b.fma(rest, unit1, rounded), homeQFloats, zero(), channel);
    PackOp::create(b, b.loc, rounded, homeQ, row, channel, Stream::key, dot, cache);
    PackOp::create(b, b.loc, rest, homeQRest, row, channel, Stream::key, isTwoBytes(dot) ? plainDot(dot) : dot, cache);
  });
  return arith::ExtUIOp::create(b, b.loc, b.getI32Type(), isOutlier);
}

/// Half the greatest power of two that is not above x, and no less than 2^-100.
Value Attend::powerBelow(Value x) {
  Value bits = arith::BitcastOp::create(b, b.loc, b.getI32Type(), x);
  Value exponent = arith::AndIOp::create(b, b.loc, bits, b.i32(0x7f800000));
  Value least = arith::MaxUIOp::create(b, b.loc, exponent, b.i32((127 - 99) << 23));
  return arith::BitcastOp::create(b, b.loc, b.getF32Type(), arith::SubIOp::create(b, b.loc, least, b.i32(1 << 23)));
}

/// Sums of a row's operands over each run of channels.
void Attend::sumRow(Value row, Value home) {
  int64_t width = keyRun(), chunk = b.rowChunk(width);
  b.loop(zero(), b.i64(keyRuns()), 1, [&](Value run) {
    Value first = b.mul(run, width), init = b.spread(b.f32(0), 0, b.tileF32({1, chunk}));
    Value sum = b.loop(first, b.end(first, width), chunk, {init}, [&](Value channel, ValueRange carried) -> SmallVector<Value> {
      return {b.addf(carried[0], b.fetch(home, home == homeQ ? row : zero(), channel, {1, chunk}))};
    })[0];
    b.put(ReduceOp::create(b, b.loc, b.tileF32({1}), Reduction::add, sum), homeQSum, sumOfRow(row, run), zero());
  });
}

Attend::Place Attend::placeAhead(Value at, Value index) {
  Value steps = b.add(index, schedule.getPrefetch());
  Value blocks = arith::DivUIOp::create(b, b.loc, steps, numHeads);
  return {b.add(at, blocks), b.sub(steps, arith::MulIOp::create(b, b.loc, blocks, numHeads))};
}

/// With the row tiles that suit the item.
void Attend::withTiles(function_ref<void()> body) {
  auto with = [&](RowTiles chosen) {
    tiles = chosen;
    body();
  };
  if (sharesSoftmax(spec))
    return with(RowTiles::either);
  if (!schedule.getManyRows())
    return with(RowTiles::one);
  if (alwaysSeveral(spec))
    return with(RowTiles::many);
  b.ifElse(
      fitsOne(), [&] { with(RowTiles::one); }, [&] { with(RowTiles::many); });
}

/// Blocks never cross a page unless they hold whole pages.
void Attend::loopOverBlocks() {
  int64_t page = cache.getLayout().getSlots();
  TokenMap tokens(b, page);
  Value end = tokenEnd;
  if (spec.causal) // what the item's last query sees
    end = b.min(end, b.add(b.sub(length, queries), queryEnd));
  Value first, last;
  llvm::unique_function<Span(Value)> blockAt;
  if (fitBlocks(cache, block) != BlockFit::cut) {
    first = zero();
    last = b.div(b.add(b.max(b.sub(end, tokenBegin), zero()), block - 1), block);
    blockAt = [&](Value at) {
      Value token = b.add(tokenBegin, b.mul(at, block));
      return Span{token, b.min(b.i64(block), b.sub(end, token))};
    };
  } else { // tokenBegin is the first token of a page
    int64_t blocksPerPage = (page + block - 1) / block;
    first = b.mul(tokens.entryOf(tokenBegin), blocksPerPage);
    last = b.mul(tokens.entryOf(b.add(b.max(end, tokenBegin), page - 1)), blocksPerPage);
    blockAt = [&, blocksPerPage](Value at) {
      Value slot = b.mul(b.rem(at, blocksPerPage), block);
      Value token = b.add(tokens.firstOf(b.div(at, blocksPerPage)), slot);
      return Span{token, b.min(b.min(b.i64(block), b.sub(b.i64(page), slot)), b.sub(end, token))};
    };
  }
  if (stages())
    attendStaged(first, last, blockAt);
  else
    attendAhead(first, last, blockAt);
}

/// Reading a block prefetches one that comes later, maybe of another head.
void Attend::attendAhead(Value first, Value last, function_ref<Span(Value)> blockAt) {
  b.loop(first, last, 1, [&](Value at) {
    Span here = blockAt(at);
    b.ifThen(some(here), [&] {
      b.loop(zero(), numHeads, 1, [&](Value index) {
        Head head = headAt(index);
        if (!schedule.getPrefetch()) {
          attendBlock(acquire(head, here, {}), here, head, homes());
          return;
        }
        Place next = placeAhead(at, index);
        Span ahead = blockAt(next.block);
        Value inside = some(ahead);
        auto choose = [&](Value there, Value otherwise) -> Value {
          return arith::SelectOp::create(b, b.loc, inside, there, otherwise);
        };
        Value token = choose(ahead.token, here.token), count = choose(ahead.count, here.count);
        Value headAhead = choose(b.add(firstHead, next.index), head.number);
        attendBlock(acquire(head, here, {headAhead, token, count}), here, head, homes());
      });
    });
  });
}

/// A team of threads copies blocks into a ring in scratch, so many before it reads them; an item has one head.
void Attend::attendStaged(Value first, Value last, function_ref<Span(Value)> blockAt) {
  int64_t ahead = schedule.getPrefetch(), stages = ahead + 1;
  CacheType staged = stagedCache(cache, block);
  Value ring = b.scratch("ring", stages, mapPage(staged).bytes, b.getI8Type());
  Head head = headAt(zero());
  auto stageOf = [&](Value at) { return b.rem(b.sub(at, first), stages); };
  auto stage = [&](Value at) {
    Span span = blockAt(at);
    b.ifThen(some(span), [&] { StageOp::create(b, b.loc, acquire(head, span, {}), ring, stageOf(at)); });
    CommitOp::create(b, b.loc);
  };
  b.loop(first, b.add(first, ahead), 1, stage);
  auto attend = [&](Value at, ValueRange state) {
    stage(b.add(at, ahead));
    auto type = BlockType::get(b.getContext(), staged, block);
    Value blockValue = StagedOp::create(b, b.loc, type, ring, stageOf(at), ahead);
    return attendBlock(blockValue, blockAt(at), head, state);
  };
  if (!canCarry())
    return b.loop(first, last, 1, [&](Value at) { attend(at, homes()); });
  int64_t rows = schedule.getRows(), columns = schedule.getValueSlice();
  RankedTensorType perRow = b.tileF32({rows}), slice = b.tileF32({rows, columns});
  SmallVector<Value> init = {b.spread(b.f32(-std::numeric_limits<double>::infinity()), 0, perRow), b.spread(b.f32(0), 0, perRow)};
  init.append(cache.getValueDim() / columns, b.spread(b.f32(0), 0, slice));
  SmallVector<Value> result = b.loop(first, last, 1, init, attend);
  b.put(result[0], homeMax, zero(), zero());
  b.put(result[1], homeSum, zero(), zero());
  for (auto [i, tile] : llvm::enumerate(ArrayRef(result).drop_front(2)))
    b.put(tile, homeAcc, zero(), b.i64(int64_t(i) * columns));
}

/// `here` holds at least one token.
SmallVector<Value> Attend::attendBlock(Value blockValue, Span here, const Head &head, ValueRange state) {
  SmallVector<Type> next;
  for (Value value : state)
    if (isa<RankedTensorType>(value.getType()))
      next.push_back(value.getType());
  Value past = b.sub(length, queries);
  auto op = AttendBlockOp::create(b, b.loc, next, blockValue, here.token, here.count, head.number, head.firstRow, numRows,
                                  paddedRows, queryBegin, past, homeQ, homeQScale, homeQRest, homeRefined, homeQSum, state, tiles,
                                  spec.group(), spec.minQueries * spec.group(), APFloat(spec.scale),
                                  spec.causal ? Mask::causal : Mask::all, spec.accuracy);
  if (!spec.score->empty())
    copyScore(op.getScore());
  return SmallVector<Value>(op.getResults());
}

/// The score region with all that it uses: constants, which canonicalization may have moved out of it, and the declared arrays as
/// arguments of the step.
void Attend::copyScore(mlir::Region &into) {
  IRMapping mapping;
  spec.score->cloneInto(&into, mapping);
  Block &block = into.front();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&block);
  Value head;
  for (Operation &op : llvm::make_early_inc_range(block)) {
    for (OpOperand &operand : op.getOpOperands())
      if (auto constant = operand.get().getDefiningOp<arith::ConstantOp>(); constant && constant->getBlock() != &block)
        operand.set(b.clone(*constant)->getResult(0));
    if (op.getName().getStringRef() != "tensor.extract")
      continue;
    if (!head)
      head = arith::IndexCastOp::create(b, b.loc, b.getI64Type(), block.getArgument(3));
    auto array = cast<BlockArgument>(op.getOperand(0));
    unsigned number = array.getArgNumber() - cast<BlockArgument>(spec.params.front()).getArgNumber();
    OpBuilder::InsertionGuard here(b);
    b.setInsertionPoint(&op);
    op.replaceAllUsesWith(ValueRange{b.argument(number, head)});
    op.erase();
  }
}

Value Attend::acquire(const Head &head, Span here, ValueRange ahead) {
  Value pages = b.read(StepField::pages), stride = b.read(StepField::page_stride);
  return AcquireOp::create(b, b.loc, BlockType::get(b.getContext(), cache, block), pages, stride, table, head.number, here.token,
                           here.count, ahead);
}

/// Either the finished rows, or the partial ones for merge (kv_abi.h gives their layout).
void Attend::writeResults(const Head &head) {
  Value partial = b.read(ItemField::partial);
  Value null = LLVM::ZeroOp::create(b, b.loc, b.ptr());
  Value whole = LLVM::ICmpOp::create(b, b.loc, LLVM::ICmpPredicate::eq, partial, null);
  Value firstQuery = b.read(StepField::query_start_loc, seq);
  auto scalar = [&](Value home, Value row) {
    Value tile = b.fetch(home, b.add(head.firstRow, row), zero(), {1});
    return RowOp::create(b, b.loc, b.getF32Type(), tile).getResult();
  };
  // As a score: what softmax has is a product in units of the row.
  auto maximum = [&](Value row) {
    if (!spec.score->empty())
      return scalar(homeMax, row);
    Value unit = roundsQueries() ? b.mulf(scalar(homeQScale, row), b.f32(ln2)) : b.f32(rowFactor() * ln2);
    return b.mulf(scalar(homeMax, row), unit);
  };
  b.ifElse(
      whole,
      [&] {
        b.loop(zero(), numRows, 1, [&](Value row) {
          auto accumulator = [&](Value channel, int64_t chunk) {
            return b.fetch(homeAcc, b.add(head.firstRow, row), channel, {1, chunk});
          };
          writeRow(b, spec, b.add(firstQuery, queryOfRow(row)), headOfRow(head, row),
                   {maximum(row), scalar(homeSum, row), accumulator});
        });
      },
      [&] {
        int64_t chunk = b.rowChunk(cache.getValueDim());
        // Partial results of a head lie split after split.
        Value floats = b.mul(numRows, cache.getValueDim() + 2), splits = b.read(ItemField::num_partials);
        Value before = arith::MulIOp::create(b, b.loc, b.sub(head.number, firstHead), b.KernelBuilder::mul(splits, floats));
        Value own = b.at(partial, b.mul(before, 4));
        b.loop(zero(), numRows, 1, [&](Value row) {
          b.store(maximum(row), b.at(own, b.mul(row, 4)));
          b.store(scalar(homeSum, row), b.at(own, b.mul(b.add(numRows, row), 4)));
          Value element = b.add(b.mul(numRows, 2), b.mul(row, cache.getValueDim()));
          b.loop(zero(), b.i64(cache.getValueDim()), chunk, [&](Value channel) {
            Value tile = b.fetch(homeAcc, b.add(head.firstRow, row), channel, {1, chunk});
            SaveOp::create(b, b.loc, tile, own, b.add(element, channel), b.getF32Type());
          });
        });
      });
}

void buildAttendKernel(ModuleOp module, func::FuncOp func, const AttendSpec &spec) {
  Attend attend(module, func, spec);
  attend.readArguments();
  attend.eachHead([&](const Attend::Head &head) { attend.prepareRows(head); });
  attend.withTiles([&] { attend.loopOverBlocks(); });
  attend.eachHead([&](const Attend::Head &head) { attend.writeResults(head); });
}

} // namespace kv
