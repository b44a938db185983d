#include "compiler/transforms/Distributor.h"

using namespace mlir;

namespace kv {

Value VectorBuilder::like(int64_t value, Type type) {
  Type element = getElementTypeOrSelf(type);
  Attribute scalar = getIntegerAttr(element, APInt(element.getIntOrFloatBitWidth(), uint64_t(value), false, true));
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(*this, loc, cast<TypedAttr>(Attribute(DenseElementsAttr::get(vector, scalar))));
  return arith::ConstantOp::create(*this, loc, cast<TypedAttr>(scalar));
}

Value VectorBuilder::laneEverywhere(Value source, int64_t lane, int64_t lanes) {
  if (!isa<VectorType>(source.getType()))
    return broadcast(source, lanes);
  if (auto made = source.getDefiningOp<vector::FromElementsOp>())
    return broadcast(made.getElements()[lane], lanes);
  return vector::ShuffleOp::create(*this, loc, source, source, SmallVector<int64_t>(lanes, lane));
}

Value VectorBuilder::splat(int64_t value, VectorType type) { return like(value, type); }

void VectorBuilder::prefetch(Value address, CacheLevel level) {
  LLVM::Prefetch::create(*this, loc, address, /*rw=*/0u, /*hint=*/level == CacheLevel::first ? 3u : 2u, /*cache=*/1u);
}

Value VectorBuilder::shl(Value value, int64_t by) {
  return by ? arith::ShLIOp::create(*this, loc, value, like(by, value.getType())).getResult() : value;
}

Value VectorBuilder::shrU(Value value, int64_t by) {
  return by ? arith::ShRUIOp::create(*this, loc, value, like(by, value.getType())).getResult() : value;
}

Value VectorBuilder::shrS(Value value, int64_t by) {
  return by ? arith::ShRSIOp::create(*this, loc, value, like(by, value.getType())).getResult() : value;
}

Value VectorBuilder::andBits(Value value, int64_t bits) {
  return arith::AndIOp::create(*this, loc, value, like(bits, value.getType()));
}

Value VectorBuilder::xorBits(Value value, int64_t bits) {
  return arith::XOrIOp::create(*this, loc, value, like(bits, value.getType()));
}

Value VectorBuilder::bfloatBits(Value f32) {
  Type f32Type = f32.getType();
  Type integers = getI32Type();
  if (auto vector = dyn_cast<VectorType>(f32Type))
    integers = vector.clone(getI32Type());
  Value bits = bitcast(integers, f32), high = shrU(bits, 16);
  Value rounded = shrU(add(add(bits, andBits(high, 1)), like(0x7fff, integers)), 16);
  Value quiet = arith::OrIOp::create(*this, loc, high, like(0x40, integers));
  Value isNaN = arith::CmpFOp::create(*this, loc, arith::CmpFPredicate::UNO, f32, f32);
  return arith::SelectOp::create(*this, loc, isNaN, quiet, rounded);
}

Value VectorBuilder::element(const Region &region, Value h, Value t, Value d) {
  Value index;
  for (const Axis &axis : region.axes) {
    if (axis.extent == 1)
      continue;
    Value coordinate = axis.digit.coordinate == 'h' ? h : axis.digit.coordinate == 't' ? t : d;
    Value digit = div(coordinate, axis.digit.divisor);
    if (axis.digit.extent) // the outermost digit needs no remainder
      digit = rem(digit, axis.extent);
    Value term = mul(digit, axis.stride);
    index = index ? KernelBuilder::add(index, term) : term;
  }
  return index ? index : i64(0);
}

Value VectorBuilder::elementAddress(const Region &region, Value page, Value index) {
  Value bytes = region.bits >= 8 ? mul(index, region.bits / 8) : div(index, 8 / region.bits);
  return at(at(page, region.offset), bytes);
}

} // namespace kv
