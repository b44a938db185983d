// Rules of the level-0 operations (KvOps.td). Each check names the rule that it enforces.
#include "dialect/KvOps.h"

#include "mlir/IR/Builders.h"

#include <cmath>

#define GET_OP_CLASSES
#include "dialect/KvOps.cpp.inc"

using namespace mlir;

namespace kv {

template <typename OpType> static LogicalResult verifyAppended(OpType op) {
  auto keys = cast<RankedTensorType>(op.getKeys().getType()), values = cast<RankedTensorType>(op.getValues().getType());
  CacheType cache = op.getCache().getType();
  auto fits = [&](RankedTensorType type, int64_t dim) {
    return type.getRank() == 3 && type.getDimSize(1) == cache.getHeads() && type.getDimSize(2) == dim;
  };
  if (!fits(keys, cache.getKeyDim()) || !fits(values, cache.getValueDim())) // append C1
    return op.emitOpError() << "expected keys of [tokens, " << cache.getHeads() << ", " << cache.getKeyDim()
                            << "] and values of [tokens, " << cache.getHeads() << ", " << cache.getValueDim() << "], got " << keys
                            << " and " << values;
  if (keys.getElementType() != values.getElementType() || keys.getDimSize(0) != values.getDimSize(0)) // append C2
    return op.emitOpError() << "expected keys and values of one element type and number of tokens, got " << keys << " and "
                            << values;
  return success();
}

/// Whether a region is empty, or takes what is wanted and yields `result`.
static bool isRegion(mlir::Region &region, ArrayRef<Type> want, Type result) {
  if (region.empty())
    return true;
  Block &block = region.front();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  return yield && yield.getValue().getType() == result && llvm::equal(block.getArgumentTypes(), want);
}

bool isScore(mlir::Region &score) {
  Builder b(score.getContext());
  return isRegion(score, {b.getF32Type(), b.getI32Type(), b.getI32Type(), b.getIndexType()}, b.getF32Type());
}

static bool isMask(mlir::Region &mask) {
  Builder b(mask.getContext());
  return isRegion(mask, {b.getI32Type(), b.getI32Type(), b.getIndexType()}, b.getI1Type());
}

template <typename OpType> static LogicalResult verifyAttended(OpType op) {
  auto query = cast<RankedTensorType>(op.getQuery().getType()), output = cast<RankedTensorType>(op.getOutput().getType());
  CacheType cache = op.getCache().getType();
  if (query.getRank() != 3 || query.isDynamicDim(1) || query.getDimSize(1) < 1 || query.getDimSize(1) % cache.getHeads() ||
      query.getDimSize(2) != cache.getKeyDim()) // attend C1
    return op.emitOpError() << "expected a query of [queries, a positive multiple of " << cache.getHeads() << ", "
                            << cache.getKeyDim() << "], got " << query;
  int64_t heads = query.getDimSize(1);
  if (output.getRank() != 3 || output.getDimSize(0) != query.getDimSize(0) || output.getDimSize(1) != heads ||
      output.getDimSize(2) != cache.getValueDim()) // attend C2
    return op.emitOpError() << "expected an output of [queries, " << heads << ", " << cache.getValueDim() << "], got " << output;
  if (Value lse = op.getLse()) {
    auto type = cast<RankedTensorType>(lse.getType());
    if (type.getRank() != 2 || type.getDimSize(0) != query.getDimSize(0) || type.getDimSize(1) != heads) // attend C2
      return op.emitOpError() << "expected an lse of [queries, " << heads << "], got " << type;
  }
  if (!isScore(op.getScore())) // attend C3
    return op.emitOpError() << "expected a score region of (f32, i32, i32, index) that ends in kv.yield";
  int64_t least = op.getMinQueries(), most = op.getMaxQueries();
  if (least < 1 || most < least) // attend C4
    return op.emitOpError() << "expected queries from at least 1 to at least as many, got " << least << " to " << most;
  if (double scale = op.getScale().convertToDouble(); !std::isfinite(scale) || scale <= 0) // attend C5
    return op.emitOpError() << "expected a positive finite scale";
  if (!isMask(op.getMask())) // attend C7
    return op.emitOpError() << "expected a mask region of (i32, i32, index) that yields i1";
  if (Value sinks = op.getSinks(); sinks && cast<RankedTensorType>(sinks.getType()).getShape() != ArrayRef(heads)) // attend C8
    return op.emitOpError() << "expected sinks of [" << heads << "], got " << sinks.getType();
  return success();
}

Block::BlockArgListType declaredArrays(FunctionOpInterface function) {
  unsigned first = 0;
  auto skip = [&](ValueRange values) {
    for (Value value : values)
      if (auto argument = dyn_cast<BlockArgument>(value); argument && argument.getOwner() == &function.getFunctionBody().front())
        first = std::max(first, argument.getArgNumber() + 1);
  };
  function.walk([&](Operation *op) {
    if (auto append = dyn_cast<AppendOp>(op))
      skip({append.getKeys(), append.getValues(), append.getCache()});
    else if (auto attend = dyn_cast<AttendOp>(op))
      skip({attend.getQuery(), attend.getCache()});
    else if (auto both = dyn_cast<AppendAttendOp>(op))
      skip({both.getQuery(), both.getKeys(), both.getValues(), both.getCache()});
  });
  return function.getArguments().drop_front(first);
}

template <typename OpType> static OutputAttr outputFormOf(OpType op) {
  SmallVector<ArgumentRole> roles;
  for (Value array : declaredArrays(op->template getParentOfType<FunctionOpInterface>()))
    roles.push_back(array == op.getSinks() ? ArgumentRole::sinks : ArgumentRole::array);
  auto output = cast<RankedTensorType>(op.getOutput().getType());
  return OutputAttr::get(op.getContext(), output.getElementType(), output.getDimSize(1), bool(op.getLse()), roles);
}

OutputAttr AttendOp::getOutputForm() { return outputFormOf(*this); }
OutputAttr AppendAttendOp::getOutputForm() { return outputFormOf(*this); }

LogicalResult AppendOp::verify() { return verifyAppended(*this); }

LogicalResult AttendOp::verify() { return verifyAttended(*this); }

LogicalResult AppendAttendOp::verify() {
  if (failed(verifyAppended(*this)) || failed(verifyAttended(*this)))
    return failure();
  auto query = cast<RankedTensorType>(getQuery().getType()), keys = cast<RankedTensorType>(getKeys().getType());
  if (query.getDimSize(0) != keys.getDimSize(0)) // C6
    return emitOpError() << "expected as many new tokens as queries, got " << keys << " and " << query;
  return success();
}

LogicalResult MergeOp::verify() {
  auto output = cast<RankedTensorType>(getOutput().getType()), lse = cast<RankedTensorType>(getLse().getType());
  if (getOutputA().getType() != output || getOutputB().getType() != output || getLseA().getType() != lse ||
      getLseB().getType() != lse || output.getRank() < 1 || lse.getShape() != output.getShape().drop_back()) // C1
    return emitOpError() << "expected two outputs of " << output << " and two lse without its last dimension, got "
                         << getOutputA().getType() << ", " << getLseA().getType() << " and " << getOutputB().getType() << ", "
                         << getLseB().getType();
  return success();
}

} // namespace kv
