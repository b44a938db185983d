// A block of tokens and the rows of an item: what kv.attend_block becomes. DecomposeAttendBlock.cpp says how it is computed.
#ifndef KV_BLOCK_ATTEND_H
#define KV_BLOCK_ATTEND_H

#include "compiler/codecs/CodecFamily.h"
#include "compiler/kernels/AttendKernel.h"
#include "compiler/schedule/RowTiles.h"
#include "compiler/schedule/StreamAccess.h"

namespace kv {

/// What both lowerings of an attend_block need: its rows, where they are in the sequence, what they see.
struct BlockRows {
  using Value = mlir::Value;

  KernelBuilder b;
  AttendBlockOp op;
  const ScheduleAttr schedule;
  const CacheType cache;
  const int64_t block;

  BlockRows(mlir::func::FuncOp func, AttendBlockOp op);

  /// Whether rows of the item, or of a tile, may belong to queries that see different tokens.
  bool differ() { return op.getSees().differs() && schedule.getItem().getQueries() > 1; }
  bool differ(const RowTile &tile) { return differ() && group() % tile.rows; }
  bool hasScore() { return !op.getScore().empty(); }
  int64_t group() { return int64_t(op.getGroup()); }
  bool roundsQueries() const { return roundsRows(schedule.getScores().getDot()); }
  double factor() { return rowFactor(op.getScale().convertToDouble(), hasScore()); }

  /// Where row `ofHead` of the head stands in the homes of the item.
  Value rowOf(Value ofHead) { return b.add(op.getFirst(), ofHead); }
  Value queryOfRow(Value row) { return itemRows().queryOf(row); }
  Value headOfRow(Value row) { return itemRows().headOf(row); }
  /// Where a query stands in the sequence.
  Value positionOf(Value query) { return b.add(op.getPast(), query); }
  /// Where what a query sees of the block ends, and where it begins if not with the block; i32.
  Value limitOf(Value query);
  Value startOf(Value query);
  /// Whether a query may see less than the block's first tokens.
  bool hasStart() { return op.getSees().hasLow(); }
  /// What the rows of a tile see of a block: tokens before `end`; row r, where rows differ and values may be NaN, before limits[r],
  /// and where they may begin later, from starts[r] on.
  struct Seen {
    Value end;
    llvm::SmallVector<Value> limits, starts;
  };
  Seen seenBy(const RowTile &tile, Value ofHead);
  /// Whether a row of the tile from `ofHead` on has outliers; null where the key record does not ask.
  Value hasOutliers(Value ofHead);

private:
  /// The tokens of the block that a query sees: from here, and to here where the block may hold more.
  Value startOfPosition(Value position);
  Value endOfPosition(Value position);
  /// A bound of run `run` of the mask, whichever it is.
  Value ofRun(llvm::function_ref<std::optional<Value>(int64_t run)> bound, int64_t otherwise);
  ItemRows itemRows() { return {b, op.getHead(), op.getQuery(), op.getRows(), group()}; }
};

/// Scratch of a function for what its attend_blocks have of a row tile and a block; one after another they use the same.
struct BlockHomes {
  mlir::Value probabilities;
  /// They hold what a row tile needs whose softmax works on a few rows at a time: scores, then probabilities; how many tokens a row
  /// sees; numbers of a row that products need.
  mlir::Value scores, limit, low, correction, scale, start, bias;
};

/// Scores, softmax and sums of one kv.attend_block. DecomposeAttendBlock.cpp has the rows and products, BlockSoftmax.cpp the rest.
struct BlockAttend : BlockRows {
  template <typename T> using SmallVector = llvm::SmallVector<T>;

  const BlockHomes &homes;
  /// Whether one softmax serves both kinds of row tile; scores and what products need of it then go through scratch in both.
  const bool sharesSoftmax;
  const RowTile one, many; ///< many.rows is 0 where no item has more rows than one row tile
  RowTile tile;            ///< the one in use
  Value mine;              ///< the block, as a row tile has it that shares it with others

  BlockAttend(mlir::func::FuncOp func, AttendBlockOp op, const BlockHomes &homes);
  /// Puts ops before the attend_block and returns what takes the place of its results.
  SmallVector<Value> build();

