// Scores to arith and math. Integers stay i32 until they meet a number; constant parts are computed here in float64 and rounded
// once.
#include "compiler/frontend/EmitScore.h"

#include "compiler/frontend/Evaluate.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <cmath>

using namespace mlir;

namespace kv {

namespace {
class ScoreEmitter {
public:
  ScoreEmitter(const ScoreNames &names, OpBuilder &b) : names(names), b(b) {}

  /// The value of `expr` as f32 (`number`), i32 (`integer`) or i1 (`boolean`).
  Value visit(const Expr &expr, ExprType want) {
    Location loc = names.locate(expr.range);
    if (isConstant(expr, names.parameters)) {
      double value = evaluateConstant(expr, names.parameters);
      if (want == ExprType::number)
        return number(loc, value);
      return arith::ConstantOp::create(
          b, loc, b.getIntegerAttr(want == ExprType::boolean ? b.getI1Type() : b.getI32Type(), int64_t(value)));
    }
    Value value = compute(expr, loc);
    if (want == ExprType::number && expr.type == ExprType::integer)
      value = arith::SIToFPOp::create(b, loc, b.getF32Type(), value);
    return value;
  }

private:
  Value number(Location loc, double value) { return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(float(value))); }
  Value visitNumber(const Expr &expr, size_t operand) { return visit(*expr.operands[operand], ExprType::number); }

