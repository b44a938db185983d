// kv.dot, kv.exp2, kv.widen, kv.narrow and math.fma as plain arithmetic. No pattern here may leave anything that LLVM would
// turn into a library call on a bare baseline.
#include "compiler/targets/generic/Fallbacks.h"

#include "compiler/targets/generic/Arithmetic.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace kv {
namespace {

/// acc + cache * row, fused where the target fuses; integer records element by element of the lane.
struct ExpandDot : OpRewritePattern<DotOp> {
  ExpandDot(MLIRContext *context, const Target &target) : OpRewritePattern(context), target(target) {}

  LogicalResult matchAndRewrite(DotOp op, PatternRewriter &rewriter) const override {
    Arith b{rewriter, op.getLoc()};
    if (op.getDot() == Dot::f32) {
      if (target.hasFma)
        rewriter.replaceOpWithNewOp<math::FmaOp>(op, op.getCache(), op.getRow(), op.getAcc());
      else
        rewriter.replaceOp(op, b.addf(op.getAcc(), b.mulf(op.getCache(), op.getRow())));
      return success();
    }
    if (op.getDot() == Dot::bf16) {
      Type f32 = rewriter.getF32Type();
      Value x = op.getCache(), y = op.getRow();
      Value lowX = b.cast(f32, b.shl(x, 16)), low = b.mulf(lowX, b.cast(f32, b.shl(y, 16)));
      Value highX = b.cast(f32, b.conj(x, 0xffff0000)), high = b.mulf(highX, b.cast(f32, b.conj(y, 0xffff0000)));
      rewriter.replaceOp(op, b.addf(op.getAcc(), b.addf(low, high)));
      return success();
    }
    if (op.getDot() == Dot::f16) {
      auto single = [&](Value bits) -> Value {
        return WidenOp::create(rewriter, b.loc, b.as(rewriter.getF32Type(), bits), Element::f16, bits);
      };
      Value cache = single(op.getCache()), row = single(op.getRow());
      rewriter.replaceOpWithNewOp<DotOp>(op, op.getType(), op.getAcc(), cache, row, Dot::f32);
      return success();
    }
    if (isPaired(op.getDot())) {
      rewriter.replaceOp(op, expandPair(op, rewriter));
      return success();
    }
    int64_t depth = dotDepth(op.getDot()), width = 32 / depth;
    auto part = [&](Value word, int64_t i, bool isSigned) {
      Value high = i == depth - 1 ? word : b.shl(word, 32 - width * (i + 1));
      return isSigned ? b.sar(high, 32 - width) : b.shr(high, 32 - width);
    };
    Value acc = op.getAcc();
    for (int64_t i = 0; i < depth; ++i) {
      Value x = part(op.getCache(), i, hasSignedCodes(op.getDot())), y = part(op.getRow(), i, hasSignedRows(op.getDot()));
      acc = b.add(acc, arith::MulIOp::create(rewriter, b.loc, x, y));
    }
    rewriter.replaceOp(op, acc);
    return success();
  }

  /// One word of every column and row after the other, each by the plain record.
  static Value expandPair(DotOp op, PatternRewriter &rewriter) {
    int64_t lanes = cast<VectorType>(op.getType()).getNumElements();
    Value acc = op.getAcc();
    for (int64_t word = 0; word < 2; ++word) {
      SmallVector<int64_t> columns, rows; // of lane 2 * row + column in every four
      for (int64_t lane = 0; lane < lanes; ++lane) {
        columns.push_back(lane / 4 * 4 + lane % 2 * 2 + word);
        rows.push_back(lane / 2 * 2 + word);
      }
      Value cache = vector::ShuffleOp::create(rewriter, op.getLoc(), op.getCache(), op.getCache(), columns);
      Value row = vector::ShuffleOp::create(rewriter, op.getLoc(), op.getRow(), op.getRow(), rows);
      acc = DotOp::create(rewriter, op.getLoc(), op.getType(), acc, cache, row, plainDot(op.getDot()));
    }
    return acc;
  }

