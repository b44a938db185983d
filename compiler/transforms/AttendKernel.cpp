// The attend kernel of one item: see TileAttend.cpp for the algorithm.
#include "compiler/transforms/AttendKernel.h"

#include "compiler/transforms/Pacing.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace kv {
namespace {

constexpr double log2e = 1.4426950408889634, ln2 = 0.6931471805599453;

/// Everything the parts of the kernel share.
struct Attend {
  KernelBuilder b;
  const AttendSpec &spec;
  const CacheType cache;
  const ScheduleAttr schedule;
  const int64_t rows, block, slice;
  const int64_t maxRows; ///< rows of the largest item, whole row tiles for each head

  Value seq, firstHead, numHeads, queryBegin, queryEnd, tokenBegin, tokenEnd;
  Value length, queries, numRows, rowTiles; ///< of the sequence; of its step; of a head of the item
  Value table;                              ///< the sequence's row of the block table
  Value homeQ, homeMax, homeSum, homeAcc, homeP;
  Value homeQSum;                ///< run by run of channels, sums of a row's operands, where codes are shifted or have zeros
  Value homeQScale, homeQFloats; ///< records that round rows: the row's scale, and the row before it is rounded

  Attend(ModuleOp module, func::FuncOp func, const AttendSpec &spec)
      : b(module, func.getLoc(), kernelSymbol(func.getName(), "attend"), spec.schedule), spec(spec), cache(spec.cache),
        schedule(spec.schedule), rows(schedule.getRows()), block(schedule.getBlock()), slice(schedule.getKeySlice()),
        maxRows(schedule.getHeads() == 1
                    ? llvm::divideCeil(schedule.getQueryBlock() * spec.group(), rows) * rows
                    : std::max(schedule.getQueryBlock(), schedule.getHeads()) * (llvm::divideCeil(spec.group(), rows) * rows)) {}

  /// Words of a row's operands.
  static int64_t rowWords(Dot dot, int64_t length) { return length / dotDepth(dot) * rowParts(dot); }
  /// What a row tile has so far. Where the item has but one and a thread's share of it fits its registers, it goes around the loop
  /// over blocks as values; else it stays in the homes.
  struct Carried {
    Value max, sum;
    SmallVector<Value> acc; ///< slice by slice
  };
  std::optional<Carried> carried;
  std::function<void()> pace; ///< before an op on tiles in softmax
  bool pacesPacking() const { return roundsProbabilities() && valueGroups() == 1; }
  /// Whether blocks are copied before they are read.
  bool stages() const { return schedule.getThreads() && schedule.getPrefetch(); }
  bool canCarry() const {
    int64_t numbers = rows * (cache.getValueDim() + 2 * block); // with the scores and probabilities of a block
    return schedule.getThreads() && maxRows == rows && numbers <= 80 * schedule.getThreads();
  }

  /// Of probabilities: the class's bound leaves room for a power of two that is a little off.
  int64_t exponentBits() const { return spec.accuracy == Accuracy::exact ? 23 : spec.accuracy == Accuracy::high ? 18 : 13; }
  bool roundsQueries() const { return roundsRows(schedule.getKeyDot()); }
  bool roundsProbabilities() const { return roundsRows(schedule.getValueDot()); }
  int64_t keyShift() const {
    if (!isIntegerDot(schedule.getKeyDot()))
      return 0;
    IntegerForm form = integerForm(cache.getKey(), schedule.getKeyDot());
    assert(form.factor == 1 && "keys are unsigned operands");
    return form.shift;
  }
  /// Channels whose products are summed before the scale comes in: a group. Under `exact`, no more than some 32 where codes have
  /// zeros: sums of centred codes and what the zeros add are large and cancel, and f32 forgets more of larger sums.
  int64_t keyRun() const {
    CodecAttr codec = cache.getKey();
    if (!codec.isInteger() || !codec.isAsym() || spec.accuracy != Accuracy::exact)
      return codec.isInteger() ? codec.getGroup() : cache.getKeyDim();
    int64_t lanes = schedule.getLanes(), run = 0;
    int64_t step = loadsOfIteration(cache, Stream::key, lanes, schedule.getKeyDot(), schedule.getUnroll()) *
                   productLoad(cache, Stream::key, lanes).pack; // of the product's loop, which takes no less
    while (run < codec.getGroup() && (run < 32 || codec.getGroup() % run))
      run += step;
    return run;
  }
  int64_t keyRuns() const { return cache.getKeyDim() / keyRun(); }
  int64_t valueGroups() const { return cache.getValue().isInteger() ? cache.getValueDim() / cache.getValue().getGroup() : 1; }

