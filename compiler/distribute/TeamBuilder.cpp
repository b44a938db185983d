#include "compiler/distribute/Distributor.h"

using namespace mlir;

namespace kv {

TeamBuilder::TeamBuilder(func::FuncOp func) : KernelBuilder(func) {
  auto schedule = func->getAttrOfType<ScheduleAttr>("kv.schedule");
  threads = schedule ? schedule.getTeam().getThreads() : 0;
}

Value TeamBuilder::laneOffset(ArrayRef<int64_t> bits) {
  Value offset;
  for (size_t i = 0; i < bits.size();) {
    if (bits[i] < 0) {
      ++i;
      continue;
    }
    size_t run = 1; // neighbours that stay neighbours
    while (i + run < bits.size() && bits[i + run] == bits[i] + int64_t(run))
      ++run;
    Value field = shl(andBits(shrU(lane(), bits[i]), (int64_t(1) << run) - 1), int64_t(i));
    offset = offset ? arith::OrIOp::create(*this, loc, offset, field).getResult() : field;
    i += run;
  }
  return offset ? offset : i64(0);
}

void TeamBuilder::onOwners(int64_t idleBits, function_ref<void()> body) {
  if (!idleBits)
    return body();
  Value bits = andBits(lane(), idleBits), none = i64(0);
  ifThen(isEqual(bits, none), body);
}

SmallVector<Value> TeamBuilder::onlyIf(Value condition, ValueRange otherwise, function_ref<SmallVector<Value>()> make) {
  auto branch = scf::IfOp::create(*this, loc, otherwise.getTypes(), condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(*this, loc, otherwise);
  setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(*this, loc, make());
  return SmallVector<Value>(branch.getResults());
}

void TeamBuilder::aheadOfBarrier(function_ref<void()> body) {
  OpBuilder::InsertionGuard guard(*this);
  bool isFirst = getInsertionPoint() == getInsertionBlock()->begin();
  if (auto barrier = isFirst ? BarrierOp() : dyn_cast<BarrierOp>(*std::prev(getInsertionPoint())))
    setInsertionPoint(barrier);
  body();
}

Value TeamBuilder::isBetween(Value at, Value begin, Value end) {
  Value before = end ? isLess(at, end) : Value();
  if (!begin)
    return before;
  Value after = arith::CmpIOp::create(*this, loc, arith::CmpIPredicate::sge, at, begin);
  return before ? arith::AndIOp::create(*this, loc, before, after).getResult() : after;
}

Value TeamBuilder::interleave(Value x, Value y, int64_t words, bool high) {
  int64_t lanes = cast<VectorType>(x.getType()).getDimSize(0);
  SmallVector<int64_t> order;
  for (int64_t lane = 0; lane < lanes; ++lane)
    order.push_back((high ? lanes / 2 : 0) + lane / (2 * words) * words + lane % words + lane / words % 2 * lanes);
  return vector::ShuffleOp::create(*this, loc, x, y, order);
}

Value TeamBuilder::separate(Value x, Value y, bool odd) {
  int64_t lanes = cast<VectorType>(x.getType()).getDimSize(0);
  SmallVector<int64_t> order;
  for (int64_t lane = 0; lane < lanes; ++lane)
    order.push_back(lane / 2 * 4 + lane % 2 + (odd ? 2 : 0));
  return vector::ShuffleOp::create(*this, loc, x, y, order);
}

Value TeamBuilder::countLanes(Value start, int64_t first, int64_t lanes) {
  SmallVector<int32_t> numbers;
  for (int64_t lane = 0; lane < lanes; ++lane)
    numbers.push_back(int32_t(first + lane));
  auto type = VectorType::get({lanes}, getI32Type());
  Value base = broadcast(start, lanes);
  Value offsets = arith::ConstantOp::create(*this, loc, DenseElementsAttr::get(type, ArrayRef(numbers)));
  return KernelBuilder::add(base, offsets);
}

Value TeamBuilder::laneEverywhere(Value source, int64_t lane, int64_t lanes) {
  if (auto made = source.getDefiningOp<vector::FromElementsOp>())
    return broadcast(made.getElements()[lane], lanes);
  return vector::ShuffleOp::create(*this, loc, source, source, SmallVector<int64_t>(lanes, lane));
}

void TeamBuilder::prefetch(Value address) {
  LLVM::Prefetch::create(*this, loc, address, /*rw=*/0u, prefetchLocality, /*cache=*/1u);
}

Value TeamBuilder::element(const Region &region, Value h, Value t, Value d) {
  Value index;
  for (const Axis &axis : region.axes) {
    if (axis.extent == 1)
      continue;
    Value coordinate = axis.digit.coordinate == 'h' ? h : axis.digit.coordinate == 't' ? t : d;
    if (axis.modulus)
      coordinate = rem(coordinate, axis.modulus);
    Value digit = div(coordinate, axis.digit.divisor);
    if (axis.digit.extent) // the outermost digit needs no remainder
      digit = rem(digit, axis.extent);
    Value term = mul(digit, axis.stride);
    index = index ? KernelBuilder::add(index, term) : term;
  }
  return index ? index : i64(0);
}

Value TeamBuilder::elementAddress(const Region &region, Value page, Value index) {
  Value bytes = region.bits >= 8 ? mul(index, region.bits / 8) : div(index, 8 / region.bits);
  return at(at(page, region.offset), bytes);
}

} // namespace kv