  const Target &target;
};

/// Polynomials for 2^f on [-0.5, 0.5], from the highest power down, that are 1 at 0: what is off there multiplies accumulators once
/// a block. Relative errors: 9.2e-8, 2.8e-6, 1.01e-4.
static llvm::ArrayRef<double> powerOfTwo(int64_t bits) {
  static const double degree5[] = {0.0013264742542738158, 0.009671518004093821, 0.055507337560222386,
                                   0.24022242003987954,   0.69314697755914,     1.0};
  static const double degree4[] = {0.009582767294886368, 0.05590642718646649, 0.24024100023067385, 0.6931241944405724, 1.0};
  static const double degree3[] = {0.05500828986152973, 0.24221106065310286, 0.6932830072350856, 1.0};
  if (bits > 18)
    return degree5;
  return bits > 13 ? llvm::ArrayRef(degree4) : llvm::ArrayRef(degree3);
}

/// 2^x = 2^n * 2^f with n the nearest integer.
struct ExpandExp2 : OpRewritePattern<Exp2Op> {
  ExpandExp2(MLIRContext *context, const Target &target) : OpRewritePattern(context), target(target) {}

  LogicalResult matchAndRewrite(Exp2Op op, PatternRewriter &rewriter) const override {
    Arith b{rewriter, op.getLoc()};
    Type type = op.getX().getType();
    // At -127 and below the exponent's bits are 0. Not so for NaN, which the product keeps.
    Value least = b.number(-127, type);
    Value below = arith::CmpFOp::create(rewriter, b.loc, arith::CmpFPredicate::OLT, op.getX(), least);
    Value x = b.select(below, least, op.getX());
    // Adding 1.5 * 2^23 + 127 leaves the exponent of 2^n in the low bits.
    Value magic = b.number(12582912.0 + 127, type), shifted = b.addf(x, magic), f = b.subf(x, b.subf(shifted, magic));
    llvm::ArrayRef<double> coefficients = powerOfTwo(op.getBits());
    Value power = b.number(coefficients[0], type);
    for (double coefficient : coefficients.drop_front()) {
      Value term = b.number(coefficient, type);
      power = target.hasFma ? math::FmaOp::create(rewriter, b.loc, power, f, term).getResult() : b.addf(b.mulf(power, f), term);
    }
    Value exponent = b.shl(b.cast(rewriter.getI32Type(), shifted), 23);
    rewriter.replaceOp(op, b.mulf(power, b.cast(rewriter.getF32Type(), exponent)));
    return success();
  }

  const Target &target;
};

/// The elements that kv.widen widens, alone.
static Value elementsOf(Arith &b, WidenOp op) {
  Value source = op.getSource();
  Type bits = b.as(b.b.getIntegerType(unsigned(bitsOf(op.getElement()))), source);
  if (source.getType() == bits)
    return source;
  Value low = op.getBit() ? b.shr(source, int64_t(op.getBit())) : source;
  return arith::TruncIOp::create(b.b, b.loc, bits, low);
}

/// f16 -> f32. Shifting the exponent and fraction into place and multiplying by 2^112 is exact for all finite numbers.
struct ExpandWiden : OpRewritePattern<WidenOp> {
  ExpandWiden(MLIRContext *context, const Target &target) : OpRewritePattern(context), target(target) {}