  /// A kv head of the item.
  struct Head {
    Value number, firstRow; ///< firstRow: of its rows, in the homes of the item
  };
  /// Head `index` of the item.
  Head headAt(Value index) { return {b.add(firstHead, index), b.mul(b.mul(index, rowTiles), rows)}; }
  void eachHead(function_ref<void(const Head &)> body) {
    b.loop(zero(), numHeads, 1, [&](Value index) { body(headAt(index)); });
  }

  void readArguments();
  void prepareRows(const Head &head);
  /// What q . k is multiplied by, a positive number. Without a score of its own, s in units of log2 is one multiplication away from
  /// it.
  double rowFactor() const { return spec.score->empty() ? spec.scale * log2e : spec.scale; }
  void roundRow(Value row);
  Value powerBelow(Value x);
  void sumRow(Value row, Value home);
  Value sumOfRow(Value row, Value run) { return b.add(b.mul(run, maxRows), row); }
  void loopOverBlocks();
  struct Span {
    Value token, count; ///< consecutive tokens of the sequence, inside one block
  };
  /// Where the work `prefetch` steps after head `index` of block number `at` is: a block and a head of the item.
  struct Place {
    Value block, index;
  };
  Place placeAhead(Value at, Value index);
  void attendAhead(Value first, Value last, function_ref<Span(Value)> blockAt);
  void attendStaged(Value first, Value last, function_ref<Span(Value)> blockAt);
  Value some(Span span) { return arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sgt, span.count, zero()); }
  Value acquire(const Head &head, Span here, ValueRange ahead);
  void attendBlock(Value blockValue, Span here, const Head &head);
  SmallVector<Value> scores(Value blockValue, Value row);
  /// What the centred code 0 of an `asym` group stands for: zero + scale * half the range.
  Value middleOf(CodecAttr codec, Value zeroTile, Value scaleTile) {
    Value half = b.spreadLike(b.f32(double(int64_t(1) << (codec.bits() - 1))), scaleTile);
    return b.addf(zeroTile, b.mulf(scaleTile, half));
  }
  struct Operands {
    Value scale, start; ///< one for each row
  };
  Operands packProbabilities(ArrayRef<Value> p);
  void accumulate(Value blockValue, Value row, Value count, Value correction, ArrayRef<Value> p, ArrayRef<Value> masks);
  void writeResults(const Head &head);

  /// Query, of the sequence's step, of a row of the item; rows past the end repeat the last.
  Value queryOfRow(Value row) { return b.add(queryBegin, b.div(b.min(row, b.sub(numRows, b.i64(1))), spec.group())); }
  Value headOfRow(const Head &head, Value row) {
    return b.add(b.mul(head.number, spec.group()), b.rem(b.min(row, b.sub(numRows, b.i64(1))), spec.group()));
  }
  Value zero() { return b.i64(0); }
  RankedTensorType scoreTile() { return b.tileF32({rows, slice}); }
};

void Attend::readArguments() {
  seq = b.itemI64(offsetof(kv_item, seq));
  firstHead = b.itemI64(offsetof(kv_item, head));
  numHeads = b.itemI64(offsetof(kv_item, num_heads));
  queryBegin = b.itemI64(offsetof(kv_item, query_begin));
  queryEnd = b.itemI64(offsetof(kv_item, query_end));
  tokenBegin = b.itemI64(offsetof(kv_item, token_begin));
  tokenEnd = b.itemI64(offsetof(kv_item, token_end));
  length = b.entry(b.stepPtr(offsetof(kv_step, seq_lens)), seq);
  Value starts = b.stepPtr(offsetof(kv_step, query_start_loc));
  queries = b.sub(b.entry(starts, b.add(seq, 1)), b.entry(starts, seq));
  numRows = b.mul(b.sub(queryEnd, queryBegin), spec.group());
  rowTiles = b.div(b.add(numRows, rows - 1), rows);
  table = b.sequenceTable(cache, seq);

  if (roundsQueries()) {
    homeQ = b.scratch("q", maxRows, rowWords(schedule.getKeyDot(), cache.getKeyDim()), b.getI32Type());
    homeQScale = b.scratch("qscale", maxRows, 1, b.getF32Type());
    homeQFloats = b.scratch("qfloats", 1, cache.getKeyDim(), b.getF32Type());
  } else {
    homeQ = b.scratch("q", maxRows, cache.getKeyDim(), b.getF32Type());
  }
  if (cache.getKey().isAsym() || keyShift())
    homeQSum = b.scratch("qsum", keyRuns() * maxRows, 1, b.getF32Type());
  homeMax = b.scratch("max", maxRows, 1, b.getF32Type());
  homeSum = b.scratch("sum", maxRows, 1, b.getF32Type());
  homeAcc = b.scratch("acc", maxRows, cache.getValueDim(), b.getF32Type());
  homeP = roundsProbabilities() ? b.scratch("p", rows, rowWords(schedule.getValueDot(), block), b.getI32Type())
                                : b.scratch("p", rows, block, b.getF32Type());
}

