// Loops and conditions, which carry tiles as their parts, and calls.
#include "compiler/distribute/Distributor.h"

using namespace mlir;

namespace kv {

static void distribute(Distributor &d, scf::ForOp op) {
  TeamBuilder &b = d.b;
  SmallVector<Value> init;
  for (Value value : op.getInitArgs())
    if (isa<RankedTensorType>(value.getType()))
      llvm::append_range(init, d.tile(value));
    else
      init.push_back(d.scalar(value));
  auto loop =
      scf::ForOp::create(b, b.loc, d.scalar(op.getLowerBound()), d.scalar(op.getUpperBound()), d.scalar(op.getStep()), init);
  d.scalars.map(op.getInductionVar(), loop.getInductionVar());
  // Carried tiles take as many of the new loop's values as they have parts.
  auto bind = [&](ValueRange from, ValueRange to) {
    size_t next = 0;
    for (auto [value, initial] : llvm::zip(from, op.getInitArgs())) {
      size_t count = isa<RankedTensorType>(value.getType()) ? d.tile(initial).size() : 1;
      if (isa<RankedTensorType>(value.getType()))
        d.tiles[value] = SmallVector<Value>(to.slice(next, count));
      else
        d.scalars.map(value, to[next]);
      next += count;
    }
  };
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    bind(op.getRegionIterArgs(), loop.getRegionIterArgs());
    for (Operation &inner : op.getBody()->without_terminator())
      d.distribute(inner);
    if (!init.empty()) {
      SmallVector<Value> yielded;
      for (Value value : op.getBody()->getTerminator()->getOperands())
        if (isa<RankedTensorType>(value.getType()))
          llvm::append_range(yielded, d.tile(value));
        else
          yielded.push_back(d.scalar(value));
      scf::YieldOp::create(b, b.loc, yielded);
    }
  }
  bind(op.getResults(), loop.getResults());
}

/// Conditions of level 1 yield scalars only.
static void distribute(Distributor &d, scf::IfOp op) {
  TeamBuilder &b = d.b;
  auto copy = scf::IfOp::create(b, b.loc, op.getResultTypes(), d.scalar(op.getCondition()), !op.getElseRegion().empty());
  for (auto [from, to] : llvm::zip(op->getRegions(), copy->getRegions())) {
    if (from.empty())
      continue;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&to.front());
    for (Operation &inner : from.front().without_terminator())
      d.distribute(inner);
    if (op.getNumResults()) {
      SmallVector<Value> yielded;
      for (Value value : from.front().getTerminator()->getOperands())
        yielded.push_back(d.scalar(value));
      scf::YieldOp::create(b, b.loc, yielded);
    }
  }
  for (auto [from, to] : llvm::zip(op.getResults(), copy.getResults()))
    d.scalars.map(from, to);
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
