// math.powf as C has pow: exact signs, infinities and NaN for every base and exponent, and an error of about one unit in the last
// place. In float64, whose logarithm keeps what the product with a great exponent would lose in float32.
#include "compiler/targets/generic/Arithmetic.h"
#include "compiler/targets/generic/Fallbacks.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;

namespace kv {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();

struct Power : Arith {
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) { return arith::CmpFOp::create(b, loc, predicate, x, y); }
  Value equal(Value x, double y) { return compare(arith::CmpFPredicate::OEQ, x, number(y, x.getType())); }
  Value both(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
  Value either(Value x, Value y) { return arith::OrIOp::create(b, loc, x, y); }
  Value invert(Value condition) { return arith::XOrIOp::create(b, loc, condition, bits(1, condition.getType())); }
  Value polynomial(Value x, ArrayRef<double> coefficients) {
    Value sum = number(coefficients[0], x.getType());
    for (double next : coefficients.drop_front()) {
      Value product = mulf(sum, x);
      sum = addf(product, number(next, x.getType()));
    }
    return sum;
  }

  /// log2 of a float64 that is not negative: x = 2^n * m, m from sqrt(1/2) to sqrt(2); log m by the series of the area tangent.
  Value log2(Value x) {
    Type integers = as(b.getI64Type(), x), type = x.getType();
    Value word = cast(b.getI64Type(), x), n = sar(sub(word, bits(0x3fe6a09e667f3bcd, integers)), 52);
    Value m = cast(b.getF64Type(), sub(word, shl(n, 52))), one = number(1, type);
    Value less = subf(m, one), more = addf(m, one), t = arith::DivFOp::create(b, loc, less, more);
    SmallVector<double> series;
    for (int power = 15; power >= 1; power -= 2)
      series.push_back(2 / 0.6931471805599453 / power);
    Value whole = toNumber(n), log = addf(whole, mulf(polynomial(mulf(t, t), series), t));
    Value isZero = equal(x, 0), ofZero = number(-infinity, type);
    Value isInfinite = equal(x, infinity), ofInfinite = number(infinity, type);
    return select(isZero, ofZero, select(isInfinite, ofInfinite, log));
  }

  /// An i64 below 2^51 as float64, by the bits of a number whose unit in the last place is 1.
  Value toNumber(Value n) {
    Value magic = number(0x1.8p52, as(b.getF64Type(), n));
    return subf(cast(b.getF64Type(), add(n, cast(b.getI64Type(), magic))), magic);
  }

  /// 2^x of float64 as float32, which overflows to infinity and underflows to 0.
  Value exp2(Value x) {
    Type type = x.getType();
    Value low = number(-300, type), high = number(300, type);
    x = select(compare(arith::CmpFPredicate::OLT, x, low), low, x);
    x = select(compare(arith::CmpFPredicate::OGT, x, high), high, x);
    Value magic = number(0x1.8p52 + 1023, type), shifted = addf(x, magic), f = subf(x, subf(shifted, magic));
    static const double series[] = {1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1, 1};
    Value power = polynomial(mulf(f, number(0.6931471805599453, type)), series);
    Value scale = cast(b.getF64Type(), shl(cast(b.getI64Type(), shifted), 52));
    return arith::TruncFOp::create(b, loc, as(b.getF32Type(), x), mulf(power, scale));
  }
};

struct ExpandPower : OpRewritePattern<math::PowFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::PowFOp op, PatternRewriter &rewriter) const override {
    Power b{{rewriter, op.getLoc()}};
    Value x = op.getLhs(), y = op.getRhs();
    Type type = x.getType(), wide = b.as(rewriter.getF64Type(), x), integers = b.as(rewriter.getI32Type(), x);
    auto magnitude = [&](Value value) {
      return b.cast(rewriter.getF32Type(), b.conj(b.cast(rewriter.getI32Type(), value), 0x7fffffff));
    };
    auto widen = [&](Value value) -> Value { return arith::ExtFOp::create(rewriter, b.loc, wide, value); };
    Value log = b.log2(widen(magnitude(x))), power = b.exp2(b.mulf(log, widen(y)));

    // Exponents of 2^24 and more are even.
    Value exponent = magnitude(y), fits = b.compare(arith::CmpFPredicate::OLT, exponent, b.number(0x1p24, type));
    Value small = b.select(fits, y, b.number(0, type)), whole = arith::FPToSIOp::create(rewriter, b.loc, integers, small);
    Value isWhole = b.compare(arith::CmpFPredicate::OEQ, arith::SIToFPOp::create(rewriter, b.loc, type, whole), small);
    Value odd = b.shl(whole, 31), sign = b.select(isWhole, odd, b.bits(0, integers));
    sign = arith::AndIOp::create(rewriter, b.loc, sign, b.cast(rewriter.getI32Type(), x));
    power = b.cast(rewriter.getF32Type(), b.disj(b.cast(rewriter.getI32Type(), power), sign));
    Value negative = b.compare(arith::CmpFPredicate::OLT, x, b.number(0, type));
    Value isRoot = b.both(negative, b.invert(isWhole)), undefined = b.both(isRoot, b.invert(b.equal(x, -infinity)));
    undefined = b.either(undefined, b.compare(arith::CmpFPredicate::UNO, x, y));
    power = b.select(undefined, b.number(nan, type), power);
    Value ofOne = b.equal(x, 1), isOne = b.either(ofOne, b.equal(y, 0));
    Value ofMinusOne = b.equal(x, -1);
    isOne = b.either(isOne, b.both(ofMinusOne, b.equal(magnitude(y), infinity)));
    rewriter.replaceOp(op, b.select(isOne, b.number(1, type), power));
    return success();
  }
};

} // namespace

void addPower(RewritePatternSet &patterns) { patterns.add<ExpandPower>(patterns.getContext()); }

} // namespace kv
