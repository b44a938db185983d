// What is asked for of a block ahead lies in it: the page of every byte is looked up in a list of so many pages.
#include "compiler/schedule/Pacing.h"
#include "compiler/schedule/ChooseLoad.h"
#include "dialect/KvOps.h"
#include "dialect/Storage.h"
#include "mlir/AsmParser/AsmParser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

using namespace kv;

namespace {

CacheType cacheOf(mlir::MLIRContext &context, const std::string &codec, int64_t keyDim, int64_t valueDim) {
  auto codecOf = [&](int64_t dim) {
    return codec[0] == 'f' ? "<" + codec + ">" : fmt::format("<{}, group = {}, sym, scale = f16>", codec, dim);
  };
  std::string text = fmt::format("!kv.cache<name = \"c\", heads = 2, keyDim = {}, valueDim = {}, key = {}, value = {}, "
                                 "layout = <paged 16, key = auto, value = auto>>",
                                 keyDim, valueDim, codecOf(keyDim), codecOf(valueDim));
  return resolveAuto(mlir::cast<CacheType>(mlir::parseType(text, &context)));
}

ScheduleAttr scheduleOf(CacheType cache, int64_t rows, int64_t lanes, Dot dot) {
  mlir::MLIRContext *context = cache.getContext();
  auto item = ItemAttr::get(context, /*queries=*/1, /*heads=*/1, /*split=*/64);
  auto tiles = RowTilesAttr::get(context, rows, /*many=*/0, /*always=*/false, /*softmax=*/rows, /*manySoftmax=*/0, /*share=*/false);
  auto block = BlockPlanAttr::get(context, /*tokens=*/64, /*ahead=*/1, /*stages=*/0, StatePlace::scratch, Masks::always);
  auto productOf = [&](Stream stream) {
    LoadAttr load = productLoad(cache, stream, lanes);
    return ProductPlanAttr::get(context, dot, load, /*slice=*/lanes, /*manySlice=*/0, /*unroll=*/0, Decoding::each);
  };
  return ScheduleAttr::get(context, item, tiles, block, productOf(Stream::key), productOf(Stream::value),
                           TeamAttr::get(context, lanes, /*threads=*/0), Route::mlir);
}

TEST(Pacing, StaysInTheBlock) {
  mlir::MLIRContext context;
  context.loadDialect<KvDialect>();
  int paced = 0;
  for (const char *codec : {"f32", "f16", "i8", "i4"})
    for (int64_t keyDim : {8, 64, 128, 576})
      for (int64_t valueDim : {8, 64, 128, 576})
        for (int64_t lanes : {4, 8, 16})
          for (int64_t rows : {1, 4, 8})
            for (Dot dot : {Dot::f32, Dot::u8s8, Dot::u8s8x2}) {
              if (valueDim % lanes)
                continue; // no slices of whole vectors
              CacheType cache = cacheOf(context, codec, keyDim, valueDim);
              constexpr int64_t elements = 12; // which no block is a multiple of
              ScheduleAttr schedule = scheduleOf(cache, rows, lanes, dot);
              std::optional<Pace> pace = paceBlock(cache, schedule, {rows, /*several=*/false, {elements, elements}});
              if (!pace)
                continue;
              ++paced;
              SCOPED_TRACE(fmt::format("{} keys {} values {} lanes {} rows {}", codec, keyDim, valueDim, lanes, rows));
              std::optional<WholeTiles> tiles = wholeTiles(cache, 64, schedule.getScores().getLoad());
              EXPECT_EQ(pace->bytes, tiles->count * tiles->bytes);
              EXPECT_GT(pace->scores.step, 0);
              int64_t lastOfKeys = (64 / lanes * rowParts(dot) * keyDim - 1) / elements;
              int64_t lastOfValues = (valueDim / lanes * rowParts(dot) * 64 - 1) / elements;
              EXPECT_LT(lastOfKeys * pace->scores.step, pace->bytes);
              EXPECT_LT(pace->start(Contract::t) + lastOfValues * pace->sums.step, pace->bytes);
              EXPECT_LE(pace->scores.bytes() + pace->softmaxLines() * 64, pace->bytes);
              EXPECT_LE(pace->sums.bytes(), pace->bytes);
              EXPECT_EQ(pace->start(Contract::t) + pace->sums.bytes(), pace->bytes);
            }
  EXPECT_GT(paced, 100);
}

} // namespace