/// Queries as row operands, scaled; maximum, sum and accumulator of nothing.
void Attend::prepareRows(const Head &head) {
  Value q = b.stepPtr(offsetof(kv_step, q)), starts = b.stepPtr(offsetof(kv_step, query_start_loc));
  Value firstQuery = b.entry(starts, seq);
  Value tokenStride = b.stepI64(offsetof(kv_step, q_token_stride)), headStride = b.stepI64(offsetof(kv_step, q_head_stride));
  int64_t chunk = b.rowChunk(cache.getKeyDim()), valueChunk = b.rowChunk(cache.getValueDim());
  b.loop(zero(), b.mul(rowTiles, rows), 1, [&](Value ofHead) {
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
    if (roundsQueries())
      roundRow(row);
    if (homeQSum)
      sumRow(row, roundsQueries() ? homeQFloats : homeQ);
    if (stages() && canCarry())
      return;
    b.put(b.spread(b.f32(-std::numeric_limits<double>::infinity()), 0, b.tileF32({1})), homeMax, row, zero());
    b.put(b.spread(b.f32(0), 0, b.tileF32({1})), homeSum, row, zero());
    b.loop(zero(), b.i64(cache.getValueDim()), valueChunk,
           [&](Value channel) { b.put(b.spread(b.f32(0), 0, b.tileF32({1, valueChunk})), homeAcc, row, channel); });
  });
}

/// Rounds a row of queries to what the key record multiplies, with one scale for the row; a row that is not finite has scale NaN.
void Attend::roundRow(Value row) {
  int64_t dim = cache.getKeyDim(), chunk = b.rowChunk(dim);
  double levels = double(rowLevels(schedule.getKeyDot(), cache.getKey().getGroup()));
  RankedTensorType tile = b.tileF32({1, chunk});
  SmallVector<Value> init = {b.spread(b.f32(0), 0, tile), b.spread(b.f32(0), 0, tile)};
  SmallVector<Value> found = b.loop(zero(), b.i64(dim), chunk, init, [&](Value channel, ValueRange carried) -> SmallVector<Value> {
    Value x = b.fetch(homeQFloats, zero(), channel, {1, chunk});
    Value nothing = b.mulf(x, b.spread(b.f32(0), 0, tile)); // NaN where x is not finite
    return {b.maxf(math::AbsFOp::create(b, b.loc, x), carried[0]), b.addf(carried[1], nothing)};
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
  // Never 0, which a masked score would make NaN of.
  Value scale = b.addf(b.maxf(b.mulf(unit, b.f32(rowFactor())), b.f32(1e-30)), check);
  b.put(b.spread(scale, 0, b.tileF32({1})), homeQScale, row, zero());
  Value inverse = b.spread(perUnit, 0, tile);
  b.loop(zero(), b.i64(dim), chunk, [&](Value channel) {
    Value rounded = b.mulf(b.fetch(homeQFloats, zero(), channel, {1, chunk}), inverse);
    if (isIntegerDot(schedule.getKeyDot()))
      rounded = b.round(rounded);
    b.put(rounded, homeQFloats, zero(), channel);
    PackOp::create(b, b.loc, rounded, homeQ, row, channel, Stream::key, schedule.getKeyDot(), cache);
  });
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
    Value sum = b.loop(first, b.add(first, width), chunk, {init}, [&](Value channel, ValueRange carried) -> SmallVector<Value> {
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

/// Blocks never cross a page unless they hold whole pages.
void Attend::loopOverBlocks() {
  int64_t page = cache.getLayout().getSlots();
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
    first = b.mul(b.div(tokenBegin, page), blocksPerPage);
    last = b.mul(b.div(b.add(b.max(end, tokenBegin), page - 1), page), blocksPerPage);
    blockAt = [&, blocksPerPage](Value at) {
      Value slot = b.mul(b.rem(at, blocksPerPage), block);
      Value token = b.add(b.mul(b.div(at, blocksPerPage), page), slot);
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
        if (!schedule.getPrefetch())
          return attendBlock(acquire(head, here, {}), here, head);
        Place next = placeAhead(at, index);
        Span ahead = blockAt(next.block);
        Value inside = some(ahead);
        auto choose = [&](Value there, Value otherwise) -> Value {
          return arith::SelectOp::create(b, b.loc, inside, there, otherwise);
        };
        Value token = choose(ahead.token, here.token), count = choose(ahead.count, here.count);
        Value headAhead = choose(b.add(firstHead, next.index), head.number);
        attendBlock(acquire(head, here, {headAhead, token, count}), here, head);
      });
    });
  });
}

