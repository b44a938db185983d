// What the parts of an attend kernel share: AttendKernel.cpp has arguments, loops over blocks and results, AttendBlock.cpp what is
// done with the rows of an item and a block.
#ifndef KV_ATTEND_IMPL_H
#define KV_ATTEND_IMPL_H

#include "compiler/kernels/AttendKernel.h"
#include "compiler/schedule/Pacing.h"

namespace kv {

/// How the rows of an item are cut: into one row tile, or into several, for which blocks are decoded once where that pays.
struct RowTile {
  int64_t rows, keySlice, valueSlice;
  int64_t softmaxRows; ///< rows of softmax at a time
  bool several;
};

struct Attend {
  using Value = mlir::Value;
  template <typename T> using SmallVector = llvm::SmallVector<T>;

  KernelBuilder b;
  const AttendSpec &spec;
  const CacheType cache;
  const ScheduleAttr schedule;
  const int64_t block;
  /// Whether one softmax serves both kinds of row tile; scores and what products need of it then go through scratch in both.
  const bool sharesSoftmax;
  const RowTile one, many; ///< many.rows is 0 where no item has more rows than one row tile
  RowTile tile;            ///< the one in use
  const int64_t maxRows;   ///< rows of the largest item, whole row tiles for each head

  Value seq, firstHead, numHeads, queryBegin, queryEnd, tokenBegin, tokenEnd;
  Value length, queries, numRows, paddedRows; ///< of the sequence; of its step; of a head of the item, and in whole row tiles
  Value table;                                ///< the sequence's row of the block table
  Value homeQ, homeMax, homeSum, homeAcc, homeP;
  Value homeQSum;                ///< run by run of channels, sums of a row's operands, where codes are shifted or have zeros
  Value homeQScale, homeQFloats; ///< records that round rows: the row's scale, and the row before it is rounded
  Value homeQRest, homeRefined;  ///< integer records: what rounding leaves of rows with outliers; whether a row tile has such
  Value homeCodes[2];            ///< of a stream that is decoded once for several row tiles: slice by slice, a row for each z
  /// Of a row tile whose softmax is done a few rows at a time: scores, then probabilities; tokens that a row sees; numbers of a row
  /// that products need.
  Value homeS, homeLimit, homeCorrection, homeScale, homeStart, homeBias;
  Value homeNewMax, homeNewSum;               ///< of a row tile that went through a block in a function of its own
  Value homePositions, homeHeads, homeArrays; ///< what such a function's score expression knows of the rows

  Attend(mlir::ModuleOp module, mlir::func::FuncOp func, const AttendSpec &spec);

  /// Words of a row's operands.
  static int64_t rowWords(Dot dot, int64_t length) { return length / dotDepth(dot) * rowParts(dot); }
  /// What a row tile has so far. Where the item has but one and a thread's share of it fits its registers, it goes around the loop
  /// over blocks as values; else it stays in the homes.
  struct Carried {
    Value max, sum;
    SmallVector<Value> acc; ///< slice by slice
  };
  std::optional<Carried> carried;
  std::function<void()> askNext; ///< before an op on tiles in softmax
  bool asksInPacking() const { return roundsProbabilities() && valueGroups() == 1; }
  /// Whether blocks are copied before they are read.
  bool stages() const { return schedule.getThreads() && schedule.getPrefetch(); }
  bool canCarry() const {
    int64_t numbers = one.rows * (cache.getValueDim() + 2 * block); // with the scores and probabilities of a block
    return schedule.getThreads() && maxRows == one.rows && numbers <= 80 * schedule.getThreads();
  }

