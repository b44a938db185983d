#include "dialect/KernelBuilder.h"
#include "mlir/IR/TypeUtilities.h"

#include <cfloat>

using namespace mlir;
using llvm::isInt;

namespace kv {

Value addBytes(OpBuilder &b, Location loc, Value base, Value offset) {
  return LLVM::GEPOp::create(b, loc, base.getType(), b.getI8Type(), base, ArrayRef<LLVM::GEPArg>{offset});
}

Value addBytes(OpBuilder &b, Location loc, Value base, int64_t offset) {
  if (!isInt<LLVM::kGEPConstantBitWidth>(offset)) // GEPArg would drop the high bits
    return addBytes(b, loc, base, arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(offset)));
  return LLVM::GEPOp::create(b, loc, base.getType(), b.getI8Type(), base, ArrayRef<LLVM::GEPArg>{int32_t(offset)});
}

KernelBuilder::KernelBuilder(ModuleOp module, Location loc, StringRef symbol, Attribute schedule)
    : OpBuilder(module.getContext()), loc(loc) {
  setInsertionPointToEnd(module.getBody());
  func = func::FuncOp::create(*this, loc, symbol, getFunctionType({ptr(), ptr()}, {}));
  func->setAttr("kv.kernel", getUnitAttr());
  if (schedule)
    func->setAttr("kv.schedule", schedule);
  Block *body = func.addEntryBlock();
  step = body->getArgument(0);
  item = body->getArgument(1);
  setInsertionPointToEnd(body);
  setInsertionPoint(func::ReturnOp::create(*this, loc));
}

Value KernelBuilder::floorDiv(Value a, int64_t by) {
  if (by == 1)
    return a;
  if (llvm::isPowerOf2_64(uint64_t(by)))
    return shrS(a, llvm::Log2_64(uint64_t(by)));
  Value negative = isLess(a, i64(0)), zero = i64(0), down = i64(1 - by);
  Value moved = add(a, select(negative, down, zero)), divisor = i64(by);
  return createOrFold<arith::DivSIOp>(loc, moved, divisor);
}

Value KernelBuilder::levelsPerUnit(Value greatest, double levels) {
  auto constant = [&](double value) {
    return isa<RankedTensorType>(greatest.getType()) ? spreadLike(f32(value), greatest) : f32(value);
  };
  Value quotient = arith::DivFOp::create(*this, loc, constant(levels), greatest);
  Value finite = arith::CmpFOp::create(*this, loc, arith::CmpFPredicate::OLE, quotient, constant(FLT_MAX));
  return arith::SelectOp::create(*this, loc, finite, quotient, constant(0));
}

Value KernelBuilder::like(int64_t value, Type type) {
  Type element = getElementTypeOrSelf(type);
  Attribute scalar = getIntegerAttr(element, APInt(element.getIntOrFloatBitWidth(), uint64_t(value), false, true));
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(*this, loc, cast<TypedAttr>(Attribute(DenseElementsAttr::get(vector, scalar))));
  return arith::ConstantOp::create(*this, loc, cast<TypedAttr>(scalar));
}

Type KernelBuilder::withElement(Type type, Type element) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(vector.clone(element)) : element;
}

Value KernelBuilder::shl(Value value, int64_t by) {
  return by ? arith::ShLIOp::create(*this, loc, value, like(by, value.getType())).getResult() : value;
}

Value KernelBuilder::shrU(Value value, int64_t by) {
  return by ? arith::ShRUIOp::create(*this, loc, value, like(by, value.getType())).getResult() : value;
}

Value KernelBuilder::shrS(Value value, int64_t by) {
  return by ? arith::ShRSIOp::create(*this, loc, value, like(by, value.getType())).getResult() : value;
}

Value KernelBuilder::andBits(Value value, int64_t bits) {
  return arith::AndIOp::create(*this, loc, value, like(bits, value.getType()));
}

Value KernelBuilder::xorBits(Value value, int64_t bits) {
  return arith::XOrIOp::create(*this, loc, value, like(bits, value.getType()));
}

Value KernelBuilder::bfloatBits(Value f32) {
  Type integers = withElement(f32.getType(), getI32Type());
  Value bits = bitcast(integers, f32), high = shrU(bits, 16);
  Value toEven = add(bits, andBits(high, 1));
  Value rounded = shrU(add(toEven, like(0x7fff, integers)), 16);
  Value quiet = arith::OrIOp::create(*this, loc, high, like(0x40, integers));
  Value isNaN = arith::CmpFOp::create(*this, loc, arith::CmpFPredicate::UNO, f32, f32);
  return arith::SelectOp::create(*this, loc, isNaN, quiet, rounded);
}

Value KernelBuilder::variable(Type element, int64_t count) {
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(&func.front());
  return LLVM::AllocaOp::create(*this, loc, ptr(), element, i64(count), 8);
}

void KernelBuilder::loop(Value begin, Value end, int64_t step, function_ref<void(Value)> body) {
  auto op = scf::ForOp::create(*this, loc, begin, end, i64(step));
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(op.getBody());
  body(op.getInductionVar());
}

SmallVector<Value> KernelBuilder::loop(Value begin, Value end, int64_t step, ValueRange init,
                                       function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto op = scf::ForOp::create(*this, loc, begin, end, i64(step), init);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(op.getBody());
  SmallVector<Value> results = body(op.getInductionVar(), op.getRegionIterArgs());
  scf::YieldOp::create(*this, loc, results);
  return SmallVector<Value>(op.getResults());
}

Value KernelBuilder::sequenceTable(CacheType cache, Value seq) {
  Value table = read(StepField::block_table), stride = read(StepField::block_table_stride);
  Value row = at(table, mul(mul(seq, stride), 4));
  if (cache.getLayout().getKind() != LayoutKind::dense)
    return row;
  Value own = variable(getI32Type(), 1);
  store(toI32(seq), own);
  Value none = LLVM::ICmpOp::create(*this, loc, LLVM::ICmpPredicate::eq, table, LLVM::ZeroOp::create(*this, loc, ptr()));
  return LLVM::SelectOp::create(*this, loc, none, own, row);
}

void KernelBuilder::ifThen(Value condition, function_ref<void()> then) {
  auto op = scf::IfOp::create(*this, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(op.thenBlock());
  then();
}

void KernelBuilder::ifElse(Value condition, function_ref<void()> then, function_ref<void()> otherwise) {
  auto op = scf::IfOp::create(*this, loc, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(op.thenBlock());
  then();
  setInsertionPointToStart(op.elseBlock());
  otherwise();
}

SmallVector<Value> KernelBuilder::ifElse(Value condition, TypeRange types, function_ref<SmallVector<Value>()> then,
                                         function_ref<SmallVector<Value>()> otherwise) {
  auto op = scf::IfOp::create(*this, loc, types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(op.thenBlock());
  SmallVector<Value> results = then();
  scf::YieldOp::create(*this, loc, results);
  setInsertionPointToStart(op.elseBlock());
  results = otherwise();
  scf::YieldOp::create(*this, loc, results);
  return SmallVector<Value>(op.getResults());
}

int64_t KernelBuilder::rowChunk(int64_t channels) const {
  int64_t chunk = llvm::bit_floor(uint64_t(4 * function()->getAttrOfType<ScheduleAttr>("kv.schedule").getTeam().getLanes()));
  while (channels % chunk)
    chunk /= 2;
  return chunk;
}

} // namespace kv