  LogicalResult matchAndRewrite(WidenOp op, PatternRewriter &rewriter) const override {
    Arith b{rewriter, op.getLoc()};
    if (op.getElement() != Element::f16)
      return rewriter.notifyMatchFailure(op, "not f16");
    Value source = elementsOf(b, op);
    if (target.hasHalf) {
      rewriter.replaceOpWithNewOp<arith::ExtFOp>(op, op.getResult().getType(), b.cast(rewriter.getF16Type(), source));
      return success();
    }
    Type integers = b.as(rewriter.getI32Type(), source);
    Value word = arith::ExtUIOp::create(rewriter, b.loc, integers, source);
    Value magnitude = b.shl(b.conj(word, 0x7fff), 13), sign = b.shl(b.conj(word, 0x8000), 16);
    Value unscaled = b.cast(rewriter.getF32Type(), magnitude);
    Value scaled = b.mulf(unscaled, b.number(0x1p112, op.getResult().getType()));
    Value special = b.disj(magnitude, b.bits(0x7f800000, integers)); // infinities and NaN keep their fraction
    Value isFinite = b.less(magnitude, b.bits(0x7c00 << 13, integers));
    Value bits = b.select(isFinite, b.cast(rewriter.getI32Type(), scaled), special);
    rewriter.replaceOp(op, b.cast(rewriter.getF32Type(), b.disj(bits, sign)));
    return success();
  }

  const Target &target;
};

/// f32 -> f16, to nearest even. Subnormal results come from adding 0.5, whose unit in the last place is theirs.
struct ExpandNarrow : OpRewritePattern<NarrowOp> {
  ExpandNarrow(MLIRContext *context, const Target &target) : OpRewritePattern(context), target(target) {}

  LogicalResult matchAndRewrite(NarrowOp op, PatternRewriter &rewriter) const override {
    Arith b{rewriter, op.getLoc()};
    if (op.getElement() != Element::f16)
      return rewriter.notifyMatchFailure(op, "not f16");
    Value source = op.getSource();
    if (target.hasHalf) {
      Value half = arith::TruncFOp::create(rewriter, b.loc, b.as(rewriter.getF16Type(), source), source);
      rewriter.replaceOp(op, b.cast(rewriter.getI16Type(), half));
      return success();
    }
    Type integers = b.as(rewriter.getI32Type(), source);
    Value word = b.cast(rewriter.getI32Type(), source), magnitude = b.conj(word, 0x7fffffff),
          sign = b.conj(b.shr(word, 16), 0x8000);
    Value odd = b.conj(b.shr(magnitude, 13), 1);
    Value toEven = b.add(magnitude, odd), rounded = b.shr(b.add(toEven, b.bits(0xfff, integers)), 13);
    Value normal = b.sub(rounded, b.bits((127 - 15) << 10, integers));
    Value half = b.number(0.5, source.getType());
    Value sum = b.cast(rewriter.getI32Type(), b.addf(b.cast(rewriter.getF32Type(), magnitude), half));
    Value tiny = b.sub(sum, b.cast(rewriter.getI32Type(), half));
    Value result = b.select(b.less(magnitude, b.bits(0x38800000, integers)), tiny, normal);
    Value fits = b.less(magnitude, b.bits(0x477ff000, integers));
    result = b.select(fits, result, b.bits(0x7c00, integers));
    Value fraction = b.conj(b.shr(magnitude, 13), 0x3ff), nan = b.disj(fraction, b.bits(0x7e00, integers));
    result = b.select(b.less(b.bits(0x7f800000, integers), magnitude), nan, result);
    rewriter.replaceOp(op, arith::TruncIOp::create(rewriter, b.loc, b.as(rewriter.getI16Type(), source), b.disj(result, sign)));
    return success();
  }

  const Target &target;
};

/// f8e4m3 -> f32, or f16 by way of f32.
struct ExpandWidenByte : OpRewritePattern<WidenOp> {
  ExpandWidenByte(MLIRContext *context, const Target &target) : OpRewritePattern(context), target(target) {}

  LogicalResult matchAndRewrite(WidenOp op, PatternRewriter &rewriter) const override {
    Arith b{rewriter, op.getLoc()};
    if (op.getElement() != Element::f8e4m3)
      return rewriter.notifyMatchFailure(op, "not f8e4m3");
    Value number = target.hasHalf ? throughHalf(b, op) : throughWord(b, op);
    if (number.getType() != op.getType())
      number = arith::TruncFOp::create(rewriter, b.loc, op.getType(), number);
    rewriter.replaceOp(op, number);
    return success();
  }

