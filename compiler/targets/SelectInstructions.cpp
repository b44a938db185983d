// Replaces kv.dot, kv.exp2 and the conversions of f16 by the target's instructions where its table has them and by arithmetic where
// not, and functions of the score by polynomials. What is left is arith, math operations that are one instruction, vector, scf,
// llvm.
#include "compiler/targets/SelectInstructions.h"

#include "compiler/targets/generic/Fallbacks.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace kv {
namespace {

struct SelectInstructions : PassWrapper<SelectInstructions, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SelectInstructions)
  explicit SelectInstructions(const Target &target) : target(target) {}
  StringRef getArgument() const final { return "kv-select-instructions"; }
  StringRef getDescription() const final { return "choose instructions from the target's table"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<math::MathDialect, vector::VectorDialect, LLVM::LLVMDialect, arith::ArithDialect>();
  }

  void runOnOperation() override {
    WalkResult tiles = getOperation().walk([](Operation *op) {
      if (llvm::none_of(op->getResultTypes(), llvm::IsaPred<RankedTensorType>))
        return WalkResult::advance();
      op->emitOpError() << "expected vectors and scalars, which kv-distribute-tiles makes of tiles";
      return WalkResult::interrupt();
    });
    if (tiles.wasInterrupted())
      return signalPassFailure();
    RewritePatternSet patterns(&getContext());
    if (target.addInstructions)
      target.addInstructions(patterns, target);
    addFallbacks(patterns, target);
    populateMathPolynomialApproximationPatterns(patterns, MathPolynomialApproximationOptions());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    getOperation().walk([&](Operation *op) {
      if (isa_and_nonnull<KvDialect>(op->getDialect())) {
        op->emitOpError() << "target `" << target.name() << "` has no instruction for it";
        signalPassFailure();
      }
    });
  }

  const Target &target;
};

} // namespace

std::unique_ptr<Pass> createSelectInstructionsPass(const Target &target) { return std::make_unique<SelectInstructions>(target); }

} // namespace kv
