// Rules of the operations of the online level (KvOnlineOps.td). Each check names the rule that it enforces.
#include "dialect/DotRecord.h"
#include "dialect/KvOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

#include <cmath>

using namespace mlir;

namespace kv {

static bool isPositive(const APFloat &number) {
  double value = number.convertToDouble();
  return std::isfinite(value) && value > 0;
}

LogicalResult EncodeTokenOp::verify() {
  if (!isTensorElement(getType())) // C1
    return emitOpError() << "expected f32, f16 or bf16, got " << getType();
  auto bits = cast<MemRefType>(getBits().getType());
  int64_t channels = cast<CacheType>(getCache()).getDim(getStream());
  if (!bits.getElementType().isInteger(32) || bits.getDimSize(0) != 1 || bits.getDimSize(1) < channels) // C2
    return emitOpError() << "expected a row of i32 with at least " << channels << " columns, got " << bits;
  return success();
}

LogicalResult StartRowsOp::verify() {
  if (!getState().empty() && getState().size() != 3) // C1
    return emitOpError() << "expected a state of three homes or none, got " << getState().size();
  if (!isTensorElement(getType()) || !isPositive(getFactor()) || int64_t(getGroup()) < 1) // C2
    return emitOpError() << "expected f32, f16 or bf16, a positive finite factor, and a `group` of at least 1";
  auto function = (*this)->getParentOfType<func::FuncOp>();
  auto schedule = function ? function->getAttrOfType<ScheduleAttr>("kv.schedule") : ScheduleAttr();
  if (!schedule) // C3
    return emitOpError() << "expected a function with a `kv.schedule`";
  auto home = cast<MemRefType>(getQueries().getType());
  Dot dot = schedule.getScores().getDot();
  int64_t columns = cast<CacheType>(getCache()).getKeyDim() / dotDepth(dot) * rowParts(dot);
  if (home.getElementType().isF32() == roundsRows(dot) || home.getDimSize(1) != columns) // C3
    return emitOpError() << "expected rows of " << columns << (roundsRows(dot) ? " i32" : " f32") << ", got " << home;
  return success();
}

LogicalResult ForBlocksOp::verify() {
  Block &body = getBody().front();
  Type number = IntegerType::get(getContext(), 64);
  if (body.getNumArguments() != 6 || !isa<BlockType>(body.getArgument(2).getType()) ||
      body.getArgument(5).getType() != getInit().getType() ||
      llvm::any_of(ArrayRef<int>{0, 1, 3, 4}, [&](int i) { return body.getArgument(unsigned(i)).getType() != number; })) // C1
    return emitOpError() << "expected a body of (i64, i64, a block, i64, i64, the state)";
  auto yield = body.empty() ? YieldOp() : dyn_cast<YieldOp>(body.back());
  if (llvm::range_size(getBody().getOps<AttendBlockOp>()) != 1 || !yield ||
      getAttend().getNext() != ValueRange(yield.getValue())) // C2
    return emitOpError() << "expected one `kv.attend_block` in the body, whose state it yields";
  return success();
}

AttendBlockOp ForBlocksOp::getAttend() { return *getBody().getOps<AttendBlockOp>().begin(); }

LogicalResult FinishOp::verify() {
  if (!isPositive(getUnit()) || int64_t(getGroup()) < 1) // C1
    return emitOpError() << "expected a positive finite unit and a `group` of at least 1";
  bool isValue = getState().size() == 1 && isa<StateType>(getState().front().getType());
  bool inHomes = getState().size() == 3 && llvm::all_of(getState().getTypes(), llvm::IsaPred<MemRefType>);
  if (!isValue && !inHomes) // C2
    return emitOpError() << "expected a state of one value or of three homes, got " << getState().size() << " values";
  return success();
}

LogicalResult AttendBlockOp::verify() {
  auto state = getState().getTypes();
  bool sameResults = state == getNext().getTypes();
  bool isValue = state.size() == 1 && isa<StateType>(state.front()) && sameResults;
  bool inHomes = state.size() == 3 && llvm::all_of(state, llvm::IsaPred<MemRefType>) && getNext().empty();
  bool inTiles =
      state.size() >= 3 && llvm::all_of(state, llvm::IsaPred<RankedTensorType>) && sameResults && getTiles() == Tiles::one;
  if (!isValue && !inHomes && !inTiles) // C1
    return emitOpError() << "expected a state of one value and its next, of three homes, or of one row tile as many tiles, three "
                            "or more, as results of their types";
  if (!isPositive(getScale()) || int64_t(getGroup()) < 1 || int64_t(getLeast()) < 1) // C2
    return emitOpError() << "expected a positive finite scale, and `group` and `least` of at least 1";
  if (!isScore(getScore())) // C3
    return emitOpError() << "expected a score region of (f32, i32, i32, index) that ends in kv.yield";
  auto function = (*this)->getParentOfType<func::FuncOp>();
  if (!function || !function->hasAttr("kv.schedule")) // C4
    return emitOpError() << "expected a function with a `kv.schedule`";
  return success();
}

} // namespace kv