  /// What a row tile has so far, where it goes around the loop over blocks as values; else it stays in the homes of the state.
  struct Carried {
    Value max, sum;
    SmallVector<Value> acc; ///< slice by slice
  };
  std::optional<Carried> carried;

  bool roundsProbabilities() const { return roundsRows(dotOf(Contract::t)); }
  int64_t valueGroups() const { return cache.getGroups(Stream::value); }
  bool hasParts() const { return sharesSoftmax || tile.softmaxRows < tile.rows; }
  Dot dotOf(Contract contract) const { return schedule.plan(contract).getDot(); }
  /// Tokens of one accumulation of scores, or channels of one of sums, in the row tile in use.
  int64_t sliceOf(Contract contract) const { return schedule.plan(contract).sliceOf(tile.several); }
  /// Whether the rows of the item are one row tile.
  Value fitsOne() { return kv::fitsOne(b, schedule.getRows(), op.getRows()); }
  Value zero() { return b.i64(0); }
  /// What differs between kinds of row tile: with the one in use or, of a shared softmax, under a condition each.
  void inTiles(llvm::function_ref<void()> body);

  void attendBlock();
  Value countTiles();
  void shareBlock(Value ofHead, Value alone);
  void attendRows(Value ofHead);
  void eachGroup(llvm::function_ref<void(Value group, int64_t number)> body);

  // Products.
  /// Channels whose products are summed before the scale comes in.
  int64_t keyRun();
  int64_t keyRuns() { return cache.getKeyDim() / keyRun(); }
  /// Rows of the homes of queries.
  int64_t homeRows() { return mlir::cast<mlir::MemRefType>(op.getQueries().getType()).getDimSize(0); }
  Value product(Value ofHead, StreamRef ref, Value x, Value zBegin, const Seen &seen, Value init);
  Value scores(Value ofHead, Value x);
  /// Scores of a slice: of all rows of the tile, or of those that softmax works on.
  mlir::RankedTensorType scoreTile(int64_t rows) { return b.tileF32({rows, sliceOf(Contract::d)}); }
  /// What number 0 of a group with a zero stands for: zero + scale * middle.
  Value middleOf(CodecAttr codec, Value zeroTile, Value scaleTile);

  /// Work between here and the next op on tiles is long enough to ask for lines of the block ahead.
  void ask() { AskOp::create(b, b.loc, mine, Value(), 0); }
  /// Probabilities are packed once a block.
  bool asksInPacking() const { return roundsProbabilities() && valueGroups() == 1; }

  // Softmax.
  /// Probabilities may be powers of two that are a little off: the class's bound leaves room for that.
  int64_t exponentBits() { return op.getAccuracy() == Accuracy::exact ? 23 : op.getAccuracy() == Accuracy::high ? 18 : 13; }
  SmallVector<Value> masksBelow(Value limit, Value low);
  /// What softmax makes of scores: probabilities, slice by slice, how many tokens each row sees, and what its accumulator is worth
  /// now.
  struct Weights {
    SmallVector<Value> p;
    Value limit, low, correction;
  };
  Weights softmax(Value ofHead, SmallVector<Value> s);
  /// What products of rounded probabilities need, one number for each row, or nothing: what one unit of the product is worth, where
  /// its sum starts (what the shift of the codes adds), what middles of asymmetric codes add.
  struct Operands {
    Value scale, start, bias;
  };
  Operands weigh(Value group, const Weights &weights, Value rowOfTile);
  /// Weights that are rounded to integers are lifted by this, so that those of scales near the least numbers of f32 have inverses
  /// too.
  double weightLift() const {
    bool wide = cache.getValue().hasScale() && cache.getValue().getScale() == Element::f32;
    return wide && isIntegerDot(dotOf(Contract::t)) ? 0x1p24 : 1;
  }
  Operands packProbabilities(llvm::ArrayRef<Value> p, Value rowOfTile);
  void accumulate(Value ofHead, const Seen &seen, Value group, int64_t number, Value correction, const Operands &operands);
};

/// Adds scratch behind that which a kernel begins with, or at its start: `make` makes it.
void addScratch(KernelBuilder &b, llvm::function_ref<void()> make);

} // namespace kv

#endif
