// kv.append followed by kv.attend on the same cache becomes one kv.append_attend, so that a step reads what it has just stored
// while it is still in registers or cache.
//
//   kv.append %k, %v to %c                  %o, %lse = kv.append_attend %q, %k, %v on %c ...
//   %o, %lse = kv.attend %q on %c ...   ->
//
// Refuses pairs with another op on the cache between them, and pairs whose numbers of tokens and queries differ.
#include "compiler/policy/Passes.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace kv {
namespace {

struct FuseAppendAttend : PassWrapper<FuseAppendAttend, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FuseAppendAttend)
  StringRef getArgument() const final { return "kv-fuse-append-attend"; }
  StringRef getDescription() const final { return "fuse kv.append with the kv.attend that follows it"; }

  void runOnOperation() override {
    SmallVector<AttendOp> attends;
    getOperation().walk([&](AttendOp attend) { attends.push_back(attend); });
    for (AttendOp attend : attends)
      if (AppendOp append = appendBefore(attend))
        fuse(append, attend);
  }

  static AppendOp appendBefore(AttendOp attend) {
    for (Operation *op = attend->getPrevNode(); op; op = op->getPrevNode()) {
      if (!llvm::is_contained(op->getOperands(), attend.getCache()))
        continue;
      auto append = dyn_cast<AppendOp>(op);
      if (!append || cast<RankedTensorType>(append.getKeys().getType()).getDimSize(0) !=
                         cast<RankedTensorType>(attend.getQuery().getType()).getDimSize(0))
        return {};
      return append;
    }
    return {};
  }

  static void fuse(AppendOp append, AttendOp attend) {
    OpBuilder b(attend);
    SmallVector<Value> operands = {attend.getQuery(), append.getKeys(), append.getValues(), attend.getCache()};
    llvm::append_range(operands, attend->getOperands().drop_front(2)); // what comes after the query and the cache
    auto fused = AppendAttendOp::create(b, attend.getLoc(), attend->getResultTypes(), operands, attend->getAttrs());
    fused.getMask().takeBody(attend.getMask());
    fused.getScore().takeBody(attend.getScore());
    attend.replaceAllUsesWith(fused);
    attend.erase();
    append.erase();
  }
};

} // namespace

std::unique_ptr<Pass> createFuseAppendAttendPass() { return std::make_unique<FuseAppendAttend>(); }

} // namespace kv
