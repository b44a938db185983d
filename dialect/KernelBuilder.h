// What every kernel of level 1 needs: integer arithmetic on i64, the fields of the step and its item, tiles of constants.
#ifndef KV_KERNEL_BUILDER_H
#define KV_KERNEL_BUILDER_H

#include "dialect/KvOps.h"
#include "kv/kv_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <cstddef>

namespace kv {

/// The kinds of function a level-0 function turns into; `name.append`, `name.attend`, `name.merge` until emission renames them.
inline std::string kernelSymbol(llvm::StringRef name, llvm::StringRef kind) { return (name + "." + kind).str(); }

/// The function that attends as the fused function `CACHE_append_NAME` does, but appends nothing: `CACHE_NAME`.
inline std::string plainAttend(llvm::StringRef fused, llvm::StringRef cache) {
  fused.consume_front((cache + "_append_").str());
  return (cache + "_" + fused).str();
}

/// 1.5 * 2^23: added to a number below 2^22, it leaves the nearest integer in the low bits and no room for a fraction.
constexpr double roundingMagic = 12582912.0;

/// base + offset bytes
mlir::Value addBytes(mlir::OpBuilder &b, mlir::Location loc, mlir::Value base, mlir::Value offset);
/// The same of a constant, which may be any: those that an address holds itself end at 2^28.
mlir::Value addBytes(mlir::OpBuilder &b, mlir::Location loc, mlir::Value base, int64_t offset);

class KernelBuilder : public mlir::OpBuilder {
public:
  using Value = mlir::Value;
  mlir::Location loc;
  Value step, item;

  /// Starts `symbol(ptr step, ptr item)` at the end of `module`; the builder stands before its return.
  KernelBuilder(mlir::ModuleOp module, mlir::Location loc, llvm::StringRef symbol, mlir::Attribute schedule);

  /// Continues in a function that is there; step and item are the caller's to set.
  explicit KernelBuilder(mlir::func::FuncOp func) : OpBuilder(func.getContext()), loc(func.getLoc()), func(func) {}

  mlir::func::FuncOp function() const { return func; }

  /// How many channels of a row one tile holds: the greatest power of two, up to four times the team's lanes, that divides
  /// `channels`.
  int64_t rowChunk(int64_t channels) const;

  Value i64(int64_t value) { return mlir::arith::ConstantOp::create(*this, loc, getI64IntegerAttr(value)); }
  Value i32(int32_t value) { return mlir::arith::ConstantOp::create(*this, loc, getI32IntegerAttr(value)); }
  Value f32(double value) { return mlir::arith::ConstantOp::create(*this, loc, getF32FloatAttr(value)); }
  Value add(Value a, Value b) { return createOrFold<mlir::arith::AddIOp>(loc, a, b); }
  Value sub(Value a, Value b) { return createOrFold<mlir::arith::SubIOp>(loc, a, b); }
  Value mul(Value a, Value b) { return createOrFold<mlir::arith::MulIOp>(loc, a, b); }
  Value mul(Value a, int64_t b) { return b == 1 ? a : mul(a, i64(b)); }
  Value add(Value a, int64_t b) { return b == 0 ? a : add(a, i64(b)); }
  /// Where a loop over `count` from `first` on ends. Says that it does not wrap: a loop that runs once is then known to.
  Value end(Value first, int64_t count) {
    return createOrFold<mlir::arith::AddIOp>(loc, first, i64(count), mlir::arith::IntegerOverflowFlags::nsw);
  }
  /// Of numbers that are never negative.
  Value div(Value a, int64_t b) { return b == 1 ? a : createOrFold<mlir::arith::DivUIOp>(loc, a, i64(b)); }
  Value rem(Value a, int64_t b) { return b == 1 ? i64(0) : createOrFold<mlir::arith::RemUIOp>(loc, a, i64(b)); }
  /// Rounded down, of any number by a positive one.
  Value floorDiv(Value a, int64_t by);
  Value min(Value a, Value b) { return mlir::arith::MinSIOp::create(*this, loc, a, b); }
  Value max(Value a, Value b) { return mlir::arith::MaxSIOp::create(*this, loc, a, b); }
  Value max(Value a, int64_t b) { return max(a, i64(b)); }
  Value min(Value a, int64_t b) { return min(a, i64(b)); }
  Value select(Value condition, Value a, Value b) { return mlir::arith::SelectOp::create(*this, loc, condition, a, b); }
  Value isLess(Value a, Value b) { return mlir::arith::CmpIOp::create(*this, loc, mlir::arith::CmpIPredicate::slt, a, b); }
  Value isEqual(Value a, Value b) { return mlir::arith::CmpIOp::create(*this, loc, mlir::arith::CmpIPredicate::eq, a, b); }
  Value toI32(Value a) { return mlir::arith::TruncIOp::create(*this, loc, getI32Type(), a); }
  Value toI64(Value a) { return mlir::arith::ExtSIOp::create(*this, loc, getI64Type(), a); }

