// Neutral instructions that AArch64 has one of its own for.
//
//   kv.dot s8s8 on 4 lanes, or those of a fixed-length vector    sdot
//   kv.dot u8u8                                                  udot
//   kv.dot u8s8, s8u8                                            usdot (the unsigned operand first)
//   kv.dot bf16 on 4 lanes                                       bfdot
#include "compiler/targets/arm/Instructions.h"

#include "dialect/KvOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace kv {
namespace {

struct SelectIntegerDot : OpRewritePattern<DotOp> {
  SelectIntegerDot(MLIRContext *context, const Target &target) : OpRewritePattern(context, /*benefit=*/2), target(target) {}

  LogicalResult matchAndRewrite(DotOp op, PatternRewriter &rewriter) const override {
    Dot dot = op.getDot();
    if (dotDepth(dot) != 4 || !target.capabilities.has(dot))
      return rewriter.notifyMatchFailure(op, "no instruction for this record");
    auto type = dyn_cast<VectorType>(op.getResult().getType());
    if (!type)
      return rewriter.notifyMatchFailure(op, "not a register of the family");
    int64_t lanes = type.getNumElements();
    bool scalable = lanes * 32 == target.vectorBits;
    if (lanes != 4 && !scalable)
      return rewriter.notifyMatchFailure(op, "not a register of the family");
    Location loc = op.getLoc();
    Type byte = rewriter.getI8Type();
    Value first = op.getCache(), second = op.getRow();
    StringRef name = hasSignedCodes(dot) ? "sdot" : "udot";
    if (hasSignedCodes(dot) != hasSignedRows(dot)) {
      name = "usdot";
      if (hasSignedCodes(dot))
        std::swap(first, second);
    }
    auto bytes = [&](Value value) -> Value {
      return LLVM::BitcastOp::create(rewriter, loc, VectorType::get({lanes * 4}, byte), value);
    };
    if (lanes == 4) {
      rewriter.replaceOpWithNewOp<LLVM::CallIntrinsicOp>(op, type,
                                                         rewriter.getStringAttr("llvm.aarch64.neon." + name.str() + ".v4i32.v16i8"),
                                                         ValueRange{op.getAcc(), bytes(first), bytes(second)});
      return success();
    }
    // The whole register as a scalable vector; the casts fold away.
    auto wide = VectorType::get({4}, rewriter.getI32Type(), {true}), wideBytes = VectorType::get({16}, byte, {true});
    auto enter = [&](VectorType whole, Value value) -> Value {
      return LLVM::vector_insert::create(rewriter, loc, LLVM::PoisonOp::create(rewriter, loc, whole), value, 0);
    };
    Value result = LLVM::CallIntrinsicOp::create(
                       rewriter, loc, wide, rewriter.getStringAttr("llvm.aarch64.sve." + name.str() + ".nxv4i32"),
                       ValueRange{enter(wide, op.getAcc()), enter(wideBytes, bytes(first)), enter(wideBytes, bytes(second))})
                       .getResult(0);
    rewriter.replaceOpWithNewOp<LLVM::vector_extract>(op, type, result, 0);
    return success();
  }

  const Target &target;
};

struct SelectHalfDot : OpRewritePattern<DotOp> {
  SelectHalfDot(MLIRContext *context, const Target &target) : OpRewritePattern(context, /*benefit=*/2), target(target) {}

  LogicalResult matchAndRewrite(DotOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<VectorType>(op.getResult().getType());
    if (op.getDot() != Dot::bf16 || !target.capabilities.has(Dot::bf16) || !type || type.getNumElements() != 4)
      return rewriter.notifyMatchFailure(op, "no instruction for this record");
    auto halves = VectorType::get({8}, rewriter.getBF16Type());
    auto cast = [&](Value value) -> Value { return LLVM::BitcastOp::create(rewriter, op.getLoc(), halves, value); };
    rewriter.replaceOpWithNewOp<LLVM::CallIntrinsicOp>(op, type, rewriter.getStringAttr("llvm.aarch64.neon.bfdot.v4f32.v8bf16"),
                                                       ValueRange{op.getAcc(), cast(op.getCache()), cast(op.getRow())});
    return success();
  }

  const Target &target;
};

} // namespace

void addArmInstructions(RewritePatternSet &patterns, const Target &target) {
  patterns.add<SelectIntegerDot, SelectHalfDot>(patterns.getContext(), target);
}

} // namespace kv
