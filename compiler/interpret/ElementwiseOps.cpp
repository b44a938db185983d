// arith and math: on scalars, and on tiles element by element. Floats are f32; what math computes is rounded once, from float64.
#include "compiler/interpret/Frame.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"

#include <cmath>

using namespace mlir;

namespace kv::tiles {
namespace {

unsigned widthOf(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
}

/// Integers as Data has them: cut to a width, with the sign of its highest bit.
int64_t cut(int64_t value, unsigned width) { return width == 1 ? value & 1 : llvm::SignExtend64(uint64_t(value), width); }
uint64_t unsignedOf(int64_t value, unsigned width) { return uint64_t(value) & llvm::maskTrailingOnes<uint64_t>(width); }

/// Whether an op's floats are f32, or it has none.
bool isOfF32(Operation *op) {
  auto fits = [](Type type) { return !isa<FloatType>(getElementTypeOrSelf(type)) || getElementTypeOrSelf(type).isF32(); };
  return llvm::all_of(op->getOperandTypes(), fits) && llvm::all_of(op->getResultTypes(), fits);
}

Data resultOf(Frame &frame, Operation *op, bool isFloat) {
  llvm::ArrayRef<int64_t> shape = frame.data(op->getOperand(0)).shape;
  return isFloat ? Data::ofFloats(shape) : Data::ofIntegers(shape);
}

/// Sets the result to what `element` makes of each element of the operands.
template <typename Element> llvm::Error each(Frame &frame, Operation *op, bool isFloat, Element element) {
  if (!isOfF32(op))
    return fail(op, "expected floats of f32");
  Data result = resultOf(frame, op, isFloat);
  const Data *operands[3] = {};
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    operands[i] = &frame.data(operand);
    if (operands[i]->count() != result.count())
      return fail(op, "expected operands of one shape");
  }
  for (size_t i = 0; i < result.count(); ++i)
    element(result, operands, i);
  frame.set(op->getResult(0), std::move(result));
  return llvm::Error::success();
}

struct Adder {
  Table &table;

  template <typename OpType> void float1(float (*f)(float)) {
    table.addGeneric<OpType>([f](Frame &frame, Operation *op) {
      return each(frame, op, true, [f](Data &result, const Data *const *x, size_t i) { result.floats[i] = f(x[0]->floats[i]); });
    });
  }
  template <typename OpType> void float2(float (*f)(float, float)) {
    table.addGeneric<OpType>([f](Frame &frame, Operation *op) {
      return each(frame, op, true,
                  [f](Data &result, const Data *const *x, size_t i) { result.floats[i] = f(x[0]->floats[i], x[1]->floats[i]); });
    });
  }
  /// Takes integers with their sign.
  template <typename OpType> void signed2(int64_t (*f)(int64_t, int64_t)) {
    table.addGeneric<OpType>([f](Frame &frame, Operation *op) {
      const unsigned width = widthOf(op->getResult(0).getType());
      return each(frame, op, false, [f, width](Data &result, const Data *const *x, size_t i) {
        result.integers[i] = cut(f(x[0]->integers[i], x[1]->integers[i]), width);
      });
    });
  }
  template <typename OpType> void unsigned2(uint64_t (*f)(uint64_t, uint64_t)) {
    table.addGeneric<OpType>([f](Frame &frame, Operation *op) {
      const unsigned width = widthOf(op->getResult(0).getType());
      return each(frame, op, false, [f, width](Data &result, const Data *const *x, size_t i) {
        const uint64_t a = unsignedOf(x[0]->integers[i], width), b = unsignedOf(x[1]->integers[i], width);
        result.integers[i] = cut(int64_t(f(a, b)), width);
      });
    });
  }
  /// The same, where the second must not be 0.
  template <typename OpType> void quotient(int64_t (*f)(int64_t, int64_t, unsigned width)) {
    table.addGeneric<OpType>([f](Frame &frame, Operation *op) {
      const unsigned width = widthOf(op->getResult(0).getType());
      if (llvm::is_contained(frame.data(op->getOperand(1)).integers, 0))
        return fail(op, "division by zero");
      return each(frame, op, false, [f, width](Data &result, const Data *const *x, size_t i) {
        result.integers[i] = cut(f(x[0]->integers[i], x[1]->integers[i], width), width);
      });
    });
  }
  /// From integers of the operand's width to those of the result's.
  template <typename OpType> void resize(int64_t (*f)(int64_t, unsigned from)) {
    table.addGeneric<OpType>([f](Frame &frame, Operation *op) {
      const unsigned from = widthOf(op->getOperand(0).getType()), to = widthOf(op->getResult(0).getType());
      return each(frame, op, false,
                  [=](Data &result, const Data *const *x, size_t i) { result.integers[i] = cut(f(x[0]->integers[i], from), to); });
    });
  }

