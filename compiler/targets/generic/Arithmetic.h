// What patterns of arithmetic are written with.
#ifndef KV_TARGETS_GENERIC_ARITHMETIC_H
#define KV_TARGETS_GENERIC_ARITHMETIC_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"

namespace kv {

/// Arithmetic on scalars and vectors alike.
struct Arith {
  mlir::PatternRewriter &b;
  mlir::Location loc;
  using Value = mlir::Value;
  using Type = mlir::Type;

  Type as(Type element, Value like) {
    auto vector = mlir::dyn_cast<mlir::VectorType>(like.getType());
    return vector ? Type(vector.clone(element)) : element;
  }
  Value bits(int64_t value, Type type) {
    Type element = mlir::getElementTypeOrSelf(type);
    mlir::TypedAttr scalar = b.getIntegerAttr(element, llvm::APInt(element.getIntOrFloatBitWidth(), uint64_t(value), false, true));
    return splat(scalar, type);
  }
  Value number(double value, Type type) { return splat(b.getFloatAttr(mlir::getElementTypeOrSelf(type), value), type); }
  Value splat(mlir::TypedAttr scalar, Type type) {
    if (auto vector = mlir::dyn_cast<mlir::VectorType>(type))
      return mlir::arith::ConstantOp::create(
          b, loc, mlir::cast<mlir::TypedAttr>(mlir::Attribute(mlir::DenseElementsAttr::get(vector, mlir::Attribute(scalar)))));
    return mlir::arith::ConstantOp::create(b, loc, scalar);
  }
  Value add(Value x, Value y) { return mlir::arith::AddIOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return mlir::arith::SubIOp::create(b, loc, x, y); }
  Value addf(Value x, Value y) { return mlir::arith::AddFOp::create(b, loc, x, y); }
  Value subf(Value x, Value y) { return mlir::arith::SubFOp::create(b, loc, x, y); }
  Value mulf(Value x, Value y) { return mlir::arith::MulFOp::create(b, loc, x, y); }
  Value shl(Value x, int64_t by) { return mlir::arith::ShLIOp::create(b, loc, x, bits(by, x.getType())); }
  Value shr(Value x, int64_t by) { return mlir::arith::ShRUIOp::create(b, loc, x, bits(by, x.getType())); }
  Value sar(Value x, int64_t by) { return mlir::arith::ShRSIOp::create(b, loc, x, bits(by, x.getType())); }
  Value conj(Value x, int64_t y) { return mlir::arith::AndIOp::create(b, loc, x, bits(y, x.getType())); }
  Value disj(Value x, Value y) { return mlir::arith::OrIOp::create(b, loc, x, y); }
  Value cast(Type element, Value x) { return mlir::arith::BitcastOp::create(b, loc, as(element, x), x); }
  Value select(Value c, Value x, Value y) { return mlir::arith::SelectOp::create(b, loc, c, x, y); }
  Value less(Value x, Value y) { return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::ult, x, y); }
};

} // namespace kv

#endif