/// A team of threads copies blocks into a ring in scratch, so many before it reads them; an item has one head.
void Attend::attendStaged(Value first, Value last, function_ref<Span(Value)> blockAt) {
  int64_t ahead = schedule.getPrefetch(), slots = ahead + 1;
  CacheType staged = stagedCache(cache, block);
  Value ring = b.scratch("ring", slots, mapPage(staged).bytes, b.getI8Type());
  Head head = headAt(zero());
  auto slotOf = [&](Value at) { return b.rem(b.sub(at, first), slots); };
  auto stage = [&](Value at) {
    Span span = blockAt(at);
    b.ifThen(some(span), [&] { StageOp::create(b, b.loc, acquire(head, span, {}), ring, slotOf(at)); });
    CommitOp::create(b, b.loc);
  };
  b.loop(first, b.add(first, ahead), 1, stage);
  auto attend = [&](Value at) {
    stage(b.add(at, ahead));
    auto type = BlockType::get(b.getContext(), staged, block);
    attendBlock(StagedOp::create(b, b.loc, type, ring, slotOf(at), ahead), blockAt(at), head);
  };
  if (!canCarry())
    return b.loop(first, last, 1, attend);
  RankedTensorType perRow = b.tileF32({rows}), slice = b.tileF32({rows, schedule.getValueSlice()});
  SmallVector<Value> init = {b.spread(b.f32(-std::numeric_limits<double>::infinity()), 0, perRow), b.spread(b.f32(0), 0, perRow)};
  init.append(cache.getValueDim() / schedule.getValueSlice(), b.spread(b.f32(0), 0, slice));
  SmallVector<Value> result = b.loop(first, last, 1, init, [&](Value at, ValueRange values) {
    carried = {values[0], values[1], SmallVector<Value>(values.drop_front(2))};
    attend(at);
    SmallVector<Value> next = {carried->max, carried->sum};
    llvm::append_range(next, carried->acc);
    return next;
  });
  carried.reset();
  b.put(result[0], homeMax, zero(), zero());
  b.put(result[1], homeSum, zero(), zero());
  for (auto [i, tile] : llvm::enumerate(ArrayRef(result).drop_front(2)))
    b.put(tile, homeAcc, zero(), b.i64(int64_t(i) * schedule.getValueSlice()));
}

Value Attend::acquire(const Head &head, Span here, ValueRange ahead) {
  Value pages = b.stepPtr(offsetof(kv_step, pages)), stride = b.stepI64(offsetof(kv_step, page_stride));
  return AcquireOp::create(b, b.loc, BlockType::get(b.getContext(), cache, block), pages, stride, table, head.number, here.token,
                           here.count, ahead);
}