  Value addf(Value a, Value b) { return mlir::arith::AddFOp::create(*this, loc, a, b); }
  Value subf(Value a, Value b) { return mlir::arith::SubFOp::create(*this, loc, a, b); }
  Value mulf(Value a, Value b) { return mlir::arith::MulFOp::create(*this, loc, a, b); }
  Value mulf(Value a, double b) { return mulf(a, f32(b)); }
  Value negate(Value a) { return mlir::arith::NegFOp::create(*this, loc, a); }
  /// The greater of the two; b where either is NaN.
  Value maxf(Value a, Value b) {
    Value greater = mlir::arith::CmpFOp::create(*this, loc, mlir::arith::CmpFPredicate::OGT, a, b);
    return mlir::arith::SelectOp::create(*this, loc, greater, a, b);
  }
  /// The bits of a tile of f32 as i32.
  Value bitsOf(Value tile) {
    auto type = mlir::cast<mlir::RankedTensorType>(tile.getType());
    return mlir::arith::BitcastOp::create(*this, loc, type.clone(getI32Type()), tile);
  }
  /// To the nearest integer, halves to even; for magnitudes below 2^22.
  Value round(Value tile) {
    Value magic = spreadLike(f32(roundingMagic), tile);
    return subf(addf(tile, magic), magic);
  }
  /// levels / greatest, of a scalar or tile; 0 where greatest is 0 or so small that the quotient is not finite.
  Value levelsPerUnit(Value greatest, double levels);
  Value exp2(Value x, int64_t bits = 23) { return Exp2Op::create(*this, loc, x.getType(), x, bits); }
  Value fma(Value a, Value b, Value c) { return mlir::math::FmaOp::create(*this, loc, a, b, c); }

  // Integers on lanes: scalars, or vectors of any number of lanes. Shifts by 0 are nothing.
  Value shl(Value value, int64_t by);
  Value shrU(Value value, int64_t by);
  Value shrS(Value value, int64_t by);
  Value andBits(Value value, int64_t bits);
  Value xorBits(Value value, int64_t bits);
  Value bitcast(mlir::Type type, Value value) { return mlir::arith::BitcastOp::create(*this, loc, type, value); }
  /// The integer `value`, cut to the type's bits, in every lane.
  Value like(int64_t value, mlir::Type type);
  /// `element`, or a vector of it with the lanes of `type`.
  static mlir::Type withElement(mlir::Type type, mlir::Type element);
  /// f32 to bf16 bits in the low half of an i32, to nearest even; NaN stays NaN.
  Value bfloatBits(Value f32);

  mlir::LLVM::LLVMPointerType ptr() { return mlir::LLVM::LLVMPointerType::get(getContext()); }
  /// base + offset bytes
  Value at(Value base, Value offset) { return addBytes(*this, loc, base, offset); }
  Value at(Value base, int64_t offset) { return addBytes(*this, loc, base, offset); }
  Value load(mlir::Type type, Value address) { return mlir::LLVM::LoadOp::create(*this, loc, type, address); }
  void store(Value value, Value address) { mlir::LLVM::StoreOp::create(*this, loc, value, address); }

