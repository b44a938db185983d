// Neutral instructions that x86-64 has one of its own for.
//
//   kv.dot u8s8, s8u8 on 4, 8 or 16 lanes    vpdpbusd (the unsigned operand first)
//   kv.dot s16 on 4, 8 or 16 lanes           vpdpwssd, or without VNNI vpmaddwd and an addition
//   kv.dot bf16 on 4, 8 or 16 lanes          vdpbf16ps
//   kv.exp2 of 18 bits and less, AVX-512     vreduceps, a polynomial, vscalefps
#include "compiler/targets/x86/Instructions.h"

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

} // namespace

void addX86Instructions(RewritePatternSet &patterns, const Target &target) {
  patterns.add<SelectIntegerDot>(patterns.getContext(), target);
  if (target.featureMask & KV_FEATURE_X86_V4)
    patterns.add<SelectExp2>(patterns.getContext());
}

} // namespace kv