/// `here` holds at least one token.
void Attend::attendBlock(Value blockValue, Span here, const Head &head) {
  Value firstToken = here.token, count = here.count;
  int64_t slices = block / slice;
  auto attendRows = [&](Value rowTile) {
    Value firstOfHead = b.mul(rowTile, rows), row = b.add(head.firstRow, firstOfHead);
    SmallVector<Value> positions, heads, limits;
    for (int64_t r = 0; r < rows; ++r) {
      Value thisRow = b.add(firstOfHead, r);
      Value position = b.add(b.sub(length, queries), queryOfRow(thisRow));
      positions.push_back(b.toI32(position));
      if (!spec.score->empty())
        heads.push_back(b.toI32(headOfRow(head, thisRow)));
      Value limit = spec.causal ? b.min(count, b.sub(b.add(position, 1), firstToken)) : count;
      // Rows of one query see the same tokens.
      limits.push_back(r && spec.group() % rows == 0 ? limits.front() : b.toI32(limit));
    }
    RankedTensorType rowI32 = b.tile({rows}, b.getI32Type());
    Value limit = RowsOp::create(b, b.loc, rowI32, limits);

    SmallVector<Value> s = scores(blockValue, row), masks;
    RankedTensorType perRow = b.tileF32({rows});
    Value rowScale = roundsQueries() ? b.fetch(homeQScale, row, zero(), {rows}) : b.spread(b.f32(rowFactor()), 0, perRow);
    Value spreadScale = b.spread(rowScale, 0, scoreTile());
    if (!spec.score->empty()) { // else scores are products as they are, and softmax multiplies
      for (Value &tile : s)
        tile = b.mulf(tile, spreadScale);
      rowScale = Value();
    }
    // Of as many ops on tiles in softmax, each asks for a share of the lines of the block ahead.
    int64_t asked = 0, askers = slices * (pacesPacking() ? 2 : 1);
    pace = [&, blockValue] { PaceOp::create(b, b.loc, blockValue, asked++, askers); };
    if (carried || !schedule.getPrefetch())
      pace = [] {};
    for (int64_t i = 0; i < slices; ++i) {
      if (!spec.score->empty()) {
        Value position = RowsOp::create(b, b.loc, rowI32, positions), headTile = RowsOp::create(b, b.loc, rowI32, heads);
        Value tokens = IndexOp::create(b, b.loc, b.tile({slice}, b.getI32Type()), b.toI32(b.add(firstToken, i * slice)));
        s[i] = inlineScore(b, spec, s[i], position, headTile, tokens, [&](unsigned param) {
          Value array = b.stepPtr(offsetof(kv_step, params) + param * sizeof(void *));
          SmallVector<Value> values;
          for (int64_t r = 0; r < rows; ++r)
            values.push_back(b.load(b.getF32Type(), b.at(array, b.mul(headOfRow(head, b.add(firstOfHead, r)), 4))));
          return RowsOp::create(b, b.loc, b.tileF32({rows}), values).getResult();
        });
        s[i] = b.mulf(s[i], b.spreadLike(b.f32(log2e), s[i]));
      }
      RankedTensorType integers = b.tile({rows, slice}, b.getI32Type());
      Value index = IndexOp::create(b, b.loc, b.tile({slice}, b.getI32Type()), b.i32(i * slice));
      masks.push_back(
          arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::slt, b.spread(index, 1, integers), b.spread(limit, 0, integers)));
      Value nothing = b.spreadLike(b.f32(-std::numeric_limits<double>::infinity()), s[i]);
      s[i] = arith::SelectOp::create(b, b.loc, masks[i], s[i], nothing);
    }

    Value greatest = s[0];
    for (int64_t i = 1; i < slices; ++i)
      greatest = b.maxf(s[i], greatest);
    Value oldMax = carried ? carried->max : b.fetch(homeMax, row, zero(), {rows});
    Value oldSum = carried ? carried->sum : b.fetch(homeSum, row, zero(), {rows});
    Value blockMax = ReduceOp::create(b, b.loc, b.tileF32({rows}), Reduction::max, greatest);
    Value newMax = b.maxf(rowScale ? b.mulf(blockMax, rowScale) : blockMax, oldMax);
    // A finite reference, so that a row without keys gives exp2(-inf), not exp2(NaN).
    Value reference = b.maxf(newMax, b.spread(b.f32(-1e38), 0, b.tileF32({rows})));
    Value correction = b.exp2(b.subf(oldMax, reference));
    Value spreadReference = b.spread(reference, 0, scoreTile());
    SmallVector<Value> p;
    Value total;
    for (Value tile : s) {
      Value exponent = rowScale ? b.fma(tile, spreadScale, b.negate(spreadReference)) : b.subf(tile, spreadReference);
      pace();
      p.push_back(b.exp2(exponent, exponentBits()));
      total = total ? b.addf(total, p.back()) : p.back();
    }
    Value added = ReduceOp::create(b, b.loc, b.tileF32({rows}), Reduction::add, total);
    Value newSum = b.addf(b.mulf(oldSum, correction), added);
    if (carried) {
      carried->max = newMax;
      carried->sum = newSum;
    } else {
      b.put(newSum, homeSum, row, zero());
      b.put(newMax, homeMax, row, zero());
    }
    accumulate(blockValue, row, count, correction, p, masks);
  };
  carried ? attendRows(zero()) : b.loop(zero(), rowTiles, 1, attendRows);
}

