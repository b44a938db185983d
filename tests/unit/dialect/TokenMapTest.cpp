// Kernels find tokens where kv_tokens.h says that they are: the IR of TokenMap, folded, against the C code.
#include "dialect/TokenMap.h"
#include "kv/kv_tokens.h"
#include "mlir/IR/Matchers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

using namespace kv;

namespace {

int64_t numberOf(mlir::Value value) {
  llvm::APInt constant;
  EXPECT_TRUE(mlir::matchPattern(value, mlir::m_ConstantInt(&constant)));
  return constant.getSExtValue();
}

TEST(TokenMap, AgreesWithTheRuntime) {
  mlir::MLIRContext context;
  context.loadDialect<KvDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect, mlir::LLVM::LLVMDialect>();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  KernelBuilder b(*module, module->getLoc(), "f", mlir::UnitAttr::get(&context));
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    const int64_t slots = round % 3 ? int64_t(1 + random() % 200) : int64_t(1 + random() % (int64_t(1) << 31));
    const int64_t index = int64_t(random() % (round % 2 ? 1000 : uint64_t(1) << 40));
    SCOPED_TRACE(fmt::format("token {} in pages of {}", index, slots));
    kv_tokens tokens = {};
    tokens.kind = KV_TOKENS_PAGED;
    tokens.page_tokens = slots;
    const kv_place place = kv_place_of(tokens, index);
    TokenMap map(b, slots);
    EXPECT_EQ(numberOf(map.entryOf(b.i64(index))), place.entry);
    EXPECT_EQ(numberOf(map.slotOf(b.i64(index))), place.slot);
    EXPECT_EQ(numberOf(map.firstOf(b.i64(place.entry))), index - place.slot);
    for (int64_t number : {index, int64_t(-1)}) {
      EXPECT_EQ(numberOf(map.pageOfNumber(b.i64(number))), kv_place_of_slot(tokens, number).entry);
      EXPECT_EQ(numberOf(map.slotOfNumber(b.i64(number))), kv_place_of_slot(tokens, number).slot);
    }
    // What the words of kv_tokens.h say of it.
    EXPECT_LT(place.slot, slots);
    EXPECT_EQ(kv_slot_number(tokens, place.entry, place.slot), index);
    EXPECT_EQ(kv_entries(tokens, index), index ? kv_place_of(tokens, index - 1).entry + 1 : 0);
    EXPECT_EQ(kv_place_of_slot(tokens, index).slot, place.slot);
  }
}

} // namespace
