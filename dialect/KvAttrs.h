// Attributes of the kv dialect (KvAttrs.td, KvSchedule.td).
#ifndef KV_ATTRS_H
#define KV_ATTRS_H

#include "dialect/KvDialect.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/Hashing.h"

namespace kv {

/// What tensors of tokens have.
inline bool isTensorElement(mlir::Type type) { return type.isF32() || type.isF16() || type.isBF16(); }

/// Facts of element types, from one table. How they are spelled is said once, in KvAttrs.td.
int64_t bitsOf(Element element);
/// Whether it stores integer codes, which have scales.
bool isCode(Element element);
/// Codes in offset binary; the others are in two's complement.
bool isOffsetBinary(Element element);
/// Every spelling: "f32", "f16", ...
llvm::ArrayRef<llvm::StringRef> elementNames();

/// One digit of an order: `coordinate / divisor % extent`; extent 0 takes all that is left of the coordinate.
struct Digit {
  char coordinate; // 'h', 't' or 'd'
  int64_t divisor;
  int64_t extent;

  bool operator==(const Digit &) const = default;
  friend llvm::hash_code hash_value(const Digit &digit) {
    return llvm::hash_combine(digit.coordinate, digit.divisor, digit.extent);
  }
};

/// Says why `digits` do not cover t, d and, where there are any of it, h exactly once, or an empty string. `auto` (no digits) is
/// fine.
std::string checkDigits(llvm::ArrayRef<Digit> digits);

/// Whether a >= b at every position: both are expressions of one dimension, the position, from 0 to 2^31 - 1.
bool isNeverBelow(mlir::AffineExpr a, mlir::AffineExpr b);

} // namespace kv

#define GET_ATTRDEF_CLASSES
#include "dialect/KvAttrs.h.inc"

#endif