  /// Of probabilities: the class's bound leaves room for a power of two that is a little off.
  int64_t exponentBits() const { return spec.accuracy == Accuracy::exact ? 23 : spec.accuracy == Accuracy::high ? 18 : 13; }
  bool roundsQueries() const { return roundsRows(schedule.getKeyDot()); }
  bool roundsProbabilities() const { return roundsRows(schedule.getValueDot()); }
  /// Of the contraction, in an iteration of a product's loop over one row tile or several.
  int64_t elementsOfIteration(Stream stream) const;
  static constexpr int64_t multiplyUnroll = 4; ///< elements of an iteration over codes that are decoded
  int64_t keyShift() const;
  int64_t keyRun() const;
  int64_t keyRuns() const { return cache.getKeyDim() / keyRun(); }
  int64_t valueGroups() const { return cache.getValue().isInteger() ? cache.getValueDim() / cache.getValue().getGroup() : 1; }
  /// Codes are decoded once for several row tiles where rows are multiplied as f32: decoding costs about as much as a row's
  /// products.
  bool decodesOnce(Stream stream) const {
    return tile.several && (stream == Stream::key ? schedule.getKeyDot() : schedule.getValueDot()) == Dot::f32;
  }
  std::optional<Pace> pace; ///< of the row tile in use; none where nothing is asked for
  Value tilesShare;         ///< one by the number of row tiles, where there may be several, 24 bits after the point
  /// What work on a row tile asks for of the block ahead, where that is whole tiles: from a byte on, in steps of iterations.
  struct Ask {
    SmallVector<Value> bytes; ///< from, step; or nothing
    int64_t lines = 0;        ///< in an iteration
  };
  /// Whether rows of a tile may be of queries that see different tokens.
  bool mixesQueries() const { return spec.causal && schedule.getQueryBlock() > 1 && spec.group() % tile.rows; }
  bool hasParts() const { return sharesSoftmax || tile.softmaxRows < tile.rows; }

  /// A kv head of the item.
  struct Head {
    Value number, firstRow; ///< firstRow: of its rows, in the homes of the item
  };
  /// Head `index` of the item.
  Head headAt(Value index) { return {b.add(firstHead, index), b.mul(index, paddedRows)}; }
  void eachHead(llvm::function_ref<void(const Head &)> body) {
    b.loop(zero(), numHeads, 1, [&](Value index) { body(headAt(index)); });
  }

  // AttendKernel.cpp
  void readArguments();
  void prepareRows(const Head &head);
  /// What q . k is multiplied by, a positive number. Without a score of its own, in units of log2.
  double rowFactor() const { return spec.score->empty() ? spec.scale * log2e : spec.scale; }
  Value roundRow(Value row);
  double outlierRatio() const;
  Value noteOutlier(const Head &head, Value ofHead, Value before, Value isOutlier);
  Value powerBelow(Value x);
  void sumRow(Value row, Value home);
  Value sumOfRow(Value row, Value run) { return b.add(b.mul(run, maxRows), row); }
  /// Whether the rows of the item are one row tile.
  Value fitsOne() { return mlir::arith::CmpIOp::create(b, b.loc, mlir::arith::CmpIPredicate::sle, numRows, b.i64(one.rows)); }
  int64_t fewestTiles() const;
  void use(const RowTile &chosen);
  void withTiles(llvm::function_ref<void()> body);
  /// Inside the loop over blocks: what differs between kinds of row tile.
  void inTiles(llvm::function_ref<void()> body) { sharesSoftmax ? withTiles(body) : body(); }
  void loopOverBlocks();
  struct Span {
    Value token, count; ///< consecutive tokens of the sequence, inside one block
  };
  /// Where the work `prefetch` steps after head `index` of block number `at` is: a block and a head of the item.
  struct Place {
    Value block, index;
  };
  Place placeAhead(Value at, Value index);
  void attendAhead(Value first, Value last, llvm::function_ref<Span(Value)> blockAt);
  void attendStaged(Value first, Value last, llvm::function_ref<Span(Value)> blockAt);
  Value some(Span span) { return mlir::arith::CmpIOp::create(b, b.loc, mlir::arith::CmpIPredicate::sgt, span.count, zero()); }
  Value acquire(const Head &head, Span here, mlir::ValueRange ahead);
  void writeResults(const Head &head);

  // AttendFunction.cpp
  mlir::FlatSymbolRefAttr functionOfTile();
  SmallVector<Value> roundings() const;
  bool asksByTiles() const { return schedule.getPrefetch() && wholeTiles(cache, block, schedule.getLanes()); }
  void attendByFunction(Value blockValue, Span here, const Head &head);