  void addFloats();
  void addMath();
  void addIntegers();
  void addConversions();
};

void Adder::addFloats() {
  float2<arith::AddFOp>([](float a, float b) { return a + b; });
  float2<arith::SubFOp>([](float a, float b) { return a - b; });
  float2<arith::MulFOp>([](float a, float b) { return a * b; });
  float2<arith::DivFOp>([](float a, float b) { return a / b; });
  float2<arith::MaximumFOp>([](float a, float b) { return std::isnan(a) || std::isnan(b) ? a + b : std::max(a, b); });
  float2<arith::MinimumFOp>([](float a, float b) { return std::isnan(a) || std::isnan(b) ? a + b : std::min(a, b); });
  float2<arith::MaxNumFOp>([](float a, float b) { return std::fmax(a, b); });
  float2<arith::MinNumFOp>([](float a, float b) { return std::fmin(a, b); });
  float1<arith::NegFOp>([](float a) { return -a; });
  table.addGeneric<math::FmaOp>([](Frame &frame, Operation *op) {
    return each(frame, op, true, [](Data &result, const Data *const *x, size_t i) {
      result.floats[i] = std::fma(x[0]->floats[i], x[1]->floats[i], x[2]->floats[i]);
    });
  });
}

void Adder::addMath() {
  float1<math::AbsFOp>([](float a) { return std::fabs(a); });
  float1<math::ExpOp>([](float a) { return float(std::exp(double(a))); });
  float1<math::Exp2Op>([](float a) { return float(std::exp2(double(a))); });
  float1<math::LogOp>([](float a) { return float(std::log(double(a))); });
  float1<math::Log2Op>([](float a) { return float(std::log2(double(a))); });
  float1<math::SqrtOp>([](float a) { return std::sqrt(a); });
  float1<math::TanhOp>([](float a) { return float(std::tanh(double(a))); });
  float2<math::PowFOp>([](float a, float b) { return float(std::pow(double(a), double(b))); });
}

void Adder::addIntegers() {
  unsigned2<arith::AddIOp>([](uint64_t a, uint64_t b) { return a + b; });
  unsigned2<arith::SubIOp>([](uint64_t a, uint64_t b) { return a - b; });
  unsigned2<arith::MulIOp>([](uint64_t a, uint64_t b) { return a * b; });
  unsigned2<arith::AndIOp>([](uint64_t a, uint64_t b) { return a & b; });
  unsigned2<arith::OrIOp>([](uint64_t a, uint64_t b) { return a | b; });
  unsigned2<arith::XOrIOp>([](uint64_t a, uint64_t b) { return a ^ b; });
  unsigned2<arith::ShLIOp>([](uint64_t a, uint64_t b) { return b < 64 ? a << b : 0; });
  unsigned2<arith::ShRUIOp>([](uint64_t a, uint64_t b) { return b < 64 ? a >> b : 0; });
  signed2<arith::ShRSIOp>([](int64_t a, int64_t b) { return a >> std::min<uint64_t>(uint64_t(b), 63); });
  signed2<arith::MaxSIOp>([](int64_t a, int64_t b) { return std::max(a, b); });
  signed2<arith::MinSIOp>([](int64_t a, int64_t b) { return std::min(a, b); });
  unsigned2<arith::MaxUIOp>([](uint64_t a, uint64_t b) { return std::max(a, b); });
  unsigned2<arith::MinUIOp>([](uint64_t a, uint64_t b) { return std::min(a, b); });
  quotient<arith::DivSIOp>([](int64_t a, int64_t b, unsigned) { return b == -1 ? int64_t(0 - uint64_t(a)) : a / b; });
  quotient<arith::RemSIOp>([](int64_t a, int64_t b, unsigned) { return b == -1 ? 0 : a % b; });
  quotient<arith::DivUIOp>([](int64_t a, int64_t b, unsigned w) { return int64_t(unsignedOf(a, w) / unsignedOf(b, w)); });
  quotient<arith::RemUIOp>([](int64_t a, int64_t b, unsigned w) { return int64_t(unsignedOf(a, w) % unsignedOf(b, w)); });
}

void Adder::addConversions() {
  // i1 is 0 or 1, and -1 once its sign is taken.
  resize<arith::ExtSIOp>([](int64_t a, unsigned from) { return from == 1 ? -a : a; });
  resize<arith::ExtUIOp>([](int64_t a, unsigned from) { return int64_t(unsignedOf(a, from)); });
  resize<arith::TruncIOp>([](int64_t a, unsigned) { return a; });
  resize<arith::IndexCastOp>([](int64_t a, unsigned) { return a; });
  table.addGeneric<arith::SIToFPOp>([](Frame &frame, Operation *op) {
    return each(frame, op, true, [](Data &result, const Data *const *x, size_t i) { result.floats[i] = float(x[0]->integers[i]); });
  });
  table.addGeneric<arith::FPToSIOp>([](Frame &frame, Operation *op) {
    const unsigned width = widthOf(op->getResult(0).getType());
    const double most = std::ldexp(1.0, int(width) - 1);
    return each(frame, op, false, [=](Data &result, const Data *const *x, size_t i) { // others may be anything
      const double number = std::trunc(double(x[0]->floats[i]));
      result.integers[i] = number >= -most && number < most ? int64_t(number) : 0;
    });
  });
  table.addGeneric<arith::BitcastOp>([](Frame &frame, Operation *op) {
    const bool toFloat = isa<FloatType>(getElementTypeOrSelf(op->getResult(0).getType()));
    const bool fromFloat = frame.data(op->getOperand(0)).isFloat;
    if (widthOf(op->getResult(0).getType()) != 32)
      return fail(op, "expected 32 bits");
    return each(frame, op, toFloat, [=](Data &result, const Data *const *x, size_t i) {
      const uint32_t bits = fromFloat ? llvm::bit_cast<uint32_t>(x[0]->floats[i]) : uint32_t(x[0]->integers[i]);
      if (toFloat)
        result.floats[i] = llvm::bit_cast<float>(bits);
      else
        result.integers[i] = int32_t(bits);
    });
  });
}

} // namespace

