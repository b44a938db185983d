// Runs of tokens, against counting.
#include "dialect/Visible.h"

#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"

#include <random>

namespace kv {
namespace {

mlir::MLIRContext &context() {
  static mlir::MLIRContext *made = [] {
    auto *context = new mlir::MLIRContext(mlir::MLIRContext::Threading::DISABLED);
    context->loadDialect<KvDialect>();
    return context;
  }();
  return *made;
}

class RandomVisible {
public:
  explicit RandomVisible(uint32_t seed) : random(seed), i(mlir::getAffineDimExpr(0, &context())) {}
  int64_t pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }

  VisibleAttr make() {
    llvm::SmallVector<mlir::AffineMap> low, high;
    for (int64_t run = 0, runs = pick(1, 4); run < runs; ++run) {
      low.push_back(bounds(run == 0 ? 0 : 1));
      high.push_back(bounds(run + 1 < runs ? 1 : 0));
    }
    return VisibleAttr::get(&context(), low, high);
  }

private:
  mlir::AffineMap bounds(int64_t least) {
    llvm::SmallVector<mlir::AffineExpr> results;
    for (int64_t count = pick(least, 2); count; --count)
      switch (pick(0, 2)) {
      case 0:
        results.push_back(mlir::getAffineConstantExpr(pick(0, 30), &context()));
        break;
      case 1:
        results.push_back(i + pick(-20, 3));
        break;
      default:
        results.push_back((i + pick(-9, 2)).floorDiv(pick(2, 9)) * pick(1, 8));
      }
    return mlir::AffineMap::get(1, 0, results, &context());
  }

  std::mt19937 random;
  mlir::AffineExpr i;
};

// What a query sees is inside the ranges of its block; the own parts of runs do not overlap where runs begin in order, and are all
// of it.
TEST(Visible, RangesHoldWhatQueriesSee) {
  RandomVisible random(3);
  for (int round = 0; round < 300; ++round) {
    VisibleAttr visible = random.make();
    VisibleRuns<PlainNumbers> runs({}, visible);
    const int64_t length = random.pick(1, 60), queries = random.pick(1, std::min<int64_t>(length, 9)), first = length - queries;
    for (int64_t i = first; i < length; ++i)
      for (int64_t j = 0; j < length; ++j) {
        bool inRange = false;
        for (int64_t run = 0; run < visible.getRuns(); ++run) {
          auto [begin, end] = runs.range(run, first, length - 1, length);
          ASSERT_LE(begin, end);
          inRange |= begin <= j && j < end;
        }
        if (sees(visible, i, j))
          ASSERT_TRUE(inRange) << "token " << j << " of query " << i;
      }
  }
}

VisibleAttr parsed(std::initializer_list<std::pair<mlir::AffineExpr, mlir::AffineExpr>> runs) {
  llvm::SmallVector<mlir::AffineMap> low, high;
  for (auto [begin, end] : runs) {
    low.push_back(begin ? mlir::AffineMap::get(1, 0, begin) : mlir::AffineMap::get(1, 0, &context()));
    high.push_back(end ? mlir::AffineMap::get(1, 0, end) : mlir::AffineMap::get(1, 0, &context()));
  }
  return VisibleAttr::get(&context(), low, high);
}

TEST(Visible, Counts) {
  mlir::AffineExpr i = mlir::getAffineDimExpr(0, &context()), four = mlir::getAffineConstantExpr(4, &context());
  VisibleAttr causal = parsed({{{}, i + 1}}), all = parsed({{{}, {}}}), window = parsed({{i - 7, i + 1}});
  VisibleAttr both = parsed({{{}, four}, {i - 7, i + 1}});
  EXPECT_EQ(countSeen(causal, 3, 10), 8 + 9 + 10);
  EXPECT_EQ(countSeen(all, 3, 10), 30);
  EXPECT_EQ(countSeen(window, 3, 100), 24);
  EXPECT_EQ(countSeen(both, 1, 100), 12);
  EXPECT_EQ(countSeen(both, 1, 10), 10);
  EXPECT_EQ(countTokens(window, 3, 100), 10);
  EXPECT_EQ(countTokens(both, 1, 10), 10);
  EXPECT_EQ(mostVisible(causal, 1), 0);
  EXPECT_EQ(mostVisible(window, 1), 8);
  EXPECT_EQ(mostVisible(window, 5), 12);
  EXPECT_EQ(mostVisible(both, 1), 12);
  EXPECT_TRUE(causal.seesItself() && all.seesItself() && window.seesItself());
  EXPECT_FALSE(both.seesItself());                  // two runs
  EXPECT_FALSE(parsed({{{}, i}}).seesItself());     // tokens before the query
  EXPECT_FALSE(parsed({{i + 1, {}}}).seesItself()); // and after it
  EXPECT_FALSE(causal.hasLow() || all.hasLow() || all.differs());
  EXPECT_TRUE(window.hasLow() && both.hasLow() && causal.differs());
}

} // namespace
} // namespace kv