/// q . k of a row tile and a block, decoded but for the rows' scales: one tile for each slice of tokens.
SmallVector<Value> Attend::scores(Value blockValue, Value row) {
  CodecAttr codec = cache.getKey();
  RankedTensorType integers = b.tile({rows, slice}, b.getI32Type());
  auto rowSum = [&](Value run) { return b.fetch(homeQSum, sumOfRow(row, run), zero(), {rows}); };
  auto product = [&](Value x, Value zBegin, Value zEnd, Value run) -> Value {
    Value init = b.spread(b.f32(0), 0, scoreTile());
    if (isIntegerDot(schedule.getKeyDot())) {
      init = b.spread(b.i32(0), 0, integers);
      if (keyShift()) { // the sum starts at what the shift of the codes adds
        Value start = b.mulf(rowSum(run), b.spread(b.f32(-double(keyShift())), 0, b.tileF32({rows})));
        init = b.spread(arith::FPToSIOp::create(b, b.loc, b.tile({rows}, b.getI32Type()), start), 0, integers);
      }
    }
    Value sum = ProductOp::create(b, b.loc, cast<RankedTensorType>(init.getType()), homeQ, row, blockValue, Stream::key,
                                  schedule.getKeyDot(), x, zBegin, zEnd, schedule.getUnroll(), init);
    return isIntegerDot(schedule.getKeyDot()) ? arith::SIToFPOp::create(b, b.loc, scoreTile(), sum).getResult() : sum;
  };
  auto read = [&](CodecParameter parameter, Value x, Value group) {
    Value tile = ReadOp::create(b, b.loc, b.tileF32({slice}), blockValue, Stream::key, parameter, x, group);
    return b.spread(tile, 1, scoreTile());
  };
  // sum over a run of q * (middle + centred code * scale)
  auto decoded = [&](Value x, Value run) {
    Value begin = b.mul(run, keyRun()), group = b.div(run, codec.getGroup() / keyRun());
    Value s = b.mulf(product(x, begin, b.add(begin, keyRun()), run), read(CodecParameter::scale, x, group));
    if (!codec.isAsym())
      return s;
    Value middle = middleOf(codec, read(CodecParameter::zero, x, group), read(CodecParameter::scale, x, group));
    return b.addf(s, b.mulf(middle, b.spread(rowSum(run), 0, scoreTile())));
  };
  SmallVector<Value> result;
  for (int64_t i = 0; i < block / slice; ++i) {
    Value x = b.i64(i * slice);
    if (!codec.isInteger())
      result.push_back(product(x, zero(), b.i64(cache.getKeyDim()), zero()));
    else if (keyRuns() == 1)
      result.push_back(decoded(x, zero()));
    else
      result.push_back(
          b.loop(zero(), b.i64(keyRuns()), 1, {b.spread(b.f32(0), 0, scoreTile())},
                 [&](Value run, ValueRange sum) -> SmallVector<Value> { return {b.addf(sum[0], decoded(x, run))}; })[0]);
  }
  return result;
}

/// Writes probabilities as row operands of the value record. Rounded ones are relative to the row's greatest: result.scale is what
/// one unit of the product is worth, result.start where its sum starts (what the shift of the codes adds).
Attend::Operands Attend::packProbabilities(ArrayRef<Value> p) {
  if (!roundsProbabilities()) {
    for (auto [i, tile] : llvm::enumerate(p))
      b.put(tile, homeP, zero(), b.i64(i * slice));
    return {};
  }
  Dot dot = schedule.getValueDot();
  IntegerForm form = integerForm(cache.getValue(), dot);
  double levels = double(rowLevels(dot, block));
  RankedTensorType perRow = b.tileF32({rows});
  auto splat = [&](double value) { return b.spread(b.f32(value), 0, perRow); };
  // Numbers that are not negative are ordered as their bits are, and NaN is the greatest of them.
  Value bits = b.bitsOf(p[0]);
  for (Value tile : p.drop_front())
    bits = arith::MaxUIOp::create(b, b.loc, b.bitsOf(tile), bits);
  bits = ReduceOp::create(b, b.loc, b.tile({rows}, b.getI32Type()), Reduction::umax, bits);
  Value greatest = arith::BitcastOp::create(b, b.loc, perRow, bits);
  Operands result;
  result.scale = b.addf(b.mulf(greatest, splat(1 / levels / double(form.factor))), b.mulf(greatest, splat(0))); // NaN of infinity
  Value inverse = b.spread(b.levelsPerUnit(greatest, levels), 0, scoreTile()), sum;
  for (auto [i, tile] : llvm::enumerate(p)) {
    if (pacesPacking())
      pace();
    // Rounding may take the product as it is, if nothing else is to round it alike.
    auto fuse = form.shift ? arith::FastMathFlags::none : arith::FastMathFlags::contract;
    Value scaled = arith::MulFOp::create(b, b.loc, tile, inverse, fuse);
    PackOp::create(b, b.loc, scaled, homeP, zero(), b.i64(i * slice), Stream::value, dot, cache);
    if (form.shift)
      sum = sum ? b.addf(sum, b.round(scaled)) : b.round(scaled);
  }
  if (form.shift) {
    Value start = b.mulf(ReduceOp::create(b, b.loc, perRow, Reduction::add, sum), splat(-double(form.shift * form.factor)));
    result.start = arith::FPToSIOp::create(b, b.loc, b.tile({rows}, b.getI32Type()), start);
  }
  return result;
}

