// Neutral instructions that a warp has one of its own for.
//
//   kv.lane       %laneid
//   kv.exchange   shfl.sync.bfly
//   kv.barrier    bar.warp.sync
//   kv.mma        mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32, the same of bf16
//   kv.read_transposed  ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
//   kv.copy       cp.async.cg.shared.global 16, cp.async.ca of 4 and 8
//   kv.commit     cp.async.commit_group
//   kv.await      cp.async.wait_group
//   kv.exp2       ex2.approx.ftz, whose results below 2^-126 are 0
//   kv.widen f8e4m3   cvt.rn.f16x2.e4m3x2; before sm_89 prmt, shifts and mul.f16x2
//   kv.narrow f8e4m3  cvt.rn.satfinite.e4m3x2.f32 from sm_89 on
#include "compiler/targets/cuda/Cuda.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace kv {
namespace {

/// Every thread of the warp.
constexpr int32_t wholeWarp = -1;

/// Address spaces of PTX.
constexpr unsigned globalSpace = 1, sharedSpace = 3;

template <typename OpType> struct Select : OpRewritePattern<OpType> {
  explicit Select(MLIRContext *context) : OpRewritePattern<OpType>(context, /*benefit=*/2) {}

  static Value call(PatternRewriter &rewriter, Location loc, Type type, StringRef name, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(rewriter, loc, type, rewriter.getStringAttr(name), operands).getResult(0);
  }
  /// Of instructions with four results.
  static Type four(Type element) { return LLVM::LLVMStructType::getLiteral(element.getContext(), SmallVector<Type>(4, element)); }
  static SmallVector<Value> unpack(PatternRewriter &rewriter, Value four) {
    SmallVector<Value> results;
    for (int64_t i = 0; i < 4; ++i)
      results.push_back(LLVM::ExtractValueOp::create(rewriter, four.getLoc(), four, i));
    return results;
  }
  static Value i32(PatternRewriter &rewriter, Location loc, int32_t value) {
    return arith::ConstantOp::create(rewriter, loc, rewriter.getI32IntegerAttr(value));
  }
};

struct SelectLane : Select<LaneOp> {
  using Select::Select;
  LogicalResult matchAndRewrite(LaneOp op, PatternRewriter &rewriter) const override {
    Value lane = call(rewriter, op.getLoc(), rewriter.getI32Type(), "llvm.nvvm.read.ptx.sreg.laneid", {});
    rewriter.replaceOpWithNewOp<arith::ExtUIOp>(op, rewriter.getI64Type(), lane);
    return success();
  }
};

struct SelectExchange : Select<ExchangeOp> {
  using Select::Select;
  LogicalResult matchAndRewrite(ExchangeOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Type type = op.getSource().getType();
    std::string name = std::string("llvm.nvvm.shfl.sync.bfly.") + (type.isF32() ? "f32" : "i32");
    rewriter.replaceOp(op, call(rewriter, loc, type, name,
                                {i32(rewriter, loc, wholeWarp), op.getSource(), i32(rewriter, loc, int32_t(op.getDistance())),
                                 i32(rewriter, loc, 31)}));
    return success();
  }
};

struct SelectBarrier : Select<BarrierOp> {
  using Select::Select;
  LogicalResult matchAndRewrite(BarrierOp op, PatternRewriter &rewriter) const override {
    LLVM::CallIntrinsicOp::create(rewriter, op.getLoc(), rewriter.getStringAttr("llvm.nvvm.bar.warp.sync"),
                                  ValueRange{i32(rewriter, op.getLoc(), wholeWarp)});
    rewriter.eraseOp(op);
    return success();
  }
};

struct SelectMma : Select<MmaOp> {
  using Select::Select;
  LogicalResult matchAndRewrite(MmaOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    bool half = op.getDot() == Dot::f16; // bf16 operands are words
    auto pair = VectorType::get({2}, rewriter.getF16Type());
    SmallVector<Value> operands;
    for (Value word : op->getOperands().drop_front(4))
      operands.push_back(half ? LLVM::BitcastOp::create(rewriter, loc, pair, word).getResult() : word);
    llvm::append_range(operands, op->getOperands().take_front(4));
    const char *type = half ? "f32.f32" : "bf16";
    Value result =
        call(rewriter, loc, four(rewriter.getF32Type()), std::string("llvm.nvvm.mma.m16n8k16.row.col.") + type, operands);
    rewriter.replaceOp(op, unpack(rewriter, result));
    return success();
  }
};

struct SelectReadTransposed : Select<ReadTransposedOp> {
  using Select::Select;
  LogicalResult matchAndRewrite(ReadTransposedOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value address =
        LLVM::AddrSpaceCastOp::create(rewriter, loc, LLVM::LLVMPointerType::get(op.getContext(), sharedSpace), op.getAddress());
    Value result = call(rewriter, loc, four(rewriter.getI32Type()), "llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.trans.b16", address);
    rewriter.replaceOp(op, unpack(rewriter, result));
    return success();
  }
};

struct SelectCopy : Select<CopyOp> {
  using Select::Select;
  LogicalResult matchAndRewrite(CopyOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto cast = [&](Value address, unsigned space) -> Value {
      return LLVM::AddrSpaceCastOp::create(rewriter, loc, LLVM::LLVMPointerType::get(op.getContext(), space), address);
    };
    std::string name = op.getBytes() == 16 ? "llvm.nvvm.cp.async.cg.shared.global." : "llvm.nvvm.cp.async.ca.shared.global.";
    LLVM::CallIntrinsicOp::create(rewriter, loc, rewriter.getStringAttr(name + std::to_string(op.getBytes())),
                                  ValueRange{cast(op.getTarget(), sharedSpace), cast(op.getSource(), globalSpace)});
    rewriter.eraseOp(op);
    return success();
  }
};

struct SelectCommit : Select<CommitOp> {
  using Select::Select;
  LogicalResult matchAndRewrite(CommitOp op, PatternRewriter &rewriter) const override {
    LLVM::CallIntrinsicOp::create(rewriter, op.getLoc(), rewriter.getStringAttr("llvm.nvvm.cp.async.commit.group"), ValueRange{});
    rewriter.eraseOp(op);
    return success();
  }
};

struct SelectAwait : Select<AwaitOp> {
  using Select::Select;
  LogicalResult matchAndRewrite(AwaitOp op, PatternRewriter &rewriter) const override {
    LLVM::CallIntrinsicOp::create(rewriter, op.getLoc(), rewriter.getStringAttr("llvm.nvvm.cp.async.wait.group"),
                                  ValueRange{i32(rewriter, op.getLoc(), int32_t(op.getPending()))});
    rewriter.eraseOp(op);
    return success();
  }
};

struct SelectExp2 : Select<Exp2Op> {
  using Select::Select;
  LogicalResult matchAndRewrite(Exp2Op op, PatternRewriter &rewriter) const override {
    if (!op.getX().getType().isF32())
      return rewriter.notifyMatchFailure(op, "not a scalar");
    rewriter.replaceOp(op, call(rewriter, op.getLoc(), op.getX().getType(), "llvm.nvvm.ex2.approx.ftz.f32", {op.getX()}));
    return success();
  }
};

/// From here on processors convert e4m3.
constexpr int64_t convertsBytes = 89;

/// `text` with a result $0. LLVM has intrinsics for it, but takes them from a later PTX on than it needs.
Value assemble(PatternRewriter &rewriter, Location loc, Type type, StringRef text, StringRef constraints, ValueRange operands) {
  return LLVM::InlineAsmOp::create(rewriter, loc, type, operands, text, constraints, /*has_side_effects=*/false,
                                   /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None, /*asm_dialect=*/nullptr,
                                   /*operand_attrs=*/nullptr)
      .getResult(0);
}

/// Two bytes to two halves.
struct SelectWiden : Select<WidenOp> {
  SelectWiden(MLIRContext *context, const Target &target) : Select(context), target(target) {}