  /// Four bits of exponent and three of fraction in the places of f16's are the number times 2^-8, subnormal or not. Bytes of words
  /// are widened two at a time, those of the lower and the upper half: elements 16 bits apart share all but the conversion.
  static Value throughHalf(Arith &b, WidenOp op) {
    PatternRewriter &rewriter = b.b;
    Value source = op.getSource(), high; // the code in the upper byte of 16 bits
    auto vector = dyn_cast<VectorType>(source.getType());
    Type words = rewriter.getI16Type();
    int64_t width = getElementTypeOrSelf(source.getType()).getIntOrFloatBitWidth(), bit = int64_t(op.getBit());
    bool inPairs = vector && width == 32;
    if (inPairs) {
      Value pairs = LLVM::BitcastOp::create(rewriter, b.loc, VectorType::get({2 * vector.getNumElements()}, words), source);
      high = bit % 16 == 8 ? pairs : b.shl(pairs, 8 - bit % 16);
    } else {
      Value code = elementsOf(b, op), word = arith::ExtUIOp::create(rewriter, b.loc, b.as(words, source), code);
      high = b.shl(word, 8);
    }
    Value half = b.conj(b.sar(high, 1), 0xbf80);
    Value next = b.add(half, b.bits(0x80, half.getType())); // of 0x7f the exponent's upper bit
    half = b.disj(half, b.conj(next, 0x4000));
    if (inPairs) {
      Value pairs = LLVM::BitcastOp::create(rewriter, b.loc, vector, half);
      Value low = bit < 16 ? pairs : b.shr(pairs, 16);
      half = arith::TruncIOp::create(rewriter, b.loc, vector.clone(words), low);
    }
    Type f32 = b.as(rewriter.getF32Type(), source);
    Value number = arith::ExtFOp::create(rewriter, b.loc, f32, b.cast(rewriter.getF16Type(), half));
    return b.mulf(number, b.number(256, f32));
  }

  /// With the bias of f32 a magnitude y = 2^(e-7) (1 + m/8) is right from e = 1 on, where y <= 2y - 2^-6. The number of e = 0 is
  /// 2^-6 m/8 = 2y - 2^-6, the lesser one.
  static Value throughWord(Arith &b, WidenOp op) {
    PatternRewriter &rewriter = b.b;
    Value source = op.getSource();
    Type i32 = rewriter.getI32Type(), integers = b.as(i32, source), f32 = b.as(rewriter.getF32Type(), source);
    Value byte = arith::ExtUIOp::create(rewriter, b.loc, integers, elementsOf(b, op));
    Value code = b.conj(byte, 0x7f), sign = b.shl(b.conj(byte, 0x80), 24);
    Value bias = b.bits((127 - 7) << 23, integers);
    Value normal = b.cast(rewriter.getF32Type(), b.add(b.shl(code, 20), bias));
    Value least = b.number(0x1p-6, f32), tiny = b.subf(b.addf(normal, normal), least);
    Value isTiny = arith::CmpFOp::create(rewriter, b.loc, arith::CmpFPredicate::OLT, tiny, normal);
    Value bits = b.cast(i32, b.select(isTiny, tiny, normal));
    Value nan = b.bits(0x7fc00000, integers), isNumber = b.less(code, b.bits(0x7f, integers));
    bits = b.select(isNumber, bits, nan);
    return b.cast(rewriter.getF32Type(), b.disj(bits, sign));
  }