  // AttendBlock.cpp
  void attendBlock(Value blockValue, Span here, const Head &head);
  void decodeBlock(Value blockValue, Value count);
  /// A row tile and a block.
  struct Rows {
    Value block;
    Span here;
    Head head;
    Value ofHead; ///< the first row, among those of its head; head.firstRow + ofHead in the homes of the item
  };
  void putKnown(const Rows &at); // AttendFunction.cpp
  /// Of steps from a byte on, as one row tile alone would ask.
  Ask ask(const Rows &at, Value byte, int64_t step);
  Ask askInSoftmax(const Rows &at, Value rowOfTile, int64_t asker, int64_t askers);
  void setAskers(const Rows &at, Value rowOfTile, int64_t askers);
  Value rowOf(const Rows &at) { return b.add(at.head.firstRow, at.ofHead); }
  void attendRows(const Rows &at);
  Value hasOutliers(const Rows &at);
  /// How many tokens of the block a query sees, i32.
  Value limitOf(const Rows &at, Value query);
  /// What the rows of a tile see of a block: the first `end` tokens; row r, where rows differ and values may be NaN, limits[r].
  struct Seen {
    Value end;
    SmallVector<Value> limits;
  };
  Seen seenBy(const Rows &at);
  Value product(const Rows &at, StreamRef ref, Value x, Value zBegin, const Seen &seen, Value init);
  Value scores(const Rows &at, Value x);
  /// What softmax makes of scores: probabilities, slice by slice, how many tokens each row sees, and what its accumulator is worth
  /// now.
  struct Weights {
    SmallVector<Value> p;
    Value limit, correction;
  };
  Weights softmax(const Rows &at, Value rowOfTile, SmallVector<Value> s);
  SmallVector<Value> masksBelow(Value limit);
  /// Of the rows whose probabilities are operands: what one unit of the product is worth, where its sum starts (what the shift of
  /// the codes adds), what middles of asymmetric codes add; one for each row, or nothing.
  struct Operands {
    Value scale, start, bias;
  };
  Operands weigh(const Rows &at, Value group, const Weights &weights, Value rowOfTile);
  /// Weights that are rounded to integers are lifted by this, so that those of scales near the least numbers of f32 have inverses
  /// too.
  double weightLift() const {
    bool wide = cache.getValue().isInteger() && cache.getValue().getScale() == Element::f32;
    return wide && isIntegerDot(schedule.getValueDot()) ? 0x1p24 : 1;
  }
  Operands packProbabilities(llvm::ArrayRef<Value> p, Value rowOfTile);
  void eachGroup(llvm::function_ref<void(Value group, int64_t number)> body);
  void accumulate(const Rows &at, const Seen &seen, Value group, int64_t number, Value correction, const Operands &operands);
  /// What the centred code 0 of an `asym` group stands for: zero + scale * half the range.
  Value middleOf(CodecAttr codec, Value zeroTile, Value scaleTile) {
    Value half = b.spreadLike(b.f32(double(int64_t(1) << (codec.bits() - 1))), scaleTile);
    return b.addf(zeroTile, b.mulf(scaleTile, half));
  }

  /// Query, of the sequence's step, of a row of the item; rows past the end repeat the last.
  Value queryOfRow(Value row) { return b.add(queryBegin, b.div(b.min(row, b.sub(numRows, b.i64(1))), spec.group())); }
  /// Of a query, in the sequence.
  Value positionOf(Value query) { return b.add(b.sub(length, queries), query); }
  Value headOfRow(const Head &head, Value row) {
    return b.add(b.mul(head.number, spec.group()), b.rem(b.min(row, b.sub(numRows, b.i64(1))), spec.group()));
  }
  Value zero() { return b.i64(0); }
  /// Scores of a slice: of all rows of the tile, or of those that softmax works on.
  mlir::RankedTensorType scoreTile(int64_t rows) { return b.tileF32({rows, tile.keySlice}); }
};

} // namespace kv

#endif