/// acc = acc * correction + p . v, group of channels by group.
void Attend::accumulate(Value blockValue, Value row, Value count, Value correction, ArrayRef<Value> p, ArrayRef<Value> masks) {
  CodecAttr codec = cache.getValue();
  int64_t columns = schedule.getValueSlice(), width = codec.isInteger() ? codec.getGroup() : cache.getValueDim();
  RankedTensorType tile = b.tileF32({rows, columns}), integers = b.tile({rows, columns}, b.getI32Type());
  int64_t slices = width / columns; // of a group
  auto body = [&](Value group, int64_t number) {
    Value bias;
    SmallVector<Value> weighted(p);
    for (auto [i, weights] : llvm::enumerate(p)) {
      if (!codec.isInteger())
        continue;
      auto read = [&, i = i](CodecParameter parameter) -> Value {
        Value tile = ReadOp::create(b, b.loc, b.tileF32({slice}), blockValue, Stream::value, parameter, b.i64(i * slice), group);
        return b.spread(tile, 1, scoreTile());
      };
      auto weigh = [&, i = i, weights = weights](Value by) -> Value {
        Value product = b.mulf(weights, by);
        // What lies past the end may be anything: 0 * NaN is NaN.
        return arith::SelectOp::create(b, b.loc, masks[i], product, b.spreadLike(b.f32(0), product));
      };
      Value scale = read(CodecParameter::scale);
      weighted[i] = weigh(scale);
      if (codec.isAsym()) {
        Value middle = weigh(middleOf(codec, read(CodecParameter::zero), scale));
        bias = bias ? b.addf(bias, middle) : middle;
      }
    }
    if (bias)
      bias = ReduceOp::create(b, b.loc, b.tileF32({rows}), Reduction::add, bias);
    Operands operands = packProbabilities(weighted);
    Value first = b.mul(group, width);
    auto accumulateSlice = [&](Value column, Value *acc) {
      auto corrected = [&] {
        Value before = acc ? *acc : b.fetch(homeAcc, row, column, {rows, columns});
        Value init = b.mulf(before, b.spread(correction, 0, tile));
        return bias ? b.addf(init, b.spread(bias, 0, tile)) : init;
      };
      Value start;
      if (isIntegerDot(schedule.getValueDot()))
        start = operands.start ? b.spread(operands.start, 0, integers) : b.spread(b.i32(0), 0, integers);
      else
        start = roundsProbabilities() ? b.spread(b.f32(0), 0, tile) : corrected();
      Value sum = ProductOp::create(b, b.loc, cast<RankedTensorType>(start.getType()), homeP, zero(), blockValue, Stream::value,
                                    schedule.getValueDot(), column, zero(), count, schedule.getUnroll(), start);
      if (roundsProbabilities()) { // fetched after the product, whose own sums fill the registers
        Value units = isIntegerDot(schedule.getValueDot()) ? arith::SIToFPOp::create(b, b.loc, tile, sum).getResult() : sum;
        sum = b.fma(units, b.spread(operands.scale, 0, tile), corrected());
      }
      acc ? void(*acc = sum) : b.put(sum, homeAcc, row, column);
    };
    if (!carried)
      return b.loop(first, b.add(first, width), columns, [&](Value column) { accumulateSlice(column, nullptr); });
    for (int64_t i = 0; i < slices; ++i)
      accumulateSlice(b.add(first, i * columns), &carried->acc[number * slices + i]);
  };
  if (carried || valueGroups() == 1)
    for (int64_t group = 0; group < valueGroups(); ++group)
      body(b.i64(group), group);
  else
    b.loop(zero(), b.i64(valueGroups()), 1, [&](Value group) { body(group, 0); });
}

