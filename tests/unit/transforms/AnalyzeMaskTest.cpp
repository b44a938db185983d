// Runs of tokens that kv-analyze-mask makes of random masks, against the masks themselves.
#include "compiler/policy/Passes.h"
#include "dialect/Visible.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

using namespace kv;

namespace {

/// A condition on i and j: its ops in a mask region, and what it says.
struct Condition {
  std::string value;
  std::function<bool(int64_t i, int64_t j)> holds;
};

class RandomMask {
public:
  explicit RandomMask(uint32_t seed) : random(seed) {}
  std::string ops;

  Condition make(int depth) {
    switch (depth ? pick(0, 4) : 0) {
    case 1:
    case 2: {
      Condition a = make(depth - 1), b = make(depth - 1);
      bool both = pick(0, 1);
      std::string value = define(fmt::format("arith.{} {}, {} : i1", both ? "andi" : "ori", a.value, b.value));
      return {value, [=](int64_t i, int64_t j) { return both ? a.holds(i, j) && b.holds(i, j) : a.holds(i, j) || b.holds(i, j); }};
    }
    case 3: {
      Condition a = make(depth - 1);
      std::string one = define("arith.constant true"), value = define(fmt::format("arith.xori {}, {} : i1", a.value, one));
      return {value, [=](int64_t i, int64_t j) { return !a.holds(i, j); }};
    }
    default:
      return compare();
    }
  }

private:
  int64_t pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }

  std::string define(const std::string &op) {
    std::string name = fmt::format("%v{}", count++);
    ops += name + " = " + op + "\n";
    return name;
  }

  /// j, or i - j, against a number or i plus one.
  Condition compare() {
    static const char *const predicates[] = {"slt", "sle", "sgt", "sge", "eq", "ne"};
    const int64_t which = pick(0, 11) % 8 % 6, number = pick(-3, 25);
    const bool distance = pick(0, 1), ofQuery = !distance && pick(0, 1);
    std::string left = "%j", right = define(fmt::format("arith.constant {} : i32", number));
    if (distance)
      left = define("arith.subi %i, %j : i32");
    if (ofQuery)
      right = define(fmt::format("arith.addi %i, {} : i32", right));
    std::string value = define(fmt::format("arith.cmpi {}, {}, {} : i32", predicates[which], left, right));
    return {value, [=](int64_t i, int64_t j) {
              const int64_t a = distance ? i - j : j, b = ofQuery ? i + number : number;
              const bool results[] = {a < b, a <= b, a > b, a >= b, a == b, a != b};
              return results[which];
            }};
  }

  std::mt19937 random;
  int count = 0;
};

TEST(AnalyzeMask, RunsAreTheMask) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<KvDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect>();
  mlir::ScopedDiagnosticHandler quiet(&context, [](mlir::Diagnostic &) {}); // refusals
  const std::string cache = "!kv.cache<name = \"c\", heads = 1, keyDim = 8, valueDim = 8, key = <f16>, value = <f16>, "
                            "layout = <paged 16, key = auto, value = auto>>";
  int analyzed = 0, several = 0, itself = 0;
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    RandomMask mask(seed);
    const Condition condition = mask.make(3);
    const std::string text =
        fmt::format("func.func @f(%c: {0}, %q: tensor<?x1x8xf16>) -> tensor<?x1x8xf16> {{\n  %o = kv.attend %q on %c scale(1.0) "
                    "mask {{\n  ^bb0(%i: i32, %j: i32, %h: index):\n{1}kv.yield {2} : i1\n  }} accuracy(high) queries(1, 8) : "
                    "tensor<?x1x8xf16>, {0} -> tensor<?x1x8xf16>\n  return %o : tensor<?x1x8xf16>\n}}\n",
                    cache, mask.ops, condition.value);
    mlir::OwningOpRef<mlir::ModuleOp> module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
    AttendOp attend;
    module->walk([&](AttendOp op) { attend = op; });
    mlir::FailureOr<VisibleAttr> visible = analyzeMask(attend);
    if (failed(visible))
      continue;
    ++analyzed;
    several += visible->getRuns() > 1;
    itself += visible->seesItself();
    VisibleRuns<PlainNumbers> runs({}, *visible);
    for (int64_t i = 0; i < 48; ++i) {
      for (int64_t j = 0; j < 48; ++j)
        ASSERT_EQ(sees(*visible, i, j), condition.holds(i, j)) << "i " << i << ", j " << j << "\n" << text;
      if (visible->seesItself())
        ASSERT_TRUE(condition.holds(i, i)) << text;
      for (int64_t run = 1; run < visible->getRuns(); ++run) // in order, so that own parts do not overlap and are all there is
        ASSERT_LE(runs.low(run - 1, i).value_or(0), runs.low(run, i).value_or(0)) << text;
    }
  }
  EXPECT_GT(analyzed, 400);
  EXPECT_GT(several, 50);
  EXPECT_GT(itself, 50);
}

} // namespace
