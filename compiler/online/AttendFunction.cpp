// A row tile and a block by a function that Halide makes: kv.attend_rows, and the declaration that says what the function is to do.
#include "compiler/online/AttendImpl.h"
#include "compiler/schedule/StreamAccess.h"
#include "mlir/Support/DebugStringHelper.h"

using namespace mlir;

namespace kv {

/// The score region as a list: see halide::ScoreOp.
static ArrayAttr scoreOps(OpBuilder &b, const AttendSpec &spec) {
  SmallVector<Attribute> ops;
  if (spec.score->empty())
    return b.getArrayAttr(ops);
  Block &block = spec.score->front();
  DenseMap<Value, int64_t> numbers;
  for (auto [i, argument] : llvm::enumerate(block.getArguments().take_front(4)))
    numbers[argument] = int64_t(i);
  auto add = [&](StringRef name, ArrayRef<int64_t> operands, Type type, double value, int64_t predicate) {
    std::string typeName = debugString(type);
    ops.push_back(b.getDictionaryAttr(
        {b.getNamedAttr("name", b.getStringAttr(name)), b.getNamedAttr("operands", b.getDenseI64ArrayAttr(operands)),
         b.getNamedAttr("predicate", b.getI64IntegerAttr(predicate)), b.getNamedAttr("type", b.getStringAttr(typeName)),
         b.getNamedAttr("value", b.getF64FloatAttr(value))}));
    return 3 + int64_t(ops.size());
  };
  // Constants may stand outside the region: canonicalization moves them there.
  auto numberOf = [&](Value value) {
    auto constant = numbers.contains(value) ? arith::ConstantOp() : value.getDefiningOp<arith::ConstantOp>();
    if (!constant)
      return numbers.lookup(value);
    auto real = dyn_cast<FloatAttr>(constant.getValue());
    APInt integer = real ? APInt() : cast<IntegerAttr>(constant.getValue()).getValue();
    double number =
        real ? real.getValueAsDouble() : double(integer.getBitWidth() == 1 ? integer.getZExtValue() : integer.getSExtValue());
    return numbers[value] = add("constant", {}, constant.getType(), number, 0);
  };
  for (Operation &op : block) {
    if (isa<arith::ConstantOp>(op))
      continue;
    if (auto yield = dyn_cast<YieldOp>(op)) {
      add("result", {numberOf(yield.getValue())}, b.getF32Type(), 0, 0);
      continue;
    }
    if (op.getName().getStringRef() == "tensor.extract") {
      unsigned index =
          cast<BlockArgument>(op.getOperand(0)).getArgNumber() - cast<BlockArgument>(spec.params.front()).getArgNumber();
      numbers[op.getResult(0)] = add("array", {}, b.getF32Type(), double(index), 0);
      continue;
    }
    if (isa<arith::IndexCastOp>(op)) { // of the head, which the function has as a number
      numbers[op.getResult(0)] = 3;
      continue;
    }
    SmallVector<int64_t> operands;
    for (Value operand : op.getOperands())
      operands.push_back(numberOf(operand));
    auto predicate = op.getAttrOfType<IntegerAttr>("predicate");
    numbers[op.getResult(0)] =
        add(op.getName().getStringRef(), operands, op.getResult(0).getType(), 0, predicate ? predicate.getInt() : 0);
  }
  return b.getArrayAttr(ops);
}

/// Homes of what makes numbers of rounded queries.
SmallVector<Value> Attend::roundings() const {
  SmallVector<Value> homes;
  if (roundsQueries())
    homes.push_back(homeQScale);
  if (roundsQueries() && homeQSum)
    homes.push_back(homeQSum);
  return homes;
}

/// `NAME_rowsN`, declared with what a plan needs (compiler/halide/WritePlan.cpp).
FlatSymbolRefAttr Attend::functionOfTile() {
  auto module = b.function()->getParentOfType<ModuleOp>();
  std::string name = b.function().getName().str();
  llvm::replace(name, '.', '_');
  name += "_rows" + std::to_string(tile.rows);
  auto symbol = FlatSymbolRefAttr::get(b.getContext(), name);
  if (module.lookupSymbol(name))
    return symbol;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(module.getBody());
  // Buffers of queries, limits and what rounding leaves, of every region and maybe a page table, of maximum and sum; three numbers;
  // maybe what is ahead; three results.
  bool several = fitBlocks(cache, block) == BlockFit::whole && block > cache.getLayout().getSlots();
  bool hasScore = !spec.score->empty();
  size_t regions = mapPage(cache).regions.size();
  SmallVector<Type> arguments(4 + roundings().size() + bool(homeQRest) + (hasScore ? 3 : 0) + regions + several, b.ptr());
  arguments.append(3 + bool(homeQRest) + hasScore, b.getI32Type());
  arguments.append(asksByTiles() ? 4 : 3, b.ptr());
  int64_t spread = mixesQueries() ? int64_t(llvm::divideCeil(tile.rows - 1, spec.group())) : 0; // queries of a tile, less one
  auto function = func::FuncOp::create(b, b.loc, name, b.getFunctionType(arguments, {b.getI32Type()}));
  function.setPrivate();
  function->setAttr("kv.halide", b.getDictionaryAttr({
                                     b.getNamedAttr("arrays", b.getI64IntegerAttr(int64_t(spec.params.size()))),
                                     b.getNamedAttr("cache", TypeAttr::get(cache)),
                                     b.getNamedAttr("factor", b.getF64FloatAttr(rowFactor())),
                                     b.getNamedAttr("rowsOfSums", b.getI64IntegerAttr(maxRows)),
                                     b.getNamedAttr("keySlice", b.getI64IntegerAttr(tile.keySlice)),
                                     b.getNamedAttr("rows", b.getI64IntegerAttr(tile.rows)),
                                     b.getNamedAttr("schedule", schedule),
                                     b.getNamedAttr("score", scoreOps(b, spec)),
                                     b.getNamedAttr("spread", b.getI64IntegerAttr(spread)),
                                     b.getNamedAttr("valueSlice", b.getI64IntegerAttr(tile.valueSlice)),
                                 }));
  return symbol;
}

/// What a score expression knows of the rows of a tile.
void Attend::putKnown(const Rows &at) {
  SmallVector<Value> positions, heads;
  SmallVector<SmallVector<Value>> arrays(spec.params.size());
  for (int64_t r = 0; r < tile.rows; ++r) {
    Value row = b.add(at.ofHead, r), head = headOfRow(at.head, row);
    positions.push_back(b.toI32(positionOf(queryOfRow(row))));
    heads.push_back(b.toI32(head));
    for (auto [param, values] : llvm::enumerate(arrays))
      values.push_back(b.argument(int64_t(param), head));
  }
  RankedTensorType integers = b.tile({tile.rows}, b.getI32Type());
  b.put(RowsOp::create(b, b.loc, integers, positions), homePositions, zero(), zero());
  b.put(RowsOp::create(b, b.loc, integers, heads), homeHeads, zero(), zero());
  for (auto [param, values] : llvm::enumerate(arrays))
    for (auto [r, value] : llvm::enumerate(values))
      b.put(b.spread(value, 0, b.tileF32({1, 1})), homeArrays, b.i64(int64_t(param) * tile.rows + int64_t(r)), zero());
}

void Attend::attendByFunction(Value blockValue, Span here, const Head &head) {
  FlatSymbolRefAttr function = functionOfTile();
  b.loop(zero(), paddedRows, tile.rows, [&](Value ofHead) {
    Rows at{blockValue, here, head, ofHead};
    SmallVector<Value> limits;
    for (int64_t r = 0; r < tile.rows; ++r)
      limits.push_back(limitOf(at, queryOfRow(b.add(ofHead, r))));
    b.put(RowsOp::create(b, b.loc, b.tile({tile.rows}, b.getI32Type()), limits), homeLimit, zero(), zero());
    Value token;
    SmallVector<Value> known;
    if (!spec.score->empty()) {
      token = here.token;
      known = {homePositions, homeHeads, homeArrays};
      putKnown(at);
    }
    AttendRowsOp::create(b, b.loc, function, blockValue, rowOf(at), seenBy(at).end, homeQ, homeLimit, homeMax, homeSum, homeNewMax,
                         homeNewSum, homeAcc, roundings(), homeQRest, hasOutliers(at), token, known);
    b.put(b.fetch(homeNewMax, zero(), zero(), {tile.rows}), homeMax, rowOf(at), zero());
    b.put(b.fetch(homeNewSum, zero(), zero(), {tile.rows}), homeSum, rowOf(at), zero());
  });
}

} // namespace kv
