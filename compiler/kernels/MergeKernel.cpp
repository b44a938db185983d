// The merge kernel of one item: joins the partial results of its splits, in their order, whoever computed them and when.
//
//   M = max over k of max_k;  w_k = exp(max_k - M);  sum = add of sum_k * w_k;  acc = add of acc_k * w_k
#include "compiler/kernels/AttendKernel.h"
#include "compiler/kernels/Partial.h"

#include <cfloat>

using namespace mlir;

namespace kv {

void buildMergeKernel(ModuleOp module, func::FuncOp func, const AttendSpec &spec) {
  KernelBuilder b(module, func.getLoc(), kernelSymbol(func.getName(), "merge"), spec.schedule);
  Value zero = b.i64(0);
  Value seq = b.read(ItemField::seq), head = b.read(ItemField::head);
  Value queryBegin = b.read(ItemField::query_begin), queryEnd = b.read(ItemField::query_end);
  Value partial = b.read(ItemField::partial), count = b.read(ItemField::num_partials);
  Value firstQuery = b.read(StepField::query_start_loc, seq);
  int64_t dim = spec.cache.getValueDim();
  Value numRows = b.mul(b.sub(queryEnd, queryBegin), spec.group());
  Value size = Partial::elements(b, numRows, dim);
  auto split = [&](Value k) { return Partial{b, numRows, b.mul(k, size), dim}; };
  auto number = [&](Value element) { return b.load(b.getF32Type(), b.at(partial, b.mul(element, 4))); };

  b.loop(zero, numRows, 1, [&](Value row) {
    Value greatest = b.loop(zero, count, 1, {b.f32(-FLT_MAX)}, [&](Value k, ValueRange best) -> SmallVector<Value> {
      return {b.maxf(number(split(k).maximum(row)), best[0])};
    })[0];
    auto weight = [&](Value k) {
      Value below = b.subf(number(split(k).maximum(row)), greatest);
      return b.exp2(b.mulf(below, b.f32(log2e)));
    };
    Value sum = b.loop(zero, count, 1, {b.f32(0)}, [&](Value k, ValueRange total) -> SmallVector<Value> {
      Value part = number(split(k).sum(row));
      return {b.addf(total[0], b.mulf(part, weight(k)))};
    })[0];
    auto accumulator = [&](Value channel, int64_t chunk) {
      Value init = b.spread(b.f32(0), 0, b.tileF32({1, chunk}));
      return b.loop(zero, count, 1, {init}, [&](Value k, ValueRange total) -> SmallVector<Value> {
        Value part = LoadOp::create(b, b.loc, b.tileF32({1, chunk}), partial, split(k).accumulator(row, channel), b.getF32Type());
        return {b.addf(total[0], b.mulf(part, b.spreadLike(weight(k), part)))};
      })[0];
    };
    Value query = b.add(queryBegin, b.div(row, spec.group()));
    Value firstHead = b.mul(head, spec.group()), queryHead = b.add(firstHead, b.rem(row, spec.group()));
    writeRow(b, spec.output, b.add(firstQuery, query), queryHead, {greatest, sum, dim, accumulator});
  });
}

} // namespace kv
