#include "compiler/online/RowNumbers.h"
#include "compiler/online/BlockAttend.h"

using namespace mlir;

namespace kv {

/// The kv.operands that writes all rows of the product ahead of it, in its block or one around it; null where loops do, part by
/// part.
static OperandsOp writerOf(ProductOp product) {
  for (Operation *around = product; !isa<func::FuncOp>(around); around = around->getParentOp())
    for (Operation *before = around->getPrevNode(); before; before = before->getPrevNode())
      if (auto operands = dyn_cast<OperandsOp>(before); operands && operands.getHome() == product.getRows())
        return operands;
  return {};
}

void RowNumbers::put(OperandsOp operands, Value tile) {
  Value home = operands.getHome();
  bool isValue = false;
  for (Operation *user : home.getUsers())
    if (auto product = dyn_cast<ProductOp>(user))
      isValue |= writerOf(product) == operands;
  values[operands] = tile;
  if (isValue)
    return;
  Value &numbers = homes[home];
  if (!numbers)
    addScratch(b, [&] { numbers = b.scratch(name, cast<MemRefType>(home.getType()).getDimSize(0), 1, element); });
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfter(operands);
  b.put(tile, numbers, operands.getRow());
}

Value RowNumbers::get(ProductOp product) {
  Value home = product.getRows();
  if (OperandsOp writer = writerOf(product))
    return values.lookup(writer);
  Value numbers = homes.lookup(home);
  if (!numbers)
    return {};
  auto writes = [&](Operation *around) {
    WalkResult result =
        around->walk([&](OperandsOp op) { return op.getHome() == home ? WalkResult::interrupt() : WalkResult::advance(); });
    return result.wasInterrupted();
  };
  Operation *place = product;
  while (isa<scf::ForOp>(place->getParentOp()) && !writes(place->getParentOp()))
    place = place->getParentOp();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(place);
  Value row = b.i64(0);
  return b.fetch(numbers, row, {cast<RankedTensorType>(product.getTile().getType()).getDimSize(0)});
}

} // namespace kv