  /// A field of the step or of the item, by name; or of an array that the step points to, entry `index`, as i64.
  Value read(StepField field) {
    return StepOp::create(*this, loc, kindOf(field) == FieldKind::number ? mlir::Type(getI64Type()) : ptr(), field, Value());
  }
  Value read(StepField field, Value index) { return StepOp::create(*this, loc, getI64Type(), field, index); }
  Value read(ItemField field) {
    return ItemOp::create(*this, loc, kindOf(field) == FieldKind::number ? mlir::Type(getI64Type()) : ptr(), field);
  }
  /// Entry `index` of the attend's declared array `number`.
  Value argument(int64_t number, Value index) { return ArgumentOp::create(*this, loc, getF32Type(), number, index); }
  /// table[index] of an int32_t table, as i64.
  Value entry(Value table, Value index) { return toI64(load(getI32Type(), at(table, mul(index, 4)))); }

  mlir::RankedTensorType tile(llvm::ArrayRef<int64_t> shape, mlir::Type element) {
    return mlir::RankedTensorType::get(shape, element);
  }
  mlir::RankedTensorType tileF32(llvm::ArrayRef<int64_t> shape) { return tile(shape, getF32Type()); }
  Value spread(Value source, int64_t dim, mlir::RankedTensorType type) { return SpreadOp::create(*this, loc, type, source, dim); }
  Value spreadLike(Value scalar, Value like) {
    auto type = mlir::cast<mlir::RankedTensorType>(like.getType());
    return spread(scalar, 0, type.clone(scalar.getType()));
  }
  Value scratch(llvm::StringRef name, int64_t rows, int64_t columns, mlir::Type element) {
    return ScratchOp::create(*this, loc, mlir::MemRefType::get({rows, columns}, element), name);
  }
  Value fetch(Value home, Value row, Value column, llvm::ArrayRef<int64_t> shape) {
    return FetchOp::create(*this, loc, tile(shape, mlir::cast<mlir::MemRefType>(home.getType()).getElementType()), home, row,
                           column);
  }
  /// From the first column on.
  Value fetch(Value home, Value row, llvm::ArrayRef<int64_t> shape) { return fetch(home, row, i64(0), shape); }
  void put(Value tile, Value home, Value row, Value column) { StoreOp::create(*this, loc, tile, home, row, column); }
  /// In the first column; a scalar as a tile of one.
  void put(Value tile, Value home, Value row) {
    if (!mlir::isa<mlir::RankedTensorType>(tile.getType()))
      tile = spread(tile, 0, this->tile({1}, tile.getType()));
    put(tile, home, row, i64(0));
  }

  /// Memory of this call alone, `count` elements.
  Value variable(mlir::Type element, int64_t count);

  /// for (i = begin; i < end; i += step) body(i)
  void loop(Value begin, Value end, int64_t step, llvm::function_ref<void(Value)> body);
  void loop(int64_t begin, int64_t end, int64_t step, llvm::function_ref<void(Value)> body) {
    Value first = i64(begin), last = i64(end);
    loop(first, last, step, body);
  }
  /// The same with carried values.
  llvm::SmallVector<Value> loop(Value begin, Value end, int64_t step, mlir::ValueRange init,
                                llvm::function_ref<llvm::SmallVector<Value>(Value, mlir::ValueRange)> body);
  /// Address of the page numbers of a sequence: its row of the block table, or its own number where a dense cache has no table.
  Value sequenceTable(CacheType cache, Value seq);

  void ifThen(Value condition, llvm::function_ref<void()> then);
  void ifElse(Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise);
  /// The same with results of these types.
  llvm::SmallVector<Value> ifElse(Value condition, mlir::TypeRange types, llvm::function_ref<llvm::SmallVector<Value>()> then,
                                  llvm::function_ref<llvm::SmallVector<Value>()> otherwise);

private:
  mlir::func::FuncOp func;
};

} // namespace kv

#endif
