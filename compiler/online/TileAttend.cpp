// kv.attend and kv.append_attend -> the kernels of one item: `NAME.attend` and `NAME.merge`.
//
// Attend is flash attention over blocks of tokens; maximum, sum and accumulator of every row are explicit and live in scratch, so
// that a split ends by writing them out and merge joins splits in order:
//
//   for each block of the item's tokens:
//     for each kv head of the item:                        pages are read whole, in the order in which they lie in memory
//       for each tile of rows (query, head):
//         s   = score(q . k)  masked                       product over channels, tokens along lanes
//         m'  = max(m, max s),  p = exp2((s - m') * u),  c = exp2((m - m') * u)      u: a unit of s in those of log2
//         sum = sum * c + add p
//         acc = acc * c + p . v                            product over tokens, channels along lanes
//
// Scales of keys multiply s, scales of values multiply p. Blocks that no row may see are never visited.
#include "compiler/kernels/AttendKernel.h"
#include "compiler/online/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace kv {
namespace {

struct TileAttend : PassWrapper<TileAttend, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TileAttend)
  StringRef getArgument() const final { return "kv-tile-attend"; }
  StringRef getDescription() const final { return "lower attends to loops over blocks of tokens"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, LLVM::LLVMDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect>();
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<func::FuncOp> done;
    for (func::FuncOp func : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      if (func.isDeclaration() || func->hasAttr("kv.kernel"))
        continue;
      for (Operation &op : func.getBody().front()) {
        if (isa<AttendOp, AppendAttendOp>(op) && !op.getAttrOfType<ScheduleAttr>("schedule")) {
          op.emitOpError() << "expected a `schedule`, which kv-select-schedule writes";
          return signalPassFailure();
        }
        if (auto attend = dyn_cast<AttendOp>(op)) {
          buildAttendKernel(module, func, describe(attend));
          buildMergeKernel(module, func, describe(attend));
          done.push_back(func);
        } else if (auto fused = dyn_cast<AppendAttendOp>(op)) {
          buildFusedKernel(module, func, fused->getAttrOfType<ScheduleAttr>("schedule"), fused.getCache().getType());
          done.push_back(func);
        }
      }
    }
    for (func::FuncOp func : done)
      func.erase();
  }
};

} // namespace

std::unique_ptr<Pass> createTileAttendPass() { return std::make_unique<TileAttend>(); }

} // namespace kv
