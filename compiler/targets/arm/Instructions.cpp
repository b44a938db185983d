// Neutral instructions that AArch64 has one of its own for.
//
//   kv.dot s8s8 on 4 lanes, or those of a fixed-length vector    sdot
//   kv.dot u8u8                                                  udot
//   kv.dot u8s8, s8u8                                            usdot (the unsigned operand first)
//   kv.dot bf16                                                  bfdot
//   kv.dot s8s8mm, u8u8mm, s8u8mm                                smmla, ummla, usmmla (the row operand first)
//   kv.dot bf16mm                                                bfmmla
//   kv.dot f16 on 4 lanes                                        fmlal
#include "compiler/targets/arm/Instructions.h"

#include "dialect/KvOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace kv {
namespace {

/// Lanes of a register of the family: those of NEON, or of the target's scalable vectors.
bool isRegister(VectorType type, const Target &target) {
  return type && (type.getNumElements() == 4 || type.getNumElements() * 32 == target.vectorBits);
}

/// `name` on three registers; `operand` is the element of the second and third.
Value callOnRegisters(OpBuilder &b, Location loc, StringRef name, Type operand, Value acc, Value first, Value second) {
  auto type = cast<VectorType>(acc.getType());
  int64_t lanes = type.getNumElements(), each = 32 / operand.getIntOrFloatBitWidth();
  auto call = [&](Type result, const std::string &intrinsic, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(b, loc, result, b.getStringAttr("llvm.aarch64." + intrinsic), operands).getResult(0);
  };
  auto cast = [&](Value value) -> Value {
    return LLVM::BitcastOp::create(b, loc, VectorType::get({lanes * each}, operand), value);
  };
  bool integers = operand.isInteger(8);
  if (lanes == 4) {
    // Those of bf16 with one form have no types in their names.
    std::string types = integers ? ".v4i32.v16i8" : name == "bfdot" ? ".v4f32.v8bf16" : "";
    return call(type, ("neon." + name).str() + types, {acc, cast(first), cast(second)});
  }
  // The whole register as a scalable vector; the casts fold away.
  auto wide = VectorType::get({4}, type.getElementType(), {true}), wideOperand = VectorType::get({4 * each}, operand, {true});
  auto enter = [&](VectorType whole, Value value) -> Value {
    return LLVM::vector_insert::create(b, loc, LLVM::PoisonOp::create(b, loc, whole), value, 0);
  };
  Value result = call(wide, ("sve." + name).str() + (integers ? ".nxv4i32" : ""),
                      {enter(wide, acc), enter(wideOperand, cast(first)), enter(wideOperand, cast(second))});
  return LLVM::vector_extract::create(b, loc, type, result, 0);
}

struct SelectIntegerDot : OpRewritePattern<DotOp> {
  SelectIntegerDot(MLIRContext *context, const Target &target) : OpRewritePattern(context, /*benefit=*/2), target(target) {}

  LogicalResult matchAndRewrite(DotOp op, PatternRewriter &rewriter) const override {
    Dot dot = op.getDot();
    if (dotDepth(dot) != 4 || !target.capabilities.has(dot) || !isRegister(dyn_cast<VectorType>(op.getResult().getType()), target))
      return rewriter.notifyMatchFailure(op, "no instruction for this record");
    bool isSigned = hasSignedCodes(dot), mixed = isSigned != hasSignedRows(dot), paired = isPaired(dot);
    std::string name = std::string(mixed ? "us" : isSigned ? "s" : "u") + (paired ? "mmla" : "dot");
    Value first = op.getCache(), second = op.getRow();
    if (paired || (mixed && isSigned)) // sums lie row by row; the unsigned operand comes first
      std::swap(first, second);
    rewriter.replaceOp(op, callOnRegisters(rewriter, op.getLoc(), name, rewriter.getI8Type(), op.getAcc(), first, second));
    return success();
  }

  const Target &target;
};

struct SelectHalfDot : OpRewritePattern<DotOp> {
  SelectHalfDot(MLIRContext *context, const Target &target) : OpRewritePattern(context, /*benefit=*/2), target(target) {}

  LogicalResult matchAndRewrite(DotOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<VectorType>(op.getResult().getType());
    if (plainDot(op.getDot()) != Dot::bf16 || !target.capabilities.has(op.getDot()) || !isRegister(type, target))
      return rewriter.notifyMatchFailure(op, "no instruction for this record");
    bool paired = isPaired(op.getDot());
    Value first = op.getCache(), second = op.getRow();
    if (paired)
      std::swap(first, second);
    rewriter.replaceOp(op, callOnRegisters(rewriter, op.getLoc(), paired ? "bfmmla" : "bfdot", rewriter.getBF16Type(), op.getAcc(),
                                           first, second));
    return success();
  }

  const Target &target;
};

/// Four halves of each operand, the low ones of a register of eight.
struct SelectHalfMultiply : OpRewritePattern<DotOp> {
  SelectHalfMultiply(MLIRContext *context, const Target &target) : OpRewritePattern(context, /*benefit=*/2), target(target) {}

  LogicalResult matchAndRewrite(DotOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<VectorType>(op.getResult().getType());
    if (op.getDot() != Dot::f16 || !target.capabilities.has(Dot::f16) || !type || type.getNumElements() != 4)
      return rewriter.notifyMatchFailure(op, "no instruction for this record");
    Location loc = op.getLoc();
    auto eight = [&](Value bits) -> Value {
      Value halves = LLVM::BitcastOp::create(rewriter, loc, VectorType::get({4}, rewriter.getF16Type()), bits);
      return vector::ShuffleOp::create(rewriter, loc, halves, halves, ArrayRef<int64_t>{0, 1, 2, 3, -1, -1, -1, -1});
    };
    rewriter.replaceOpWithNewOp<LLVM::CallIntrinsicOp>(op, type, rewriter.getStringAttr("llvm.aarch64.neon.fmlal.v4f32.v8f16"),
                                                       ValueRange{op.getAcc(), eight(op.getCache()), eight(op.getRow())});
    return success();
  }

  const Target &target;
};

} // namespace

void addArmInstructions(RewritePatternSet &patterns, const Target &target) {
  patterns.add<SelectIntegerDot, SelectHalfDot, SelectHalfMultiply>(patterns.getContext(), target);
}

} // namespace kv
