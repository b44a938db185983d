// Neutral instructions that x86-64 has one of its own for.
//
//   kv.dot u8s8, s8u8 on 4, 8 or 16 lanes    vpdpbusd (the unsigned operand first)
//   kv.dot s16 on 4, 8 or 16 lanes           vpdpwssd, or without VNNI vpmaddwd and an addition
//   kv.dot bf16 on 4, 8 or 16 lanes          vdpbf16ps
//   kv.exp2 of 18 bits and less, AVX-512     vreduceps, a polynomial, vscalefps
//   kv.widen f8e4m3 of words                 AVX-512: shifts and an addition, vpermw for what is subnormal or NaN; AVX2: vpshufb
#include "compiler/targets/x86/Instructions.h"

#include "compiler/targets/generic/Arithmetic.h"
#include "dialect/KvOps.h"
#include "kv/kv_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace kv {
namespace {

struct SelectIntegerDot : OpRewritePattern<DotOp> {
  SelectIntegerDot(MLIRContext *context, const Target &target) : OpRewritePattern(context, /*benefit=*/2), target(target) {}

  LogicalResult matchAndRewrite(DotOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<VectorType>(op.getResult().getType());
    if (!type)
      return rewriter.notifyMatchFailure(op, "not a register of the family");
    if (op.getDot() == Dot::f32 || !target.capabilities.has(op.getDot()))
      return rewriter.notifyMatchFailure(op, "no instruction for this record");
    int64_t lanes = type.getNumElements();
    if (lanes != 16 && lanes != 8 && lanes != 4)
      return rewriter.notifyMatchFailure(op, "not a register of the family");
    std::string width = std::to_string(lanes * 32);
    Location loc = op.getLoc();
    bool halves = op.getDot() == Dot::bf16, words = op.getDot() == Dot::s16 || halves;
    Type element = halves ? Type(rewriter.getBF16Type()) : words ? rewriter.getI16Type() : rewriter.getI8Type();
    auto operandType = VectorType::get({lanes * (words ? 2 : 4)}, element);
    auto cast = [&](Value value) -> Value { return LLVM::BitcastOp::create(rewriter, loc, operandType, value); };
    Value first = cast(op.getCache()), second = cast(op.getRow());
    if (op.getDot() == Dot::s8u8)
      std::swap(first, second);
    if (op.getDot() == Dot::s16 && target.capabilities.instructionOf(Dot::s16) == "vpmaddwd") {
      const char *product = lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                            : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                         : "llvm.x86.sse2.pmadd.wd";
      Value sums = LLVM::CallIntrinsicOp::create(rewriter, loc, type, rewriter.getStringAttr(product), ValueRange{first, second})
                       .getResult(0);
      rewriter.replaceOpWithNewOp<arith::AddIOp>(op, op.getAcc(), sums);
      return success();
    }
    const char *instruction = halves  ? "llvm.x86.avx512bf16.dpbf16ps."
                              : words ? "llvm.x86.avx512.vpdpwssd."
                                      : "llvm.x86.avx512.vpdpbusd.";
    std::string name = instruction + width;
    rewriter.replaceOpWithNewOp<LLVM::CallIntrinsicOp>(op, type, rewriter.getStringAttr(name),
                                                       ValueRange{op.getAcc(), first, second});
    return success();
  }

