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
  mlir::Type queryType, outputType;
  int64_t heads;      ///< query heads
  int64_t minQueries; ///< of a step
  bool hasLse;
  Accuracy accuracy;
  mlir::ValueRange params; ///< the declared arrays, in order
  std::optional<int64_t> sinks; ///< the one whose terms join the denominators

  int64_t group() const { return heads / cache.getHeads(); }
};

template <typename OpType> AttendSpec describe(OpType op) {
  auto query = mlir::cast<mlir::RankedTensorType>(op.getQuery().getType());
  // Arrays follow the operands that every attend has.
  auto func = op->template getParentOfType<mlir::func::FuncOp>();
  mlir::Value sinks = op.getSinks();
  mlir::ValueRange params = func.getArguments().drop_front(op->getNumOperands() - bool(sinks));
  std::optional<int64_t> numberOfSinks;
  if (sinks)
    numberOfSinks = llvm::find(params, sinks) - params.begin();
  return {op.getCache().getType(),
          op->template getAttrOfType<ScheduleAttr>("schedule"),
          &op.getScore(),
          op.getScale().convertToDouble(),
          op.getVisibleAttr(),
          query.getElementType(),
          mlir::cast<mlir::RankedTensorType>(op.getOutput().getType()).getElementType(),
          query.getDimSize(1),
          int64_t(op.getMinQueries()),
          bool(op.getLse()),
          op.getAccuracy(),
          params,
          numberOfSinks};
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

/// What a kernel writes of a row.
struct OutputSpec {
  int64_t dim, heads; ///< value channels; query heads
  mlir::Type type;    ///< of the output
  bool hasLse;
  std::optional<int64_t> sinks; ///< an argument, a number of each query head
};

/// Writes a finished row: output = acc / sum and, where the caller wants it, lse = maximum + log sum. With sinks a:
/// M = max(maximum, a[h]), w = exp(maximum - M), sum' = sum w + exp(a[h] - M), output = acc w / sum', lse = M + log sum'.
struct RowResult {
  mlir::Value maximum, sum;                                                        ///< f32
  llvm::function_ref<mlir::Value(mlir::Value channel, int64_t chunk)> accumulator; ///< [1, chunk]
};
void writeRow(KernelBuilder &b, const OutputSpec &spec, mlir::Value token, mlir::Value head, const RowResult &row);

} // namespace kv

#endif