  const Target &target;
};

/// f32 -> f8e4m3, to nearest even. Subnormal results come from adding 2^14, whose unit in the last place is theirs.
struct ExpandNarrowByte : OpRewritePattern<NarrowOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(NarrowOp op, PatternRewriter &rewriter) const override {
    Arith b{rewriter, op.getLoc()};
    if (op.getElement() != Element::f8e4m3)
      return rewriter.notifyMatchFailure(op, "not f8e4m3");
    Value source = op.getSource();
    Type integers = b.as(rewriter.getI32Type(), source);
    Value word = b.cast(rewriter.getI32Type(), source), magnitude = b.conj(word, 0x7fffffff), sign = b.conj(b.shr(word, 24), 0x80);
    Value odd = b.conj(b.shr(magnitude, 20), 1);
    Value toEven = b.add(magnitude, odd), rounded = b.shr(b.add(toEven, b.bits(0x7ffff, integers)), 20);
    Value normal = b.sub(rounded, b.bits((127 - 7) << 3, integers));
    Value unit = b.number(0x1p14, source.getType());
    Value sum = b.cast(rewriter.getI32Type(), b.addf(b.cast(rewriter.getF32Type(), magnitude), unit));
    Value tiny = b.sub(sum, b.cast(rewriter.getI32Type(), unit));
    Value finite = b.select(b.less(magnitude, b.bits(0x3c800000, integers)), tiny, normal); // below 2^-6
    Value most = b.bits(0x7e, integers);
    finite = b.disj(b.select(b.less(finite, most), finite, most), sign);
    Value isFinite = b.less(magnitude, b.bits(0x7f800000, integers));
    Value code = b.select(isFinite, finite, b.bits(0x7f, integers));
    rewriter.replaceOp(op, arith::TruncIOp::create(rewriter, b.loc, op.getType(), code));
    return success();
  }
};

/// Two roundings in place of one, where the target would call fmaf.
struct ExpandFma : OpRewritePattern<math::FmaOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::FmaOp op, PatternRewriter &rewriter) const override {
    Arith b{rewriter, op.getLoc()};
    rewriter.replaceOp(op, b.addf(b.mulf(op.getA(), op.getB()), op.getC()));
    return success();
  }
};

/// floor(x), where the target would call floorf: the nearest integer, less 1 where that is above. Adding and subtracting 2^23 with
/// the sign of x leaves the nearest one; from 2^23 on, all numbers are integers.
struct ExpandFloor : OpRewritePattern<math::FloorOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::FloorOp op, PatternRewriter &rewriter) const override {
    Arith b{rewriter, op.getLoc()};
    Value x = op.getOperand();
    if (!getElementTypeOrSelf(x.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "not f32");
    Value word = b.cast(rewriter.getI32Type(), x);
    Value sign = b.conj(word, 0x80000000), magnitude = b.cast(rewriter.getF32Type(), b.conj(word, 0x7fffffff));
    Value large = b.number(0x1p23, x.getType());
    Value shift = b.cast(rewriter.getF32Type(), b.disj(b.cast(rewriter.getI32Type(), large), sign));
    Value nearest = b.subf(b.addf(x, shift), shift);
    Value above = arith::CmpFOp::create(rewriter, b.loc, arith::CmpFPredicate::OGT, nearest, x);
    Value floor = b.select(above, b.subf(nearest, b.number(1, x.getType())), nearest);
    Value small = arith::CmpFOp::create(rewriter, b.loc, arith::CmpFPredicate::OLT, magnitude, large); // NaN is not
    rewriter.replaceOp(op, b.select(small, floor, x));
    return success();
  }
};

} // namespace

void addFallbacks(RewritePatternSet &patterns, const Target &target) {
  patterns.add<ExpandDot, ExpandExp2, ExpandWiden, ExpandWidenByte, ExpandNarrow>(patterns.getContext(), target);
  patterns.add<ExpandNarrowByte>(patterns.getContext());
  addPower(patterns);
  if (!target.hasFma) // nor, on bare baselines, an instruction that rounds
    patterns.add<ExpandFma, ExpandFloor>(patterns.getContext());
}

} // namespace kv