  const Target &target;
};

/// 2^x = 2^floor(x) * 2^f. vreduceps leaves f, and vscalefps takes the floor itself: six instructions of which two are the bounds'.
/// Results that would be subnormal are 0, for they are slow to make and to use.
struct SelectExp2 : OpRewritePattern<Exp2Op> {
  SelectExp2(MLIRContext *context) : OpRewritePattern(context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(Exp2Op op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<VectorType>(op.getX().getType());
    if (!type || op.getBits() > 18)
      return rewriter.notifyMatchFailure(op, "not a register, or of more bits than the polynomials have");
    int64_t lanes = type.getNumElements();
    if (lanes != 16 && lanes != 8 && lanes != 4)
      return rewriter.notifyMatchFailure(op, "not a register of the family");
    // 2^f for f from 0 to 1, from the highest power down, 1 at 0: of one key the output is its value. Relative
    // errors: 3.0e-6, 8.6e-5.
    static const double degree4[] = {0.013426684271570484, 0.05224247422379301, 0.24128020475132964, 0.6930448449030165, 1.0};
    static const double degree3[] = {0.07706704198819621, 0.22764499121162743, 0.6951167864112006, 1.0};
    ArrayRef<double> coefficients = op.getBits() > 13 ? ArrayRef(degree4) : ArrayRef(degree3);

    Location loc = op.getLoc();
    auto number = [&](double value) -> Value {
      return arith::ConstantOp::create(rewriter, loc, DenseElementsAttr::get(type, float(value)));
    };
    auto integer = [&](int64_t bits, int64_t value) -> Value {
      return arith::ConstantOp::create(rewriter, loc, rewriter.getIntegerAttr(rewriter.getIntegerType(bits), value));
    };
    Type maskType = rewriter.getIntegerType(std::max<int64_t>(8, lanes));
    auto call = [&](const char *name, Value x, Value y, Value mask) {
      SmallVector<Value> operands = {x, y, number(0), mask};
      if (lanes == 16)
        operands.push_back(integer(32, 4)); // as the control register says
      std::string intrinsic = std::string("llvm.x86.avx512.mask.") + name + ".ps." + std::to_string(lanes * 32);
      return LLVM::CallIntrinsicOp::create(rewriter, loc, type, rewriter.getStringAttr(intrinsic), operands).getResult(0);
    };
    constexpr int64_t floor = 1, quiet = 8;
    Value mode = integer(32, floor | quiet), all = integer(maskType.getIntOrFloatBitWidth(), -1);
    Value x = op.getX(), f = call("reduce", x, mode, all);
    Value power = number(coefficients[0]);
    for (double coefficient : coefficients.drop_front())
      power = math::FmaOp::create(rewriter, loc, power, f, number(coefficient));
    Value kept = arith::CmpFOp::create(rewriter, loc, arith::CmpFPredicate::UGE, x, number(-126)); // NaN is
    if (lanes < 8) {
      Value none = arith::ConstantOp::create(rewriter, loc, DenseElementsAttr::get(cast<VectorType>(kept.getType()), false));
      kept = vector::ShuffleOp::create(rewriter, loc, kept, none, ArrayRef<int64_t>{0, 1, 2, 3, 4, 5, 6, 7});
    }
    rewriter.replaceOp(op, call("scalef", power, x, LLVM::BitcastOp::create(rewriter, loc, maskType, kept)));
    return success();
  }
};

/// f8e4m3 to f32. Bytes of words become bf16, which holds their numbers, two of a word at a time: elements 16 bits apart share all
/// but the last step.
struct SelectWiden : OpRewritePattern<WidenOp> {
  SelectWiden(MLIRContext *context, const Target &target) : OpRewritePattern(context, /*benefit=*/2), target(target) {}

  LogicalResult matchAndRewrite(WidenOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<VectorType>(op.getSource().getType());
    if (op.getElement() != Element::f8e4m3 || !type || !type.getElementType().isInteger(32) || op.getBit() % 8)
      return rewriter.notifyMatchFailure(op, "not bytes of words");
    int64_t lanes = type.getNumElements();
    if (lanes != 8 && (lanes != 16 || !(target.featureMask & KV_FEATURE_X86_V4)))
      return rewriter.notifyMatchFailure(op, "not a register of the family");
    Arith b{rewriter, op.getLoc()};
    bool upper = op.getBit() % 16 == 8; // byte of 16 bits
    Value numbers = lanes == 16 ? lookUpWords(b, op.getSource(), upper) : lookUpBytes(b, op.getSource(), upper);
    Value halves = LLVM::BitcastOp::create(rewriter, b.loc, type, numbers);
    Value bits = op.getBit() < 16 ? b.shl(halves, 16) : b.conj(halves, 0xffff0000);
    rewriter.replaceOpWithNewOp<LLVM::BitcastOp>(op, op.getType(), bits);
    return success();
  }

private:
  /// Shifts and an addition bring exponent and fraction into place; subnormal numbers and NaN come from a table, by the five low
  /// bits of the code.
  static Value lookUpWords(Arith &b, Value source, bool upper) {
    auto words = VectorType::get({32}, b.b.getI16Type());
    Value pairs = LLVM::BitcastOp::create(b.b, b.loc, words, source);
    Value magnitude = b.shl(pairs, upper ? 1 : 9); // in the upper 7 bits
    Value exponent = b.shr(magnitude, 5);
    if (upper)
      exponent = b.conj(exponent, 0x7f0);
    Value bias = b.bits((127 - 7) << 7, words), normal = b.add(exponent, bias);
    // NaN, 0x7f, and the numbers 0 to 7: with 1 added those below 9.
    Value one = b.bits(1 << 9, words), next = b.add(magnitude, one);
    Value end = b.bits(9 << 9, words), isSpecial = b.less(next, end);
    SmallVector<int16_t> table(32, 0x7fc0);
    llvm::copy(subnormals, table.begin());
    Value specials = arith::ConstantOp::create(b.b, b.loc, DenseElementsAttr::get(words, ArrayRef<int16_t>(table)));
    Value index = upper ? b.shr(pairs, 8) : pairs;
    Value special = call(b, words, "llvm.x86.avx512.permvar.hi.512", specials, index);
    Value number = b.select(isSpecial, special, normal);
    Value sign = b.conj(upper ? pairs : b.shl(pairs, 8), 0x8000);
    return b.disj(number, sign);
  }

