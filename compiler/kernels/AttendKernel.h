// What an attend asks for, and the kernels and rows that it ends with; ConvertToOnline.cpp says what is computed.
#ifndef KV_ATTEND_KERNEL_H
#define KV_ATTEND_KERNEL_H

#include "dialect/KernelBuilder.h"

namespace kv {

constexpr double log2e = 1.4426950408889634, ln2 = 0.6931471805599453;

/// What q . k is multiplied by. Without a score of its own, it gives scores in units of log2.
inline double rowFactor(double scale, bool hasScore) { return hasScore ? scale : scale * log2e; }

/// What kv.attend and kv.append_attend have in common.
struct AttendSpec {
  CacheType cache;
  ScheduleAttr schedule;
  mlir::Region *score; ///< empty: the score is s itself
  double scale;
  VisibleAttr visible;
  mlir::Type queryType;
  int64_t minQueries; ///< of a step
  Accuracy accuracy;
  OutputAttr output;

  int64_t group() const { return output.getHeads() / cache.getHeads(); }
};

template <typename OpType> AttendSpec describe(OpType op) {
  auto query = mlir::cast<mlir::RankedTensorType>(op.getQuery().getType());
  return {op.getCache().getType(),
          op->template getAttrOfType<ScheduleAttr>("schedule"),
          &op.getScore(),
          op.getScale().convertToDouble(),
          op.getVisibleAttr(),
          query.getElementType(),
          int64_t(op.getMinQueries()),
          op.getAccuracy(),
          op.getOutputForm()};
}

/// `CACHE_append.own` of a kv.append (FusedKernel.cpp).
void buildOwnAppendKernel(mlir::ModuleOp module, mlir::func::FuncOp func, mlir::Attribute schedule);

/// `NAME.attend` of a kv.append_attend: the append and the attend kernel of its cache, called in turn.
/// `align`: the variant's align_tokens.
void buildFusedKernel(mlir::ModuleOp module, mlir::func::FuncOp func, const AttendSpec &spec, int64_t align);

/// `NAME.merge`: joins the partial results of an item's splits.
void buildMergeKernel(mlir::ModuleOp module, mlir::func::FuncOp func, const AttendSpec &spec);

/// Evaluates the score region of a kv.attend_block on a tile: `s` is [rows, tokens], `queries` and `heads` one i32 for each row,
/// `tokens` one i32 for each token; `array(n)` gives, for each row, the entry of argument n for its head.
mlir::Value inlineScore(KernelBuilder &b, mlir::Region &score, mlir::Value s, mlir::Value queries, mlir::Value heads,
                        mlir::Value tokens, llvm::function_ref<mlir::Value(int64_t)> array);

/// The rows of an item on one kv head: row n has query `query` + n / group of the step and query head `head` * group + n % group.
/// Rows past the end repeat the last.
struct ItemRows {
  KernelBuilder &b;
  mlir::Value head, query, rows;
  int64_t group;

  mlir::Value queryOf(mlir::Value row) { return b.add(query, b.div(clamped(row), group)); }
  mlir::Value headOf(mlir::Value row) {
    mlir::Value first = b.mul(head, group);
    return b.add(first, b.rem(clamped(row), group));
  }

private:
  mlir::Value clamped(mlir::Value row) { return b.min(row, b.sub(rows, b.i64(1))); }
};

/// What attention has of a row.
struct RowResult {
  mlir::Value maximum, sum;                                                        ///< f32
  int64_t dim;                                                                     ///< value channels
  llvm::function_ref<mlir::Value(mlir::Value channel, int64_t chunk)> accumulator; ///< [1, chunk]
};
/// Writes a finished row: output = acc / sum and, where the caller wants it, lse = maximum + log sum (Finish.cpp).
void writeRow(KernelBuilder &b, OutputAttr form, mlir::Value token, mlir::Value head, const RowResult &row);

} // namespace kv

#endif
