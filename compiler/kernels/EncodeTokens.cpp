// kv.encode_token -> what the codec's family makes of a token: scales and zeros go to the page, stored bits to scratch and from
// there to their places.
//
//   kv.encode_token %k[%e] as f16 to key of %page head %h slot %s by %bits in !cache
//   ->  %t = kv.load %k[..] as f16;  kv.store %codes to %bits[..];  kv.scatter %bits to key of %page head %h slot %s in !cache
#include "compiler/codecs/CodecFamily.h"
#include "compiler/kernels/Passes.h"

using namespace mlir;

namespace kv {
namespace {

struct EncodeTokens : PassWrapper<EncodeTokens, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(EncodeTokens)
  StringRef getArgument() const final { return "kv-encode-tokens"; }
  StringRef getDescription() const final { return "lower tokens to their codes, scales and zeros"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, LLVM::LLVMDialect, arith::ArithDialect, math::MathDialect>();
  }

  void runOnOperation() override {
    SmallVector<EncodeTokenOp> ops;
    getOperation().walk([&](EncodeTokenOp op) { ops.push_back(op); });
    KernelBuilder b(getOperation());
    for (EncodeTokenOp op : ops) {
      b.loc = op.getLoc();
      b.setInsertionPoint(op);
      TokenRow row = rowOf(op);
      familyOf(row.codec()).encode(b, row);
      ScatterOp::create(b, b.loc, row.bits, row.page, row.stream, row.cache, row.head, row.slot);
      op.erase();
    }
  }
};

} // namespace

std::unique_ptr<Pass> createEncodeTokensPass() { return std::make_unique<EncodeTokens>(); }

} // namespace kv