/// Either the finished rows, or the partial ones for merge (kv_abi.h gives their layout).
void Attend::writeResults(const Head &head) {
  Value partial = b.itemPtr(offsetof(kv_item, partial));
  Value null = LLVM::ZeroOp::create(b, b.loc, b.ptr());
  Value whole = LLVM::ICmpOp::create(b, b.loc, LLVM::ICmpPredicate::eq, partial, null);
  Value starts = b.stepPtr(offsetof(kv_step, query_start_loc)), firstQuery = b.entry(starts, seq);
  auto scalar = [&](Value home, Value row) {
    Value tile = b.fetch(home, b.add(head.firstRow, row), zero(), {1});
    return RowOp::create(b, b.loc, b.getF32Type(), tile).getResult();
  };
  b.ifElse(
      whole,
      [&] {
        b.loop(zero(), numRows, 1, [&](Value row) {
          auto accumulator = [&](Value channel, int64_t chunk) {
            return b.fetch(homeAcc, b.add(head.firstRow, row), channel, {1, chunk});
          };
          writeRow(b, spec, b.add(firstQuery, queryOfRow(row)), headOfRow(head, row),
                   {scalar(homeMax, row), scalar(homeSum, row), accumulator});
        });
      },
      [&] {
        int64_t chunk = b.rowChunk(cache.getValueDim());
        // Partial results of a head lie split after split.
        Value floats = b.mul(numRows, cache.getValueDim() + 2), splits = b.itemI64(offsetof(kv_item, num_partials));
        Value before = arith::MulIOp::create(b, b.loc, b.sub(head.number, firstHead), b.KernelBuilder::mul(splits, floats));
        Value own = b.at(partial, b.mul(before, 4));
        b.loop(zero(), numRows, 1, [&](Value row) {
          b.store(scalar(homeMax, row), b.at(own, b.mul(row, 4)));
          b.store(scalar(homeSum, row), b.at(own, b.mul(b.add(numRows, row), 4)));
          Value element = b.add(b.mul(numRows, 2), b.mul(row, cache.getValueDim()));
          b.loop(zero(), b.i64(cache.getValueDim()), chunk, [&](Value channel) {
            Value tile = b.fetch(homeAcc, b.add(head.firstRow, row), channel, {1, chunk});
            SaveOp::create(b, b.loc, tile, own, b.add(element, channel), b.getF32Type());
          });
        });
      });
}

} // namespace

void writeRow(KernelBuilder &b, const AttendSpec &spec, Value token, Value head, const RowResult &row) {
  Value zero = b.f32(0);
  Value empty = arith::CmpFOp::create(b, b.loc, arith::CmpFPredicate::OEQ, row.sum, zero);
  Value inverse = arith::SelectOp::create(b, b.loc, empty, zero, arith::DivFOp::create(b, b.loc, b.f32(1), row.sum));
  Value o = b.stepPtr(offsetof(kv_step, o));
  Value element =
      b.add(b.mul(token, b.stepI64(offsetof(kv_step, o_token_stride))), b.mul(head, b.stepI64(offsetof(kv_step, o_head_stride))));
  int64_t dim = spec.cache.getValueDim(), chunk = b.rowChunk(dim);
  b.loop(b.i64(0), b.i64(dim), chunk, [&](Value channel) {
    Value tile = row.accumulator(channel, chunk);
    SaveOp::create(b, b.loc, b.mulf(tile, b.spreadLike(inverse, tile)), o, b.add(element, channel), spec.outputType);
  });
  if (!spec.hasLse)
    return;
  Value lse = b.stepPtr(offsetof(kv_step, lse));
  Value wanted = LLVM::ICmpOp::create(b, b.loc, LLVM::ICmpPredicate::ne, lse, LLVM::ZeroOp::create(b, b.loc, b.ptr()));
  b.ifThen(wanted, [&] {
    Value log = b.addf(row.maximum, math::Log2Op::create(b, b.loc, row.sum));
    Value value =
        arith::SelectOp::create(b, b.loc, empty, b.f32(-std::numeric_limits<double>::infinity()), b.mulf(log, b.f32(ln2)));
    b.store(value, b.at(lse, b.mul(b.add(b.mul(token, spec.heads), head), 4)));
  });
}

void buildAttendKernel(ModuleOp module, func::FuncOp func, const AttendSpec &spec) {
  Attend attend(module, func, spec);
  attend.readArguments();
  attend.eachHead([&](const Attend::Head &head) { attend.prepareRows(head); });
  attend.loopOverBlocks();
  attend.eachHead([&](const Attend::Head &head) { attend.writeResults(head); });
}

} // namespace kv
