// Rules of the operations of the online level (KvOnlineOps.td). Each check names the rule that it enforces.
#include "dialect/KvOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

#include <cmath>

using namespace mlir;

namespace kv {

LogicalResult AttendBlockOp::verify() {
  auto isTile = [](Value value) { return isa<RankedTensorType>(value.getType()); };
  bool inHomes = getState().size() == 3 && llvm::none_of(getState(), isTile) && getNext().empty();
  bool inTiles = getState().size() >= 3 && llvm::all_of(getState(), isTile) && getState().getTypes() == getNext().getTypes() &&
                 getTiles() == RowTiles::one;
  if (!inHomes && !inTiles) // C1
    return emitOpError() << "expected a state of three homes, or of one row tile as many tiles, three or more, as results of their types";
  double scale = getScale().convertToDouble();
  if (!std::isfinite(scale) || scale <= 0 || int64_t(getGroup()) < 1 || int64_t(getLeast()) < 1) // C2
    return emitOpError() << "expected a positive finite scale, and `group` and `least` of at least 1";
  if (!isScore(getScore())) // C3
    return emitOpError() << "expected a score region of (f32, i32, i32, index) that ends in kv.yield";
  auto function = (*this)->getParentOfType<func::FuncOp>();
  if (!function || !function->hasAttr("kv.schedule")) // C4
    return emitOpError() << "expected a function with a `kv.schedule`";
  return success();
}

} // namespace kv
