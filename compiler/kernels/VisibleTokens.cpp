#include "compiler/kernels/VisibleTokens.h"

using namespace mlir;

namespace kv {

SmallVector<VisibleRange> visibleRanges(KernelBuilder &b, VisibleAttr visible, Value length, Value queries, Value queryBegin,
                                        Value queryEnd, int64_t align) {
  Value past = b.sub(length, queries), first = b.add(past, queryBegin), after = b.add(past, queryEnd);
  Value last = b.sub(after, b.i64(1));
  VisibleRuns<KernelNumbers> runs({b}, visible);
  SmallVector<VisibleRange> ranges;
  Value before = b.i64(0);
  for (int64_t run = 0; run < visible.getRuns(); ++run) {
    auto [low, end] = runs.range(run, first, last, length);
    Value begin = b.mul(b.div(low, align), align), whole = end;
    if (run + 1 < visible.getRuns())
      whole = b.mul(b.div(b.add(end, align - 1), align), align);
    Value some = b.isLess(low, end), all = b.sub(whole, begin), none = b.i64(0);
    Value tokens = b.select(some, all, none);
    ranges.push_back({begin, end, before, tokens});
    before = b.add(before, tokens);
  }
  return ranges;
}

} // namespace kv
