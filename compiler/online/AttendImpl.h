// The kernel of an attend: arguments, rows, the loop over blocks, results. What is done with the rows of an item and a block is a
// kv.attend_block.
#ifndef KV_ATTEND_IMPL_H
#define KV_ATTEND_IMPL_H

#include "compiler/kernels/AttendKernel.h"
#include "compiler/online/RowTiles.h"
#include "compiler/schedule/Staging.h"
#include "compiler/schedule/StreamAccess.h"

namespace kv {

struct Attend {
  using Value = mlir::Value;
  template <typename T> using SmallVector = llvm::SmallVector<T>;

  KernelBuilder b;
  const AttendSpec &spec;
  const CacheType cache;
  const ScheduleAttr schedule;
  const int64_t block;
  const int64_t maxRows;             ///< rows of the largest item, whole row tiles for each head
  RowTiles tiles = RowTiles::either; ///< of the loop over blocks that is being built

  Value seq, firstHead, numHeads, queryBegin, queryEnd, tokenBegin, tokenEnd;
  Value length, queries, numRows, paddedRows; ///< of the sequence; of its step; of a head of the item, and in whole row tiles
  Value table;                                ///< the sequence's row of the block table
  Value homeQ, homeMax, homeSum, homeAcc;
  Value homeQSum;                ///< run by run of channels, sums of a row's operands, where codes are shifted or have zeros
  Value homeQScale, homeQFloats; ///< records that round rows: the row's scale, and the row before it is rounded
  Value homeQRest, homeRefined;  ///< integer records: what rounding leaves of rows with outliers; whether a row tile has such

  Attend(mlir::ModuleOp module, mlir::func::FuncOp func, const AttendSpec &spec);

  /// Whether blocks are copied before they are read.
  bool stages() const { return schedule.getThreads() && schedule.getPrefetch(); }
  /// Whether what a row tile has so far goes around the loop over blocks as values: where the item has but one, and a thread's share
  /// of it fits its registers.
  bool canCarry() const {
    int64_t rows = schedule.getRows(), numbers = rows * (cache.getValueDim() + 2 * block); // with a block's scores and probabilities
    return schedule.getThreads() && maxRows == rows && numbers <= 80 * schedule.getThreads();
  }
  bool roundsQueries() const { return roundsRows(schedule.getKeyDot()); }
  int64_t keyRun() const;
  int64_t keyRuns() const { return cache.getKeyDim() / keyRun(); }

  /// A kv head of the item.
  struct Head {
    Value number, firstRow; ///< firstRow: of its rows, in the homes of the item
  };
  /// Head `index` of the item.
  Head headAt(Value index) { return {b.add(firstHead, index), b.mul(index, paddedRows)}; }
  void eachHead(llvm::function_ref<void(const Head &)> body) {
    b.loop(zero(), numHeads, 1, [&](Value index) { body(headAt(index)); });
  }

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
  Value fitsOne() {
    return mlir::arith::CmpIOp::create(b, b.loc, mlir::arith::CmpIPredicate::sle, numRows, b.i64(schedule.getRows()));
  }
  void withTiles(llvm::function_ref<void()> body);
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
  /// The state in scratch.
  SmallVector<Value> homes() const { return {homeMax, homeSum, homeAcc}; }
  SmallVector<Value> attendBlock(Value blockValue, Span here, const Head &head, mlir::ValueRange state);
  void copyScore(mlir::Region &into);
  void writeResults(const Head &head);

  /// Query, of the sequence's step, of a row of the item; rows past the end repeat the last.
  Value queryOfRow(Value row) { return b.add(queryBegin, b.div(b.min(row, b.sub(numRows, b.i64(1))), spec.group())); }
  Value headOfRow(const Head &head, Value row) {
    return b.add(b.mul(head.number, spec.group()), b.rem(b.min(row, b.sub(numRows, b.i64(1))), spec.group()));
  }
  Value zero() { return b.i64(0); }
};

} // namespace kv

#endif
