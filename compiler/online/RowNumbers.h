// Numbers of rows that go with their operands, from where a kv.operands writes them to products of them.
#ifndef KV_ROW_NUMBERS_H
#define KV_ROW_NUMBERS_H

#include "dialect/KernelBuilder.h"

namespace kv {

/// One number for each row of homes of operands. A product that follows the kv.operands of its rows takes it as a value; where they
/// are in loops of their own it goes through scratch.
class RowNumbers {
public:
  using Value = mlir::Value;
  RowNumbers(KernelBuilder &b, llvm::StringRef name, mlir::Type element) : b(b), name(name), element(element) {}

  /// `tile` has the number of each row that `operands` writes. Builds nothing before the op.
  void put(OperandsOp operands, Value tile);
  /// The numbers of the product's rows, null where none were put. Builds before the product, or before loops around it that change
  /// no operands.
  Value get(ProductOp product);

private:
  KernelBuilder &b;
  const llvm::StringRef name;
  const mlir::Type element;
  llvm::DenseMap<Value, Value> homes;              ///< scratch, by the home of the operands
  llvm::DenseMap<mlir::Operation *, Value> values; ///< by the kv.operands
};

} // namespace kv

#endif
