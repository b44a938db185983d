// A block of tokens and the rows of an item: what kv.attend_block becomes. DecomposeAttendBlock.cpp says how it is computed.
#ifndef KV_BLOCK_ATTEND_H
#define KV_BLOCK_ATTEND_H

#include "compiler/kernels/AttendKernel.h"
#include "compiler/schedule/RowTiles.h"
#include "compiler/schedule/StreamAccess.h"

namespace kv {

/// Fails where the state is not placed yet.
mlir::LogicalResult checkPlaced(AttendBlockOp op);

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
  mlir::Value probabilities; ///< row operands of sums
  /// What a row tile needs whose softmax works on a few rows at a time: scores, then probabilities; which tokens a row sees; what
  /// its accumulator is worth now.
  mlir::Value scores, limit, low, correction;
};

/// Scores, softmax and sums of one kv.attend_block, on values: FoldScales and QuantizeOperands know what codes are.
/// DecomposeAttendBlock.cpp has the rows and products, BlockSoftmax.cpp the rest.
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
  Value product(Value ofHead, StreamRef ref, Value x, const Seen &seen, Value init);
  Value scores(Value ofHead, Value x);
  /// Scores of a slice: of all rows of the tile, or of those that softmax works on.
  mlir::RankedTensorType scoreTile(int64_t rows) { return b.tileF32({rows, sliceOf(Contract::d)}); }

  /// Work between here and the next op on tiles is long enough to ask for lines of the block ahead.
  void ask() { AskOp::create(b, b.loc, mine, Value(), 0); }

  // Softmax.
  /// Probabilities may be powers of two that are a little off: the class's bound leaves room for that.
  int64_t exponentBits() { return op.getAccuracy() == Accuracy::exact ? 23 : op.getAccuracy() == Accuracy::high ? 18 : 13; }
  /// What softmax makes of scores: probabilities, slice by slice, which tokens each row sees, and what its accumulator is worth
  /// now.
  struct Weights {
    SmallVector<Value> p;
    Value limit, low, correction;
  };
  Weights softmax(Value ofHead, SmallVector<Value> s);
  void weigh(Value group, const Weights &weights, Value rowOfTile);
  void accumulate(Value ofHead, const Seen &seen, Value group, int64_t number, Value correction);
};

/// Slice by slice of consecutive tokens, whether a row sees a token: those before `end` and, where there is one, from `begin` on;
/// one number for each row. Nulls without `end`: it sees all. `slice` is the shape of one.
llvm::SmallVector<mlir::Value> masksBetween(KernelBuilder &b, mlir::RankedTensorType slice, int64_t slices, mlir::Value begin,
                                            mlir::Value end);

inline mlir::RankedTensorType typeOf(mlir::Value tile) { return mlir::cast<mlir::RankedTensorType>(tile.getType()); }

/// Whether a tile is a constant 0 that is spread.
bool isZeroTile(mlir::Value tile);

/// Adds scratch behind that which a kernel begins with, or at its start: `make` makes it.
void addScratch(KernelBuilder &b, llvm::function_ref<void()> make);

} // namespace kv

#endif
