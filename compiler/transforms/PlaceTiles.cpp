// Gives every tile of level 1 its encoding #kv.tile: the last dimension of a rank-2 tile lies along lanes; so do the tokens of a
// rank-1 tile that counts tokens (kv.read, kv.index and what is computed from them). A tile that counts rows is one vector of them
// all; in a team of threads each thread holds it whole.
//
//   tensor<4x64xf32>  ->  tensor<4x64xf32, #kv.tile<lanes = 16, dim = 1>>
//   tensor<4xf32>     ->  tensor<4xf32, #kv.tile<lanes = 4, dim = 0>>
//
// Assumes that elementwise ops join tiles of one shape; the verifier has seen to that.
#include "compiler/transforms/Passes.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <numeric>

using namespace mlir;

namespace kv {
namespace {

struct PlaceTiles : PassWrapper<PlaceTiles, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PlaceTiles)
  StringRef getArgument() const final { return "kv-place-tiles"; }
  StringRef getDescription() const final { return "give every tile its encoding"; }

  void runOnOperation() override {
    auto schedule = getOperation()->getAttrOfType<ScheduleAttr>("kv.schedule");
    if (!schedule)
      return;
    countsTokens.clear();
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (BlockArgument argument : block.getArguments())
            place(argument, /*tokens=*/false, schedule);
      bool tokens = isa<ReadOp, IndexOp>(op) ||
                    (!isa<SpreadOp, ReduceOp, RowsOp, FetchOp>(op) &&
                     llvm::any_of(op->getOperands(), [&](Value operand) { return countsTokens.contains(operand); }));
      for (Value result : op->getResults())
        place(result, tokens, schedule);
    });
  }

private:
  DenseSet<Value> countsTokens;

  void place(Value value, bool tokens, ScheduleAttr schedule) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type)
      return;
    int64_t dim = type.getRank() - 1, extent = type.getShape().back();
    bool rows = dim == 0 && !tokens;
    if (dim == 0 && tokens)
      countsTokens.insert(value);
    int64_t own = rows ? extent : std::gcd(schedule.getLanes(), extent);
    if (rows && (extent == 1 || schedule.getThreads())) { // a row alone is a scalar; threads hold all rows
      dim = -1;
      own = 1;
    }
    value.setType(type.cloneWithEncoding(TileAttr::get(type.getContext(), own, dim)));
  }
};

} // namespace

std::unique_ptr<Pass> createPlaceTilesPass() { return std::make_unique<PlaceTiles>(); }

} // namespace kv
