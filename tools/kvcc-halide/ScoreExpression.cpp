#include "tools/kvcc-halide/ScoreExpression.h"

#include "tools/kvcc-halide/Math.h"
#include "tools/kvcc-halide/StoredStream.h"

#include <map>

using namespace Halide;

namespace kv::halide {
namespace {

using Operands = std::vector<Expr>;

Expr constant(const ScoreOp &op) {
  if (op.type == "f32")
    return Expr(float(op.value));
  return op.type == "i1" ? Expr(op.value != 0) : Expr(int32_t(op.value));
}

/// The greater, or the less; NaN where either is.
Expr extreme(const Expr &x, const Expr &y, const Expr &takesX) { return select(x != x, x, y != y, y, takesX, x, y); }

/// x or y; of numbers by their bits, for Halide computes what only one side of a select reads under a condition, on the heap.
Expr choose(const Expr &condition, const Expr &x, const Expr &y) {
  if (!x.type().is_float())
    return select(condition, x, y);
  Expr mask = select(condition, Expr(uint32_t(0xffffffff)), Expr(uint32_t(0)));
  return reinterpret<float>((reinterpret<uint32_t>(x) & mask) | (reinterpret<uint32_t>(y) & ~mask));
}

/// Predicates as MLIR numbers them: cmpi eq ne slt sle sgt sge; of cmpf the ordered ones, and une.
Expr compareIntegers(int64_t predicate, const Expr &x, const Expr &y) {
  switch (predicate) {
  case 0:
    return x == y;
  case 1:
    return x != y;
  case 2:
    return x < y;
  case 3:
    return x <= y;
  case 4:
    return x > y;
  default:
    return x >= y;
  }
}

Expr compareNumbers(int64_t predicate, const Expr &x, const Expr &y) {
  switch (predicate) {
  case 1:
    return x == y;
  case 2:
    return x > y;
  case 3:
    return x >= y;
  case 4:
    return x < y;
  case 5:
    return x <= y;
  case 13:
    return x != y;
  default:
    throw NotCovered{"a comparison of a score expression"};
  }
}

Expr evaluate(const ScoreOp &op, const Operands &x) {
  static const std::map<std::string, std::function<Expr(const Operands &)>> table = {
      {"arith.addf", [](const Operands &x) { return x[0] + x[1]; }},
      {"arith.addi", [](const Operands &x) { return x[0] + x[1]; }},
      {"arith.subf", [](const Operands &x) { return x[0] - x[1]; }},
      {"arith.subi", [](const Operands &x) { return x[0] - x[1]; }},
      {"arith.mulf", [](const Operands &x) { return x[0] * x[1]; }},
      {"arith.muli", [](const Operands &x) { return x[0] * x[1]; }},
      {"arith.divf", [](const Operands &x) { return x[0] / x[1]; }},
      {"arith.negf", [](const Operands &x) { return x[0] * -1.0f; }},
      {"arith.andi", [](const Operands &x) { return x[0] && x[1]; }},
      {"arith.ori", [](const Operands &x) { return x[0] || x[1]; }},
      {"arith.xori", [](const Operands &x) { return x[0] != x[1]; }},
      {"arith.sitofp", [](const Operands &x) { return cast<float>(x[0]); }},
      {"arith.select", [](const Operands &x) { return choose(x[0], x[1], x[2]); }},
      {"arith.minsi", [](const Operands &x) { return min(x[0], x[1]); }},
      {"arith.maxsi", [](const Operands &x) { return max(x[0], x[1]); }},
      {"arith.minimumf", [](const Operands &x) { return extreme(x[0], x[1], x[0] < x[1]); }},
      {"arith.maximumf", [](const Operands &x) { return extreme(x[0], x[1], x[0] > x[1]); }},
      {"math.absf", [](const Operands &x) { return abs(x[0]); }},
      {"math.exp", [](const Operands &x) { return expOf(x[0]); }},
      {"math.log", [](const Operands &x) { return logOf(x[0]); }},
      {"math.tanh", [](const Operands &x) { return tanhOf(x[0]); }},
      {"math.powf", [](const Operands &x) { return powOf(x[0], x[1]); }},
      {"result", [](const Operands &x) { return x[0]; }},
  };
  if (op.name == "arith.cmpi")
    return compareIntegers(op.predicate, x[0], x[1]);
  if (op.name == "arith.cmpf")
    return compareNumbers(op.predicate, x[0], x[1]);
  auto entry = table.find(op.name);
  if (entry == table.end())
    throw NotCovered{"`" + op.name + "` in a score expression"};
  return entry->second(x);
}

} // namespace

Expr scoreOf(const std::vector<ScoreOp> &ops, std::vector<Expr> known, const std::function<Expr(int)> &array) {
  for (const ScoreOp &op : ops) {
    if (op.name == "constant") {
      known.push_back(constant(op));
      continue;
    }
    if (op.name == "array") {
      known.push_back(array(int(op.value)));
      continue;
    }
    Operands operands;
    for (int64_t number : op.operands)
      operands.push_back(known[size_t(number)]);
    known.push_back(evaluate(op, operands));
  }
  return known.back();
}

} // namespace kv::halide