  Value compute(const Expr &expr, Location loc) {
    StringRef word = expr.word.text;
    switch (expr.kind) {
    case ExprKind::name:
      if (word == "h")
        return arith::IndexCastOp::create(b, loc, b.getI32Type(), names.h);
      return word == "s" ? names.s : word == "i" ? names.i : names.j;
    case ExprKind::index:
      return tensor::ExtractOp::create(b, loc, names.arrays.lookup(word), names.h);
    case ExprKind::unary: {
      Value operand = visit(*expr.operands[0], expr.type);
      if (word == "!")
        return arith::XOrIOp::create(b, loc, operand, arith::ConstantOp::create(b, loc, b.getBoolAttr(true)));
      if (expr.type == ExprType::number)
        return arith::NegFOp::create(b, loc, operand);
      return arith::SubIOp::create(b, loc, arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0)), operand);
    }
    case ExprKind::binary:
      return visitBinary(expr, loc);
    case ExprKind::call:
      return visitCall(expr, loc);
    default: // literals are constants
      return {};
    }
  }

  Value visitBinary(const Expr &expr, Location loc) {
    StringRef op = expr.word.text;
    if (op == "&&" || op == "||") {
      Value x = visit(*expr.operands[0], ExprType::boolean), y = visit(*expr.operands[1], ExprType::boolean);
      return op == "&&" ? arith::AndIOp::create(b, loc, x, y).getResult() : arith::OrIOp::create(b, loc, x, y).getResult();
    }
    if (op == "**")
      return visitPower(expr, loc);
    if (expr.type == ExprType::boolean)
      return visitComparison(expr, loc);
    Value x = visit(*expr.operands[0], expr.type), y = visit(*expr.operands[1], expr.type);
    if (op == "/")
      return arith::DivFOp::create(b, loc, x, y);
    bool isNumber = expr.type == ExprType::number;
    if (op == "+")
      return isNumber ? arith::AddFOp::create(b, loc, x, y).getResult() : arith::AddIOp::create(b, loc, x, y).getResult();
    if (op == "-")
      return isNumber ? arith::SubFOp::create(b, loc, x, y).getResult() : arith::SubIOp::create(b, loc, x, y).getResult();
    return isNumber ? arith::MulFOp::create(b, loc, x, y).getResult() : arith::MulIOp::create(b, loc, x, y).getResult();
  }

  /// Small whole exponents by multiplication: x ** 3 is (x * x) * x, x ** -2 is 1 / (x * x).
  Value visitPower(const Expr &expr, Location loc) {
    Value base = visitNumber(expr, 0);
    const Expr &exponent = *expr.operands[1];
    if (isConstant(exponent, names.parameters)) {
      double value = evaluateConstant(exponent, names.parameters);
      if (value == std::trunc(value) && std::fabs(value) <= 8) {
        if (value == 0)
          return number(loc, 1);
        Value product = base;
        for (int round = 1; round < int(std::fabs(value)); ++round)
          product = arith::MulFOp::create(b, loc, product, base);
        return value > 0 ? product : arith::DivFOp::create(b, loc, number(loc, 1), product).getResult();
      }
    }
    return math::PowFOp::create(b, loc, base, visitNumber(expr, 1));
  }

  Value visitComparison(const Expr &expr, Location loc) {
    StringRef op = expr.word.text;
    if (all_of(expr.operands, [](const ExprPtr &operand) { return operand->type == ExprType::integer; })) {
      auto predicate = llvm::StringSwitch<arith::CmpIPredicate>(op)
                           .Case("<", arith::CmpIPredicate::slt)
                           .Case("<=", arith::CmpIPredicate::sle)
                           .Case(">", arith::CmpIPredicate::sgt)
                           .Case(">=", arith::CmpIPredicate::sge)
                           .Case("==", arith::CmpIPredicate::eq)
                           .Default(arith::CmpIPredicate::ne);
      Value x = visit(*expr.operands[0], ExprType::integer), y = visit(*expr.operands[1], ExprType::integer);
      return arith::CmpIOp::create(b, loc, predicate, x, y);
    }
    auto predicate = llvm::StringSwitch<arith::CmpFPredicate>(op) // false for NaN, `!=` true
                         .Case("<", arith::CmpFPredicate::OLT)
                         .Case("<=", arith::CmpFPredicate::OLE)
                         .Case(">", arith::CmpFPredicate::OGT)
                         .Case(">=", arith::CmpFPredicate::OGE)
                         .Case("==", arith::CmpFPredicate::OEQ)
                         .Default(arith::CmpFPredicate::UNE);
    Value x = visitNumber(expr, 0), y = visitNumber(expr, 1);
    return arith::CmpFOp::create(b, loc, predicate, x, y);
  }

  Value visitCall(const Expr &expr, Location loc) {
    StringRef name = expr.word.text;
    bool isNumber = expr.type == ExprType::number;
    if (name == "select") {
      Value condition = visit(*expr.operands[0], ExprType::boolean);
      Value x = visit(*expr.operands[1], expr.type), y = visit(*expr.operands[2], expr.type);
      return arith::SelectOp::create(b, loc, condition, x, y);
    }
    if (name == "min" || name == "max") {
      Value x = visit(*expr.operands[0], expr.type), y = visit(*expr.operands[1], expr.type);
      if (name == "min")
        return isNumber ? arith::MinimumFOp::create(b, loc, x, y).getResult() : arith::MinSIOp::create(b, loc, x, y).getResult();
      return isNumber ? arith::MaximumFOp::create(b, loc, x, y).getResult() : arith::MaxSIOp::create(b, loc, x, y).getResult();
    }
    Value x = visit(*expr.operands[0], expr.type);
    if (name == "abs" && isNumber)
      return math::AbsFOp::create(b, loc, x);
    if (name == "abs") {
      Value zero = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0));
      return arith::MaxSIOp::create(b, loc, x, arith::SubIOp::create(b, loc, zero, x));
    }
    if (name == "exp")
      return math::ExpOp::create(b, loc, x);
    if (name == "log")
      return math::LogOp::create(b, loc, x);
    if (name == "tanh")
      return math::TanhOp::create(b, loc, x);
    Value one = number(loc, 1); // sigmoid
    Value power = math::ExpOp::create(b, loc, arith::NegFOp::create(b, loc, x));
    return arith::DivFOp::create(b, loc, one, arith::AddFOp::create(b, loc, one, power));
  }

  const ScoreNames &names;
  OpBuilder &b;
};
} // namespace

Value emitScore(const Expr &expr, const ScoreNames &names, OpBuilder &builder) {
  return ScoreEmitter(names, builder).visit(expr, ExprType::number);
}

Value emitMask(const Expr &expr, const ScoreNames &names, OpBuilder &builder) {
  return ScoreEmitter(names, builder).visit(expr, ExprType::boolean);
}

} // namespace kv
