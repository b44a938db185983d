// How a finished row of attention leaves: divided by its sum, in the output's type, with its log-sum-exp.
#include "compiler/kernels/AttendKernel.h"

#include <cfloat>

using namespace mlir;

namespace kv {

/// What of finite numbers the type cannot hold becomes its greatest: what rounding adds must not make 65504 infinite.
static Value keepFinite(KernelBuilder &b, Value tile, Type type) {
  if (type.isF32())
    return tile;
  auto splat = [&](double value) { return b.spreadLike(b.f32(value), tile); };
  auto compare = [&](arith::CmpFPredicate predicate, Value x, Value y) -> Value {
    return arith::CmpFOp::create(b, b.loc, predicate, x, y);
  };
  auto select = [&](Value condition, Value x, Value y) -> Value { return arith::SelectOp::create(b, b.loc, condition, x, y); };
  double most = type.isF16() ? 65504 : 0x1.fep127;
  Value above = compare(arith::CmpFPredicate::OGT, tile, splat(most));
  Value bounded = select(above, splat(most), tile);
  Value below = compare(arith::CmpFPredicate::OLT, bounded, splat(-most));
  bounded = select(below, splat(-most), bounded);
  Value magnitude = math::AbsFOp::create(b, b.loc, tile);
  Value infinite = compare(arith::CmpFPredicate::OGT, magnitude, splat(FLT_MAX));
  return select(infinite, tile, bounded);
}

namespace {
/// A row's denominator, in units of exp(maximum), and what its accumulator is worth in them.
struct Denominator {
  Value maximum, sum, weight;
};
} // namespace

/// With sinks a: M = max(maximum, a[h]), w = exp(maximum - M), sum' = sum w + exp(a[h] - M), output = acc w / sum', lse = M + log
/// sum'.
static Denominator denominatorOf(KernelBuilder &b, OutputAttr output, Value head, const RowResult &row) {
  std::optional<int64_t> sinks = output.find(ArgumentRole::sinks);
  if (!sinks)
    return {row.maximum, row.sum, b.f32(1)};
  Value sink = b.argument(*sinks, head), least = b.f32(-FLT_MAX), perLog2 = b.f32(log2e);
  // A finite reference, so that what is -infinity gives exp(-infinity), not exp(NaN).
  Value greatest = b.maxf(b.maxf(row.maximum, sink), least);
  auto below = [&](Value x) { return b.exp2(b.mulf(b.subf(x, greatest), perLog2)); };
  Value weight = below(row.maximum), added = below(sink);
  return {greatest, b.addf(b.mulf(row.sum, weight), added), weight};
}

void writeRow(KernelBuilder &b, OutputAttr form, Value token, Value head, const RowResult &row) {
  Denominator all = denominatorOf(b, form, head, row);
  Value zero = b.f32(0);
  Value empty = arith::CmpFOp::create(b, b.loc, arith::CmpFPredicate::OEQ, all.sum, zero);
  Value inverse = arith::SelectOp::create(b, b.loc, empty, zero, arith::DivFOp::create(b, b.loc, all.weight, all.sum));
  Value o = b.read(StepField::o);
  Value ofToken = b.mul(token, b.read(StepField::o_token_stride)), ofHead = b.mul(head, b.read(StepField::o_head_stride));
  Value element = b.add(ofToken, ofHead);
  int64_t dim = row.dim, chunk = b.rowChunk(dim);
  Value first = b.i64(0), end = b.i64(dim);
  b.loop(first, end, chunk, [&](Value channel) {
    Value tile = row.accumulator(channel, chunk);
    Value output = keepFinite(b, b.mulf(tile, b.spreadLike(inverse, tile)), form.getType());
    SaveOp::create(b, b.loc, output, o, b.add(element, channel), form.getType());
  });
  if (!form.getLse())
    return;
  Value lse = b.read(StepField::lse);
  Value wanted = LLVM::ICmpOp::create(b, b.loc, LLVM::ICmpPredicate::ne, lse, LLVM::ZeroOp::create(b, b.loc, b.ptr()));
  b.ifThen(wanted, [&] {
    Value log2 = math::Log2Op::create(b, b.loc, all.sum);
    Value log = b.addf(all.maximum, b.mulf(log2, b.f32(ln2)));
    Value value = arith::SelectOp::create(b, b.loc, empty, b.f32(-std::numeric_limits<double>::infinity()), log);
    b.store(value, b.at(lse, b.mul(b.add(b.mul(token, form.getHeads()), head), 4)));
  });
}

} // namespace kv