  /// The upper bytes of bf16 from a table by the code's upper half, sign and all, and the lower bytes its lower half; below 16,
  /// where numbers may be subnormal, from tables by the lower half. vpshufb gives 0 for an index with its sign bit.
  static Value lookUpBytes(Arith &b, Value source, bool upper) {
    auto bytes = VectorType::get({32}, b.b.getI8Type()), words = VectorType::get({16}, b.b.getI16Type());
    auto cast = [&](VectorType type, Value value) -> Value { return LLVM::BitcastOp::create(b.b, b.loc, type, value); };
    auto table = [&](function_ref<uint32_t(uint32_t index)> entry) -> Value {
      SmallVector<int8_t> entries;
      for (uint32_t i = 0; i < 32; ++i)
        entries.push_back(int8_t(entry(i % 16)));
      return arith::ConstantOp::create(b.b, b.loc, DenseElementsAttr::get(bytes, ArrayRef<int8_t>(entries)));
    };
    auto numberOf = [](uint32_t code) { return code < 8 ? uint32_t(subnormals[code]) : ((127 - 7) << 7) + (code << 4); };
    auto lookUp = [&](Value entries, Value index) { return call(b, bytes, "llvm.x86.avx2.pshuf.b", entries, index); };
    Value codes = cast(bytes, source), pairs = cast(words, source);
    Value magnitude = b.conj(codes, 0x7f);
    Value beyond = b.bits(0x70, bytes), below16 = b.add(magnitude, beyond); // from 16 on with its sign bit
    Value upperHalf = cast(bytes, b.conj(b.shr(pairs, 4), 0x0f0f));
    Value upperTable = table([&](uint32_t i) { return (i & 8) << 4 | (i & 7 ? numberOf((i & 7) << 4) >> 8 : 0); });
    Value upperOfSmall = table([&](uint32_t i) { return numberOf(i) >> 8; });
    Value high = lookUp(upperTable, upperHalf), highOfSmall = lookUp(upperOfSmall, below16);
    Value nan = b.bits(0x7f, bytes);
    Value isNaN = arith::CmpIOp::create(b.b, b.loc, arith::CmpIPredicate::eq, magnitude, nan);
    Value ones = arith::ExtSIOp::create(b.b, b.loc, bytes, isNaN);
    high = b.disj(b.disj(high, highOfSmall), ones);
    Value lowerTable = table([&](uint32_t i) { return (numberOf(i) ^ i << 4) & 0xff; });
    Value lowerHalf = cast(bytes, b.conj(b.shl(pairs, 4), 0xf0f0)), lowOfSmall = lookUp(lowerTable, below16);
    Value low = arith::XOrIOp::create(b.b, b.loc, lowerHalf, lowOfSmall);
    Value highs = cast(words, high), lows = cast(words, low);
    highs = upper ? b.conj(highs, 0xff00) : b.shl(highs, 8);
    lows = upper ? b.shr(lows, 8) : b.conj(lows, 0xff);
    return b.disj(highs, lows);
  }

  static Value call(Arith &b, Type type, const char *name, Value x, Value y) {
    return LLVM::CallIntrinsicOp::create(b.b, b.loc, type, b.b.getStringAttr(name), ValueRange{x, y}).getResult(0);
  }

  /// 0 to 7 times 2^-9, in bf16.
  static constexpr int16_t subnormals[] = {0, 0x3b00, 0x3b80, 0x3bc0, 0x3c00, 0x3c20, 0x3c40, 0x3c60};

  const Target &target;
};

} // namespace

void addX86Instructions(RewritePatternSet &patterns, const Target &target) {
  patterns.add<SelectIntegerDot, SelectWiden>(patterns.getContext(), target);
  if (target.featureMask & KV_FEATURE_X86_V4)
    patterns.add<SelectExp2>(patterns.getContext());
}

} // namespace kv