static llvm::Error runCompareIntegers(Frame &frame, arith::CmpIOp op) {
  const unsigned width = widthOf(op.getLhs().getType());
  const arith::CmpIPredicate predicate = op.getPredicate();
  if (width == 1 && predicate != arith::CmpIPredicate::eq && predicate != arith::CmpIPredicate::ne)
    return fail(op, "expected no order of i1");
  return each(frame, op, false, [&](Data &result, const Data *const *x, size_t i) {
    const llvm::APInt a(width, unsignedOf(x[0]->integers[i], width)), b(width, unsignedOf(x[1]->integers[i], width));
    result.integers[i] = arith::applyCmpPredicate(predicate, a, b);
  });
}

static llvm::Error runCompareFloats(Frame &frame, arith::CmpFOp op) {
  const arith::CmpFPredicate predicate = op.getPredicate();
  return each(frame, op, false, [predicate](Data &result, const Data *const *x, size_t i) {
    const llvm::APFloat a(x[0]->floats[i]), b(x[1]->floats[i]);
    result.integers[i] = arith::applyCmpPredicate(predicate, a, b);
  });
}

/// Chooses anything by a scalar, or tiles element by element.
static llvm::Error runSelect(Frame &frame, arith::SelectOp op) {
  const Data &condition = frame.data(op.getCondition());
  if (condition.shape.empty()) {
    frame.set(op.getResult(), frame.get(condition.integers[0] ? op.getTrueValue() : op.getFalseValue()));
    return llvm::Error::success();
  }
  const Data &otherwise = frame.data(op.getFalseValue());
  Data result = frame.data(op.getTrueValue());
  if (result.count() != condition.count())
    return fail(op, "expected operands of one shape");
  for (size_t i = 0; i < result.count(); ++i)
    if (!condition.integers[i])
      result.copy(i, otherwise, i);
  frame.set(op.getResult(), std::move(result));
  return llvm::Error::success();
}

static llvm::Error runConstant(Frame &frame, arith::ConstantOp op) {
  auto floatOf = [](const llvm::APFloat &value) { return value.convertToFloat(); };
  auto integerOf = [](const llvm::APInt &value) {
    return value.getBitWidth() == 1 ? int64_t(value.getZExtValue()) : value.getSExtValue();
  };
  Attribute value = op.getValue();
  const unsigned width = widthOf(op.getType());
  if (!isOfF32(op) || width > 64)
    return fail(op, "expected integers or f32");
  if (auto number = dyn_cast<FloatAttr>(value)) {
    frame.set(op.getResult(), Data::ofFloat(floatOf(number.getValue())));
  } else if (auto integer = dyn_cast<IntegerAttr>(value)) {
    frame.set(op.getResult(), Data::ofInteger(integerOf(integer.getValue())));
  } else if (auto tile = dyn_cast<DenseElementsAttr>(value)) {
    const bool isFloat = isa<FloatType>(tile.getElementType());
    Data data = isFloat ? Data::ofFloats(tile.getType().getShape()) : Data::ofIntegers(tile.getType().getShape());
    for (size_t i = 0; i < data.count(); ++i)
      if (isFloat)
        data.floats[i] = floatOf(tile.getValues<llvm::APFloat>()[i]);
      else
        data.integers[i] = integerOf(tile.getValues<llvm::APInt>()[i]);
    frame.set(op.getResult(), std::move(data));
  } else {
    return fail(op, "expected numbers");
  }
  return llvm::Error::success();
}

void addElementwiseOps(Table &table) {
  Adder adder{table};
  adder.addFloats();
  adder.addMath();
  adder.addIntegers();
  adder.addConversions();
  table.add<arith::CmpIOp>(runCompareIntegers);
  table.add<arith::CmpFOp>(runCompareFloats);
  table.add<arith::SelectOp>(runSelect);
  table.add<arith::ConstantOp>(runConstant);
}

} // namespace kv::tiles
