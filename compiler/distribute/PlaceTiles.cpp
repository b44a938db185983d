// Gives every tile of level 1 its encoding #kv.tile: the last dimension of a rank-2 tile lies along lanes; so do the tokens of a
// rank-1 tile that counts tokens (kv.read, kv.index and what is computed from them). A tile that counts rows is one vector of them
// all. In a team of threads the encoding is #kv.map.
//
//   tensor<4x64xf32>  ->  tensor<4x64xf32, #kv.tile<lanes = 16, dim = 1>>
//   tensor<4xf32>     ->  tensor<4xf32, #kv.tile<lanes = 4, dim = 0>>
//
// Assumes that elementwise ops join tiles of one shape; the verifier has seen to that.
#include "compiler/distribute/Passes.h"
#include "compiler/schedule/Capabilities.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
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
    if (failed(checkTiles()))
      return signalPassFailure();
    countsTokens.clear();
    spreadConstants();
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

  LogicalResult checkTiles() {
    WalkResult result = getOperation().walk([](Operation *op) {
      for (Type type : op->getResultTypes())
        if (auto tile = dyn_cast<RankedTensorType>(type);
            tile && (!tile.hasStaticShape() || tile.getRank() < 1 || tile.getRank() > 2)) {
          op->emitOpError() << "expected a tile of one or two dimensions, got " << tile;
          return WalkResult::interrupt();
        }
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  /// Folding makes `i - i` a constant that is a tile, and a constant has no encoding: each becomes a scalar that is spread.
  void spreadConstants() {
    SmallVector<arith::ConstantOp> constants;
    getOperation().walk([&](arith::ConstantOp constant) {
      if (isa<SplatElementsAttr>(constant.getValue()))
        constants.push_back(constant);
    });
    for (arith::ConstantOp constant : constants) {
      OpBuilder b(constant);
      auto number = cast<SplatElementsAttr>(constant.getValue()).getSplatValue<TypedAttr>();
      Value scalar = arith::ConstantOp::create(b, constant.getLoc(), number);
      constant.replaceAllUsesWith(SpreadOp::create(b, constant.getLoc(), constant.getType(), scalar, /*dim=*/0).getTile());
      constant.erase();
    }
  }

  /// Of a team of threads: tiles as high as those of a matrix instruction lie as its sums do; the others have columns along
  /// threads.
  static MapAttr mapOf(RankedTensorType type, bool tokens, ScheduleAttr schedule) {
    int64_t matrix = roundsRows(schedule.getScores().getDot()) ? schedule.getRows().getOne() : 0;
    int64_t columns = std::gcd(schedule.getTeam().getLanes(), type.getShape().back());
    bool isMatrix = matrix && (type.getRank() == 2 || !tokens ? type.getDimSize(0) == matrix : type.getDimSize(0) % 8 == 0);
    SmallVector<int64_t> along;
    for (int64_t bit = 0; int64_t(1) << bit < columns; ++bit)
      along.push_back(bit);
    auto list = [&](ArrayRef<int64_t> bits) { return DenseI64ArrayAttr::get(type.getContext(), bits); };
    // The sums of an instruction are 16 x 8: of rows x columns, or of columns x rows where there are no more than 8 rows.
    static constexpr int64_t of16[] = {2, 3, 4}, of8[] = {-1, 0, 1};
    ArrayRef<int64_t> rows, across = along;
    if (isMatrix) {
      rows = matrix == 16 ? of16 : of8;
      across = matrix == 16 ? of8 : of16;
    }
    DenseI64ArrayAttr rowBits = list(rows), columnBits = list(across);
    if (type.getRank() == 1)
      return MapAttr::get(type.getContext(), {tokens ? columnBits : rowBits});
    return MapAttr::get(type.getContext(), {rowBits, columnBits});
  }

  void place(Value value, bool tokens, ScheduleAttr schedule) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type)
      return;
    int64_t dim = type.getRank() - 1, extent = type.getShape().back();
    bool rows = dim == 0 && !tokens;
    if (dim == 0 && tokens)
      countsTokens.insert(value);
    if (schedule.getTeam().getThreads()) {
      value.setType(type.cloneWithEncoding(mapOf(type, tokens, schedule)));
      return;
    }
    int64_t own = rows ? extent : std::gcd(schedule.getTeam().getLanes(), extent);
    if (rows && extent == 1) // a row alone is a scalar
      dim = -1;
    value.setType(type.cloneWithEncoding(TileAttr::get(type.getContext(), own, dim)));
  }
};

} // namespace

std::unique_ptr<Pass> createPlaceTilesPass() { return std::make_unique<PlaceTiles>(); }

} // namespace kv
