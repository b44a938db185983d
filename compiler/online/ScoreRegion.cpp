// The score region of an attend, evaluated on tiles: every scalar op becomes the same op on tiles.
#include "compiler/kernels/AttendKernel.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;

namespace kv {

Value inlineScore(KernelBuilder &b, mlir::Region &score, Value s, Value queries, Value heads, Value tokens,
                  function_ref<Value(int64_t)> array) {
  auto type = cast<RankedTensorType>(s.getType());
  Block &block = score.front();
  DenseMap<Value, Value> tiles;
  tiles[block.getArgument(0)] = s;
  RankedTensorType integers = type.clone(b.getI32Type());
  if (!block.getArgument(1).use_empty())
    tiles[block.getArgument(1)] = b.spread(queries, 0, integers);
  if (!block.getArgument(2).use_empty())
    tiles[block.getArgument(2)] = b.spread(tokens, 1, integers);
  // The head is an index: it is either converted to a number or used to read a declared array.
  Value head = block.getArgument(3);
  // Constants may stand outside the region: canonicalization moves them there.
  auto tileOf = [&](Value value) -> Value {
    Value &tile = tiles[value];
    if (auto constant = tile ? arith::ConstantOp() : value.getDefiningOp<arith::ConstantOp>())
      tile = b.spreadLike(b.clone(*constant)->getResult(0), s);
    return tile;
  };
  // A division by a constant is a multiplication: half a unit in the last place more, at a tenth of the time.
  auto inverseOf = [&](Value divisor) -> Value {
    FloatAttr constant;
    if (!matchPattern(divisor, m_Constant(&constant)))
      return Value();
    double inverse = 1 / constant.getValueAsDouble();
    return std::isnormal(float(inverse)) ? b.f32(inverse) : Value();
  };
  for (Operation &op : block) {
    if (auto yield = dyn_cast<YieldOp>(op))
      return tileOf(yield.getValue());
    if (isa<arith::ConstantOp>(op))
      continue;
    if (auto argument = dyn_cast<ArgumentOp>(op)) {
      tiles[argument.getValue()] = b.spread(array(int64_t(argument.getNumber())), 0, type);
      continue;
    }
    if (isa<arith::IndexCastOp>(op) && op.getOperand(0) == head) { // as a number, or an argument's index
      if (op.getResult(0).getType().isInteger(32))
        tiles[op.getResult(0)] = b.spread(heads, 0, integers);
      continue;
    }
    SmallVector<Value> operands;
    for (Value operand : op.getOperands())
      operands.push_back(tileOf(operand));
    if (Value inverse = isa<arith::DivFOp>(op) ? inverseOf(op.getOperand(1)) : Value()) {
      tiles[op.getResult(0)] = b.mulf(operands[0], b.spreadLike(inverse, s));
      continue;
    }
    OperationState state(b.loc, op.getName(), operands, {type.clone(op.getResult(0).getType())}, op.getAttrs());
    tiles[op.getResult(0)] = b.create(state)->getResult(0);
  }
  llvm_unreachable("a score region ends in kv.yield");
}

} // namespace kv
