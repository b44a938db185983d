// Addresses of the host: what the builder of kernels makes in the LLVM dialect.
#include "compiler/interpret/Frame.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <cstring>

using namespace mlir;

namespace kv::tiles {

static llvm::Error runZero(Frame &frame, LLVM::ZeroOp op) {
  if (!isa<LLVM::LLVMPointerType>(op.getType()))
    return fail(op, "expected a pointer");
  frame.set(op.getRes(), Address(nullptr));
  return llvm::Error::success();
}

static llvm::Error runAddressCompare(Frame &frame, LLVM::ICmpOp op) {
  auto *a = std::get_if<Address>(&frame.get(op.getLhs())), *b = std::get_if<Address>(&frame.get(op.getRhs()));
  const bool wantsEqual = op.getPredicate() == LLVM::ICmpPredicate::eq;
  if (!a || !b || (!wantsEqual && op.getPredicate() != LLVM::ICmpPredicate::ne))
    return fail(op, "expected pointers that are equal or not");
  frame.set(op.getRes(), Data::ofInteger((*a == *b) == wantsEqual));
  return llvm::Error::success();
}

static llvm::Error runSelect(Frame &frame, LLVM::SelectOp op) {
  frame.set(op.getRes(), frame.get(frame.isTrue(op.getCondition()) ? op.getTrueValue() : op.getFalseValue()));
  return llvm::Error::success();
}

/// Bytes alone: all that KernelBuilder makes.
static llvm::Error runAddBytes(Frame &frame, LLVM::GEPOp op) {
  if (!op.getElemType().isInteger(8) || op.getIndices().size() != 1)
    return fail(op, "expected an offset in bytes");
  auto index = op.getIndices()[0];
  auto constant = dyn_cast<IntegerAttr>(index);
  const int64_t offset = constant ? constant.getInt() : frame.integer(cast<mlir::Value>(index));
  frame.set(op.getRes(), reinterpret_cast<Address>(reinterpret_cast<intptr_t>(frame.address(op.getBase())) + offset));
  return llvm::Error::success();
}

/// Bytes of a number, or of a pointer.
static int64_t sizeOf(Type type) { return isa<LLVM::LLVMPointerType>(type) ? 8 : int64_t(type.getIntOrFloatBitWidth()) / 8; }

static llvm::Error runAlloca(Frame &frame, LLVM::AllocaOp op) {
  frame.set(op.getRes(), frame.makeBytes(frame.integer(op.getArraySize()) * sizeOf(op.getElemType())));
  return llvm::Error::success();
}

static llvm::Error runLoad(Frame &frame, LLVM::LoadOp op) {
  Type type = op.getRes().getType();
  const int64_t size = sizeOf(type);
  const Address from = frame.address(op.getAddr());
  if (!frame.allows(from, size, /*writes=*/false))
    return fail(op, "{} bytes are outside the kernel's memory", size);
  int64_t bits = 0;
  std::memcpy(&bits, from, size_t(size));
  if (isa<LLVM::LLVMPointerType>(type)) {
    frame.set(op.getRes(), reinterpret_cast<Address>(bits));
  } else if (type.isF32()) {
    frame.set(op.getRes(), Data::ofFloat(llvm::bit_cast<float>(uint32_t(bits))));
  } else if (isa<IntegerType>(type)) {
    frame.set(op.getRes(), Data::ofInteger(llvm::SignExtend64(uint64_t(bits), unsigned(8 * size))));
  } else {
    return fail(op, "expected a pointer, an integer or f32");
  }
  return llvm::Error::success();
}

static llvm::Error runStore(Frame &frame, LLVM::StoreOp op) {
  const int64_t size = sizeOf(op.getValue().getType());
  const Address to = frame.address(op.getAddr());
  if (!frame.allows(to, size, /*writes=*/true))
    return fail(op, "{} bytes are outside the memory that the kernel may write", size);
  int64_t bits = 0;
  if (auto *pointer = std::get_if<Address>(&frame.get(op.getValue())))
    bits = reinterpret_cast<int64_t>(*pointer);
  else if (const Data &data = frame.data(op.getValue()); data.isFloat)
    bits = llvm::bit_cast<uint32_t>(data.floats[0]);
  else
    bits = data.integers[0];
  std::memcpy(to, &bits, size_t(size));
  return llvm::Error::success();
}

void addAddressOps(Table &table) {
  table.add<LLVM::ZeroOp>(runZero);
  table.add<LLVM::ICmpOp>(runAddressCompare);
  table.add<LLVM::SelectOp>(runSelect);
  table.add<LLVM::GEPOp>(runAddBytes);
  table.add<LLVM::AllocaOp>(runAlloca);
  table.add<LLVM::LoadOp>(runLoad);
  table.add<LLVM::StoreOp>(runStore);
}

} // namespace kv::tiles
