// What the reference's tests share: a context with the dialects of level 0, random tensors.
#ifndef KV_TESTS_REFERENCE_SUPPORT_H
#define KV_TESTS_REFERENCE_SUPPORT_H

#include "compiler/reference/Interpreter.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <random>

namespace kv {

inline mlir::MLIRContext &testContext() {
  static mlir::MLIRContext *context = [] {
    auto *made = new mlir::MLIRContext(mlir::MLIRContext::Threading::DISABLED);
    made->loadDialect<KvDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect, mlir::math::MathDialect,
                      mlir::tensor::TensorDialect>();
    return made;
  }();
  return *context;
}

/// The mask of a kv.attend: "causal", or "all" of them; else the region's ops, which give %seen.
inline std::string maskRegion(const std::string &mask) {
  if (mask == "all")
    return "";
  std::string ops = mask == "causal" ? "%seen = arith.cmpi sle, %j, %i : i32" : mask;
  return "mask { ^bb0(%i: i32, %j: i32, %h: index): " + ops + " kv.yield %seen : i1 } ";
}

/// The text of a cache type, parsed.
inline CacheType cacheType(const std::string &text) {
  return mlir::dyn_cast_or_null<CacheType>(mlir::parseType("!kv.cache<" + text + ">", &testContext()));
}

inline mlir::OwningOpRef<mlir::ModuleOp> parseModule(const std::string &text) {
  return mlir::parseSourceString<mlir::ModuleOp>(text, &testContext());
}

inline std::vector<float> randomFloats(size_t count, uint32_t seed, float deviation = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(random);
  return values;
}

inline Tensor tensorOf(std::vector<int64_t> shape, const std::vector<float> &data) {
  return {std::move(shape), std::vector<double>(data.begin(), data.end())};
}

} // namespace kv

#endif
