// Gives every tile of level 1 its encoding #kv.tile: the last dimension of a rank-2 tile lies along lanes; a rank-1 tile lies along
// lanes when it counts tokens (kv.read, kv.index and what is computed from them) and is held by every lane when it counts rows.
//
//   tensor<4x64xf32>  ->  tensor<4x64xf32, #kv.tile<lanes = 16, dim = 1>>
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
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (BlockArgument argument : block.getArguments())
            place(argument, /*alongTokens=*/false, schedule.getLanes());
      bool alongTokens = isa<ReadOp, IndexOp>(op);
      if (!isa<SpreadOp, ReduceOp, RowsOp, FetchOp>(op))
        for (Value operand : op->getOperands())
          if (auto type = dyn_cast<RankedTensorType>(operand.getType()))
            if (auto tile = dyn_cast_or_null<TileAttr>(type.getEncoding()))
              alongTokens |= type.getRank() == 1 && tile.getDim() == 0;
      for (Value result : op->getResults())
        place(result, alongTokens, schedule.getLanes());
    });
  }

  static void place(Value value, bool alongTokens, int64_t lanes) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type)
      return;
    int64_t dim = type.getRank() == 2 ? 1 : alongTokens ? 0 : -1;
    int64_t own = dim < 0 ? 1 : std::gcd(lanes, type.getShape().back());
    value.setType(type.cloneWithEncoding(TileAttr::get(type.getContext(), own, dim)));
  }
};

} // namespace

std::unique_ptr<Pass> createPlaceTilesPass() { return std::make_unique<PlaceTiles>(); }

} // namespace kv
