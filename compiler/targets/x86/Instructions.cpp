// Neutral instructions that x86-64 has one of its own for.
//
//   kv.dot u8s8, s8u8 on 4, 8 or 16 lanes    vpdpbusd (the unsigned operand first)
//   kv.dot s16 on 4, 8 or 16 lanes           vpdpwssd, or without VNNI vpmaddwd and an addition
//   kv.dot bf16 on 4, 8 or 16 lanes          vdpbf16ps
#include "compiler/targets/x86/Instructions.h"

#include "dialect/KvOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
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

} // namespace

void addX86Instructions(RewritePatternSet &patterns, const Target &target) {
  patterns.add<SelectIntegerDot>(patterns.getContext(), target);
}

} // namespace kv
