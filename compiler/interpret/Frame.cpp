#include "compiler/interpret/Frame.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include <cstring>

using namespace mlir;

namespace kv::tiles {

const Table &Table::all() {
  static const Table made = [] {
    Table table;
    for (auto add :
         {addAddressOps, addCacheOps, addControlFlow, addElementwiseOps, addMemoryOps, addProductOps, addStepOps, addTileOps})
      add(table);
    return table;
  }();
  return made;
}

const Datum &Frame::get(mlir::Value value) const {
  auto found = values.find(value);
  assert(found != values.end() && "a value is defined before it is used");
  return found->second;
}

const CacheReader &Frame::reader(CacheType cache) {
  return run.readers.try_emplace(cache.getAsOpaquePointer(), cache).first->second;
}

Address Frame::makeBytes(int64_t count) {
  Address made = bytes.emplace_back(size_t(count), uint8_t(0xff)).data();
  own.write(made, count);
  return made;
}

kv_item &Frame::makeItem() {
  kv_item &made = items.emplace_back();
  auto *fields = reinterpret_cast<char *>(&made);
  for (size_t field = 0; field < sizeof(kv_item) / sizeof(int64_t); ++field)
    std::memcpy(fields + field * sizeof(int64_t), &unsetField, sizeof(int64_t));
  return made;
}

llvm::Error Frame::call(func::FuncOp function, llvm::ArrayRef<Datum> arguments) {
  if (function.isDeclaration())
    return fail(function, "`{}` has no body", function.getName().str());
  for (auto [argument, datum] : llvm::zip_equal(function.getArguments(), arguments))
    set(argument, datum);
  llvm::SmallVector<Datum> results;
  return runBlock(function.front(), results);
}

llvm::Error Frame::runBlock(mlir::Block &block, llvm::SmallVectorImpl<Datum> &yielded) {
  for (Operation &op : block) {
    if (isa<scf::YieldOp, func::ReturnOp>(op)) {
      for (mlir::Value operand : op.getOperands())
        yielded.push_back(get(operand));
      return llvm::Error::success();
    }
    const Table::Handler *handler = Table::all().find(&op);
    if (!handler)
      return fail(&op, "is no op of level 1 that the interpreter knows");
    if (llvm::Error error = (*handler)(*this, &op))
      return error;
  }
  return llvm::Error::success();
}

//===- control flow ----------------------------------------------------------------------------------------------------------===//

static llvm::Error runFor(Frame &frame, scf::ForOp op) {
  const int64_t end = frame.integer(op.getUpperBound()), step = frame.integer(op.getStep());
  if (step <= 0)
    return fail(op, "expected a positive step, got {}", step);
  llvm::SmallVector<Datum> carried;
  for (mlir::Value init : op.getInitArgs())
    carried.push_back(frame.get(init));
  for (int64_t at = frame.integer(op.getLowerBound()); at < end; at += step) {
    frame.set(op.getInductionVar(), Data::ofInteger(at));
    for (auto [argument, datum] : llvm::zip_equal(op.getRegionIterArgs(), carried))
      frame.set(argument, std::move(datum));
    carried.clear();
    if (llvm::Error error = frame.runBlock(*op.getBody(), carried))
      return error;
  }
  for (auto [result, datum] : llvm::zip_equal(op.getResults(), carried))
    frame.set(result, std::move(datum));
  return llvm::Error::success();
}

static llvm::Error runIf(Frame &frame, scf::IfOp op) {
  mlir::Region &region = frame.isTrue(op.getCondition()) ? op.getThenRegion() : op.getElseRegion();
  llvm::SmallVector<Datum> results;
  if (!region.empty())
    if (llvm::Error error = frame.runBlock(region.front(), results))
      return error;
  for (auto [result, datum] : llvm::zip_equal(op.getResults(), results))
    frame.set(result, std::move(datum));
  return llvm::Error::success();
}

/// Kernels call kernels: the second argument is the item.
static llvm::Error runCall(Frame &frame, func::CallOp op) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  if (!callee || op.getNumOperands() != 2 || op.getNumResults())
    return fail(op, "expected a kernel, got `{}`", op.getCallee().str());
  llvm::SmallVector<Datum> arguments = {frame.get(op.getOperand(0)), frame.get(op.getOperand(1))};
  Frame called(frame.run, *reinterpret_cast<const kv_item *>(frame.address(op.getOperand(1))));
  return called.call(callee, arguments);
}

void addControlFlow(Table &table) {
  table.add<scf::ForOp>(runFor);
  table.add<scf::IfOp>(runIf);
  table.add<func::CallOp>(runCall);
}

} // namespace kv::tiles
