// Loops and conditions, which carry tiles as their parts, and calls.
#include "compiler/distribute/Distributor.h"

using namespace mlir;

namespace kv {

/// Values that cross the edge of a region, tiles as their parts.
static SmallVector<Value> partsOf(Distributor &d, ValueRange values) {
  SmallVector<Value> parts;
  for (Value value : values)
    if (isa<RankedTensorType>(value.getType()))
      llvm::append_range(parts, d.tile(value));
    else
      parts.push_back(d.scalar(value));
  return parts;
}

/// Tells what `values` have become: a tile is as many of `parts` as it has.
static void bind(Distributor &d, ValueRange values, ValueRange parts) {
  size_t next = 0;
  for (Value value : values) {
    auto tile = dyn_cast<RankedTensorType>(value.getType());
    size_t count = tile ? d.numParts(tile) : 1;
    if (tile)
      d.tiles[value] = SmallVector<Value>(parts.slice(next, count));
    else
      d.scalars.map(value, parts[next]);
    next += count;
  }
}

static void distribute(Distributor &d, scf::ForOp op) {
  TeamBuilder &b = d.b;
  SmallVector<Value> init = partsOf(d, op.getInitArgs());
  auto loop =
      scf::ForOp::create(b, b.loc, d.scalar(op.getLowerBound()), d.scalar(op.getUpperBound()), d.scalar(op.getStep()), init);
  d.scalars.map(op.getInductionVar(), loop.getInductionVar());
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    bind(d, op.getRegionIterArgs(), loop.getRegionIterArgs());
    for (Operation &inner : op.getBody()->without_terminator())
      d.distribute(inner);
    if (!init.empty())
      scf::YieldOp::create(b, b.loc, partsOf(d, op.getBody()->getTerminator()->getOperands()));
  }
  bind(d, op.getResults(), loop.getResults());
}

static void distribute(Distributor &d, scf::IfOp op) {
  TeamBuilder &b = d.b;
  SmallVector<Type> types;
  for (Type type : op.getResultTypes())
    if (auto tile = dyn_cast<RankedTensorType>(type))
      types.append(d.numParts(tile), d.partType(tile));
    else
      types.push_back(type);
  auto copy = scf::IfOp::create(b, b.loc, types, d.scalar(op.getCondition()), !op.getElseRegion().empty());
  for (auto [from, to] : llvm::zip(op->getRegions(), copy->getRegions())) {
    if (from.empty())
      continue;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&to.front());
    for (Operation &inner : from.front().without_terminator())
      d.distribute(inner);
    if (op.getNumResults())
      scf::YieldOp::create(b, b.loc, partsOf(d, from.front().getTerminator()->getOperands()));
  }
  bind(d, op.getResults(), copy.getResults());
}

/// What a kernel calls works on the same scratch.
static TeamMemory memoryOf(func::CallOp) { return {.reads = true, .writes = true}; }

static void distribute(Distributor &d, func::CallOp op) { d.b.clone(*op, d.scalars); }

void attachControlFlowModels(MLIRContext *context) {
  attachModel<scf::ForOp, distribute>(context);
  attachModel<scf::IfOp, distribute>(context);
  attachModel<func::CallOp, distribute, memoryOf>(context);
}

} // namespace kv