  LogicalResult matchAndRewrite(WidenOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Type i16 = rewriter.getI16Type(), i32 = rewriter.getI32Type();
    auto halves = VectorType::get({2}, rewriter.getF16Type());
    bool pair = op.getType() == halves, converts = target.computeCapability >= convertsBytes;
    if (op.getElement() != Element::f8e4m3 || !(pair || (converts && op.getType().isF32())))
      return rewriter.notifyMatchFailure(op, "not two bytes, or one on what has an instruction");
    Value bytes = op.getSource();
    if (pair) {
      bytes = LLVM::BitcastOp::create(rewriter, loc, i16, bytes);
    } else {
      Type type = bytes.getType();
      if (op.getBit())
        bytes = arith::ShRUIOp::create(
            rewriter, loc, bytes, arith::ConstantOp::create(rewriter, loc, rewriter.getIntegerAttr(type, int64_t(op.getBit()))));
      if (type.isInteger(8))
        bytes = arith::ExtUIOp::create(rewriter, loc, i16, bytes);
      else if (!type.isInteger(16))
        bytes = arith::TruncIOp::create(rewriter, loc, i16, bytes);
    }
    Value both =
        converts ? assemble(rewriter, loc, i32, "cvt.rn.f16x2.e4m3x2 $0, $1;", "=r,h", bytes) : shift(rewriter, loc, bytes);
    if (pair) {
      Value numbers = LLVM::BitcastOp::create(rewriter, loc, halves, both);
      if (!converts) { // times 2^8
        auto factor = DenseElementsAttr::get(halves, Attribute(rewriter.getF16FloatAttr(256)));
        numbers = arith::MulFOp::create(rewriter, loc, numbers, arith::ConstantOp::create(rewriter, loc, factor));
      }
      rewriter.replaceOp(op, numbers);
      return success();
    }
    Value half = LLVM::BitcastOp::create(rewriter, loc, rewriter.getF16Type(), arith::TruncIOp::create(rewriter, loc, i16, both));
    rewriter.replaceOpWithNewOp<arith::ExtFOp>(op, op.getType(), half);
    return success();
  }

