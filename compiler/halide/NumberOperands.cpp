// Row operands that functions of Halide read -> the same in the order of their numbers: those functions' own loads say which of the
// cache's elements go with them, and know nothing of the schedule's.
//
//   kv.pack %t to %q[..] for key u8s8 of !cache   ->   kv.pack %t to %q[..] for key u8s8 of !cache {numbered}
#include "compiler/halide/Passes.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace kv {
namespace {

struct NumberOperands : PassWrapper<NumberOperands, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(NumberOperands)
  StringRef getArgument() const final { return "kv-number-operands"; }
  StringRef getDescription() const final { return "order row operands by number for functions that Halide makes"; }

  void runOnOperation() override {
    auto schedule = getOperation()->getAttrOfType<ScheduleAttr>("kv.schedule");
    if (schedule && schedule.getRoute() == Route::halide)
      getOperation().walk([](PackOp op) { op.setNumbered(true); });
  }
};

} // namespace

std::unique_ptr<Pass> createNumberOperandsPass() { return std::make_unique<NumberOperands>(); }

} // namespace kv
