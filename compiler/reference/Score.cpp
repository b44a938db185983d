#include "compiler/reference/Score.h"

#include "dialect/KvOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;

namespace kv {
namespace {

using Kernel = ScoreProgram::Kernel;

/// Numbers of scores are f32: what rounds to none of them is infinite.
double bounded(double x) {
  constexpr double beyond = 0x1.ffffffp127;
  return std::fabs(x) >= beyond ? std::copysign(std::numeric_limits<double>::infinity(), x) : x;
}

template <typename Function>
Kernel unary(Function function) {
  return [function](double *out, const double *a, const double *, const double *, size_t count) {
    for (size_t i = 0; i < count; ++i)
      out[i] = bounded(function(a[i]));
  };
}

template <typename Function>
Kernel binary(Function function) {
  return [function](double *out, const double *a, const double *b, const double *, size_t count) {
    for (size_t i = 0; i < count; ++i)
      out[i] = bounded(function(a[i], b[i]));
  };
}

/// Operands as integers, the result wrapped to the type's width.
template <typename Function>
Kernel integers(Type type, Function function) {
  unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  return binary([=](double a, double b) -> double {
    int64_t value = function(int64_t(a), int64_t(b));
    if (width == 1)
      return value & 1;
    return width < 64 ? int64_t(uint64_t(value) << (64 - width)) >> (64 - width) : value;
  });
}

Kernel constant(double value) {
  return [value](double *out, const double *, const double *, const double *, size_t count) { std::fill_n(out, count, value); };
}

Kernel compare(arith::CmpFPredicate predicate) {
  return binary(
      [=](double a, double b) -> double { return arith::applyCmpPredicate(predicate, llvm::APFloat(a), llvm::APFloat(b)); });
}

Kernel compare(arith::CmpIPredicate predicate) {
  return binary([=](double a, double b) -> double {
    auto bits = [](double x) { return llvm::APInt(64, uint64_t(int64_t(x))); };
    const llvm::APInt left = bits(a), right = bits(b);
    return arith::applyCmpPredicate(predicate, left, right);
  });
}

double maximum(double a, double b) { return std::isnan(a) ? a : std::isnan(b) ? b : std::max(a, b); }
double minimum(double a, double b) { return std::isnan(a) ? a : std::isnan(b) ? b : std::min(a, b); }
double copy(double a) { return a; }

Kernel constantOf(Attribute value) {
  if (auto number = dyn_cast<FloatAttr>(value))
    return constant(number.getValueAsDouble());
  if (auto integer = dyn_cast<IntegerAttr>(value))
    return constant(integer.getType().isInteger(1) ? double(integer.getValue().getBoolValue()) : double(integer.getInt()));
  return {};
}

/// An empty function for an op that is not known.
Kernel kernelOf(Operation *op) {
  Type type = op->getNumResults() ? op->getResult(0).getType() : Type();
  return llvm::TypeSwitch<Operation *, Kernel>(op)
      .Case([](arith::ConstantOp op) { return constantOf(op.getValue()); })
      .Case([](arith::AddFOp) { return binary([](double a, double b) { return a + b; }); })
      .Case([](arith::SubFOp) { return binary([](double a, double b) { return a - b; }); })
      .Case([](arith::MulFOp) { return binary([](double a, double b) { return a * b; }); })
      .Case([](arith::DivFOp) { return binary([](double a, double b) { return a / b; }); })
      .Case([](arith::RemFOp) { return binary([](double a, double b) { return std::fmod(a, b); }); })
      .Case([](arith::NegFOp) { return unary([](double a) { return -a; }); })
      .Case([](arith::MaximumFOp) { return binary(maximum); })
      .Case([](arith::MinimumFOp) { return binary(minimum); })
      .Case([](arith::MaxNumFOp) { return binary([](double a, double b) { return std::fmax(a, b); }); })
      .Case([](arith::MinNumFOp) { return binary([](double a, double b) { return std::fmin(a, b); }); })
      .Case([](arith::CmpFOp op) { return compare(op.getPredicate()); })
      .Case([](arith::CmpIOp op) { return compare(op.getPredicate()); })
      .Case([](arith::SelectOp) {
        return [](double *out, const double *a, const double *b, const double *c, size_t count) {
          for (size_t i = 0; i < count; ++i)
            out[i] = a[i] != 0 ? b[i] : c[i];
        };
      })
      .Case<arith::SIToFPOp, arith::ExtFOp, arith::TruncFOp, arith::ExtSIOp, arith::UIToFPOp, arith::ExtUIOp>(
          [](Operation *) { return unary(copy); })
      .Case<arith::IndexCastOp, arith::TruncIOp>(
          [&](Operation *) { return integers(type, [](int64_t a, int64_t) { return a; }); })
      .Case([&](arith::AddIOp) { return integers(type, [](int64_t a, int64_t b) { return a + b; }); })
      .Case([&](arith::SubIOp) { return integers(type, [](int64_t a, int64_t b) { return a - b; }); })
      .Case([&](arith::MulIOp) { return integers(type, [](int64_t a, int64_t b) { return int64_t(uint64_t(a) * uint64_t(b)); }); })
      .Case([&](arith::MaxSIOp) { return integers(type, [](int64_t a, int64_t b) { return std::max(a, b); }); })
      .Case([&](arith::MinSIOp) { return integers(type, [](int64_t a, int64_t b) { return std::min(a, b); }); })
      .Case([&](arith::AndIOp) { return integers(type, [](int64_t a, int64_t b) { return a & b; }); })
      .Case([&](arith::OrIOp) { return integers(type, [](int64_t a, int64_t b) { return a | b; }); })
      .Case([&](arith::XOrIOp) { return integers(type, [](int64_t a, int64_t b) { return a ^ b; }); })
      .Case([](math::AbsFOp) { return unary([](double a) { return std::fabs(a); }); })
      .Case([&](math::AbsIOp) { return integers(type, [](int64_t a, int64_t) { return a < 0 ? -a : a; }); })
      .Case([](math::ExpOp) { return unary([](double a) { return std::exp(a); }); })
      .Case([](math::Exp2Op) { return unary([](double a) { return std::exp2(a); }); })
      .Case([](math::LogOp) { return unary([](double a) { return std::log(a); }); })
      .Case([](math::Log2Op) { return unary([](double a) { return std::log2(a); }); })
      .Case([](math::TanhOp) { return unary([](double a) { return std::tanh(a); }); })
      .Case([](math::SqrtOp) { return unary([](double a) { return std::sqrt(a); }); })
      .Case([](math::RsqrtOp) { return unary([](double a) { return 1 / std::sqrt(a); }); })
      .Case<math::PowFOp, math::FPowIOp>([](Operation *) { return binary([](double a, double b) { return std::pow(a, b); }); })
      .Case([](math::FmaOp) {
        return [](double *out, const double *a, const double *b, const double *c, size_t count) {
          for (size_t i = 0; i < count; ++i)
            out[i] = a[i] * b[i] + c[i];
        };
      })
      .Default([](Operation *) { return Kernel(); });
}

Kernel lookup(std::vector<double> array) {
  return [array = std::move(array)](double *out, const double *index, const double *, const double *, size_t count) {
    for (size_t i = 0; i < count; ++i)
      out[i] = array[size_t(index[i])];
  };
}

} // namespace

llvm::Expected<ScoreProgram> ScoreProgram::build(Region &region, Arrays arrays) {
  auto fail = [](Operation *op, const char *why) {
    return llvm::createStringError("score: `" + op->getName().getStringRef().str() + "` " + why);
  };
  ScoreProgram program;
  Block &block = region.front();
  llvm::DenseMap<Value, int> columns;
  for (unsigned i = 0; i < block.getNumArguments(); ++i)
    columns[block.getArgument(i)] = int(i + (4 - block.getNumArguments())); // a mask has no s

  auto add = [&](Operation *op, Kernel kernel, ValueRange operands) -> llvm::Error {
    Step step;
    step.kernel = std::move(kernel);
    if (operands.size() > 3)
      return fail(op, "has more than three operands");
    for (auto [i, operand] : llvm::enumerate(operands)) {
      if (!columns.count(operand)) { // a constant above the region
        Operation *definition = operand.getDefiningOp();
        if (!isa_and_nonnull<arith::ConstantOp>(definition))
          return fail(op, "uses a value from outside that is no constant");
        columns[operand] = firstStep + int(program.steps.size());
        program.steps.push_back({kernelOf(definition), {}});
      }
      step.operands[i] = columns[operand];
    }
    columns[op->getResult(0)] = firstStep + int(program.steps.size());
    program.steps.push_back(std::move(step));
    return llvm::Error::success();
  };

  for (Operation &op : block) {
    if (auto yield = dyn_cast<YieldOp>(op)) {
      if (!columns.count(yield.getValue()))
        return fail(&op, "yields a value from outside");
      program.result = columns[yield.getValue()];
      return program;
    }
    if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
      std::vector<double> array = arrays(extract.getTensor());
      if (array.empty() || extract.getIndices().size() != 1)
        return fail(&op, "reads an unknown array");
      if (llvm::Error error = add(&op, lookup(std::move(array)), extract.getIndices()))
        return std::move(error);
      continue;
    }
    Kernel kernel = op.getNumResults() == 1 ? kernelOf(&op) : Kernel();
    if (!kernel)
      return fail(&op, "is not known to the interpreter");
    if (llvm::Error error = add(&op, std::move(kernel), op.getOperands()))
      return std::move(error);
  }
  return llvm::createStringError("score: expected a region that ends in kv.yield");
}

void ScoreProgram::run(int64_t head, int64_t i, llvm::MutableArrayRef<double> scores) const {
  constexpr size_t chunk = 128;
  std::vector<double> memory((firstStep + steps.size()) * chunk);
  auto column = [&](int index) { return &memory[index * chunk]; };
  std::fill_n(column(1), chunk, double(i));
  std::fill_n(column(3), chunk, double(head));
  for (size_t first = 0; first < scores.size(); first += chunk) {
    size_t count = std::min(chunk, scores.size() - first);
    std::copy_n(&scores[first], count, column(0));
    for (size_t j = 0; j < count; ++j)
      column(2)[j] = double(first + j);
    for (size_t n = 0; n < steps.size(); ++n)
      steps[n].kernel(column(firstStep + int(n)), column(steps[n].operands[0]), column(steps[n].operands[1]),
                      column(steps[n].operands[2]), count);
    std::copy_n(column(result), count, &scores[first]);
  }
}

} // namespace kv