  /// Two codes where f16 has sign, exponent and fraction: the numbers times 2^-8; of NaN all bits of the exponent.
  static Value shift(PatternRewriter &rewriter, Location loc, Value bytes) {
    Type type = rewriter.getI32Type();
    auto both = [&](Value x, uint32_t bits) -> Value {
      return arith::AndIOp::create(rewriter, loc, x, i32(rewriter, loc, int32_t(bits)));
    };
    Value word = arith::ExtUIOp::create(rewriter, loc, type, bytes);
    Value apart = call(rewriter, loc, type, "llvm.nvvm.prmt", {word, i32(rewriter, loc, 0), i32(rewriter, loc, 0x1404)});
    Value shifted = arith::ShRUIOp::create(rewriter, loc, apart, i32(rewriter, loc, 1));
    Value magnitude = both(shifted, 0x3f803f80), sign = both(apart, 0x80008000);
    Value halves = arith::OrIOp::create(rewriter, loc, magnitude, sign);
    Value next = arith::AddIOp::create(rewriter, loc, halves, i32(rewriter, loc, 0x00800080));
    return arith::OrIOp::create(rewriter, loc, halves, both(next, 0x40004000));
  }

  const Target &target;
};

/// The instruction takes infinities for the greatest number.
struct SelectNarrow : Select<NarrowOp> {
  SelectNarrow(MLIRContext *context, const Target &target) : Select(context), target(target) {}

  LogicalResult matchAndRewrite(NarrowOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    if (op.getElement() != Element::f8e4m3 || target.computeCapability < convertsBytes || !op.getSource().getType().isF32())
      return rewriter.notifyMatchFailure(op, "no instruction for it");
    Value none = arith::ConstantOp::create(rewriter, loc, rewriter.getF32FloatAttr(0));
    Value both =
        assemble(rewriter, loc, rewriter.getI16Type(), "cvt.rn.satfinite.e4m3x2.f32 $0, $1, $2;", "=h,f,f", {none, op.getSource()});
    Value code = arith::TruncIOp::create(rewriter, loc, op.getType(), both);
    Value bits = arith::BitcastOp::create(rewriter, loc, rewriter.getI32Type(), op.getSource());
    Value magnitude = arith::AndIOp::create(rewriter, loc, bits, i32(rewriter, loc, 0x7fffffff));
    Value isFinite = arith::CmpIOp::create(rewriter, loc, arith::CmpIPredicate::ult, magnitude, i32(rewriter, loc, 0x7f800000));
    Value nan = arith::ConstantOp::create(rewriter, loc, rewriter.getI8IntegerAttr(0x7f));
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, isFinite, code, nan);
    return success();
  }

  const Target &target;
};

} // namespace

void addCudaInstructions(RewritePatternSet &patterns, const Target &target) {
  patterns.add<SelectLane, SelectExchange, SelectBarrier, SelectMma, SelectReadTransposed, SelectCopy, SelectCommit, SelectAwait,
               SelectExp2>(patterns.getContext());
  patterns.add<SelectWiden, SelectNarrow>(patterns.getContext(), target);
}

} // namespace kv
