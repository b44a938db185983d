#include "dialect/Level.h"
#include "compiler/distribute/DistributeOpInterface.h"
#include "compiler/halide/Passes.h"
#include "dialect/KvOps.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"

namespace kv {
namespace {

TEST(LevelTest, EveryOpOfTheLevelTilesSaysHowItIsDistributed) {
  mlir::DialectRegistry registry;
  registerDistributeModels(registry);
  registerHalideModels(registry);
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  int64_t ops = 0;
  for (mlir::RegisteredOperationName name : context.getRegisteredOperationsByDialect("kv")) {
    bool isOfTiles = levelOf(name) == Level::tiles;
    EXPECT_EQ(name.hasInterface<DistributeOpInterface>(), isOfTiles) << name.getStringRef().str();
    ops += isOfTiles;
  }
  EXPECT_GT(ops, 20);
}

} // namespace
} // namespace kv
