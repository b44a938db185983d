// Which tokens the queries of an item see, as IR (dialect/Visible.h).
#ifndef KV_VISIBLE_TOKENS_H
#define KV_VISIBLE_TOKENS_H

#include "dialect/KernelBuilder.h"
#include "dialect/Visible.h"

namespace kv {

/// i64 values.
struct KernelNumbers {
  using Number = mlir::Value;
  KernelBuilder &b;
  Number constant(int64_t value) { return b.i64(value); }
  Number add(Number a, Number by) { return b.add(a, by); }
  Number add(Number a, int64_t by) { return b.add(a, by); }
  Number mul(Number a, int64_t by) { return b.mul(a, by); }
  Number floorDiv(Number a, int64_t by) { return b.floorDiv(a, by); }
  Number min(Number a, Number by) { return b.min(a, by); }
  Number max(Number a, Number by) { return b.max(a, by); }
};

/// One of the ranges that kv_kernel.ranges gives for queries, as visible tokens have it: from `begin`, rounded down, to `end`;
/// `before` visible tokens are in ranges before it, and `tokens` in this one.
struct VisibleRange {
  mlir::Value begin, end, before, tokens;
};

/// The ranges of queries [queryBegin, queryEnd) of a step of `queries`, the newest tokens of a sequence of `length`; `align` is the
/// variant's align_tokens.
llvm::SmallVector<VisibleRange> visibleRanges(KernelBuilder &b, VisibleAttr visible, mlir::Value length, mlir::Value queries,
                                              mlir::Value queryBegin, mlir::Value queryEnd, int64_t align);

} // namespace kv

#endif
