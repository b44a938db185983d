// kv.finish -> o and lse of every row, or its part of the item's partial result.
#include "compiler/kernels/AttendKernel.h"
#include "compiler/kernels/Partial.h"
#include "compiler/kernels/Passes.h"

using namespace mlir;

namespace kv {
namespace {

/// Either the finished rows, or the partial ones for merge (kv_abi.h gives their layout).
void lower(KernelBuilder &b, FinishOp op) {
  int64_t group = int64_t(op.getGroup()), dim = cast<MemRefType>(op.getAccumulator().getType()).getDimSize(1);
  double unit = op.getUnit().convertToDouble();
  Value zero = b.i64(0), numRows = op.getRows();
  Value partial = b.read(ItemField::partial);
  Value null = LLVM::ZeroOp::create(b, b.loc, b.ptr());
  Value whole = LLVM::ICmpOp::create(b, b.loc, LLVM::ICmpPredicate::eq, partial, null);
  Value firstQuery = b.read(StepField::query_start_loc, op.getSeq());
  auto scalar = [&](Value home, Value row) {
    Value tile = b.fetch(home, b.add(op.getFirst(), row), zero, {1});
    return RowOp::create(b, b.loc, b.getF32Type(), tile).getResult();
  };
  // As a score: what softmax has is a product in units of the row.
  auto maximum = [&](Value row) {
    Value found = scalar(op.getMaximum(), row);
    if (op.getScales()) {
      Value scale = scalar(op.getScales(), row);
      return b.mulf(found, b.mulf(scale, b.f32(unit)));
    }
    return unit == 1 ? found : b.mulf(found, b.f32(unit));
  };
  ItemRows rows{b, op.getHead(), op.getQuery(), numRows, group};
  b.ifElse(
      whole,
      [&] {
        b.loop(zero, numRows, 1, [&](Value row) {
          auto accumulator = [&](Value channel, int64_t chunk) {
            return b.fetch(op.getAccumulator(), b.add(op.getFirst(), row), channel, {1, chunk});
          };
          Value token = b.add(firstQuery, rows.queryOf(row)), head = rows.headOf(row);
          writeRow(b, op.getOutput(), token, head, {maximum(row), scalar(op.getSum(), row), dim, accumulator});
        });
      },
      [&] {
        int64_t chunk = b.rowChunk(dim);
        // Partial results of a head lie split after split.
        Value elements = Partial::elements(b, numRows, dim), splits = b.read(ItemField::num_partials);
        Value heads = b.sub(op.getHead(), op.getFirstHead()), ofHead = b.mul(splits, elements);
        Value before = arith::MulIOp::create(b, b.loc, heads, ofHead);
        Value own = b.at(partial, b.mul(before, 4));
        Partial place{b, numRows, zero, dim};
        b.loop(zero, numRows, 1, [&](Value row) {
          Value greatest = maximum(row);
          b.store(greatest, b.at(own, b.mul(place.maximum(row), 4)));
          Value sum = scalar(op.getSum(), row);
          b.store(sum, b.at(own, b.mul(place.sum(row), 4)));
          b.loop(zero, b.i64(dim), chunk, [&](Value channel) {
            Value tile = b.fetch(op.getAccumulator(), b.add(op.getFirst(), row), channel, {1, chunk});
            SaveOp::create(b, b.loc, tile, own, place.accumulator(row, channel), b.getF32Type());
          });
        });
      });
}

struct LowerFinish : PassWrapper<LowerFinish, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerFinish)
  StringRef getArgument() const final { return "kv-lower-finish"; }
  StringRef getDescription() const final { return "write results of an item's rows"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, arith::ArithDialect, math::MathDialect, LLVM::LLVMDialect>();
  }

  void runOnOperation() override {
    SmallVector<FinishOp> ops;
    getOperation().walk([&](FinishOp op) { ops.push_back(op); });
    KernelBuilder b(getOperation());
    for (FinishOp op : ops) {
      if (!op.isPlaced()) {
        op.emitOpError() << "expected a state in homes, as kv-order-loops places it";
        return signalPassFailure();
      }
      b.loc = op.getLoc();
      b.setInsertionPoint(op);
      lower(b, op);
      op.erase();
    }
  }
};

} // namespace

std::unique_ptr<Pass> createLowerFinishPass() { return std::make_unique<LowerFinish>(); }

} // namespace kv
