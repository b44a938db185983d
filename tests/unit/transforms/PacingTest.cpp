// What is asked for of a block ahead lies in it: the page of every byte is looked up in a list of so many pages.
#include "compiler/schedule/Pacing.h"
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
              auto schedule = ScheduleAttr::get(&context, rows, /*block=*/64, 64, 1, 1, lanes, lanes, lanes, 0, 1, dot, dot, 0, 0,
                                                0, 0, 0, /*halide=*/false);
              constexpr int64_t elements = 12; // which no block is a multiple of
              std::optional<Pace> pace = paceBlock(cache, schedule, {rows, lanes, lanes, elements, elements});
              if (!pace)
                continue;
              ++paced;
              SCOPED_TRACE(fmt::format("{} keys {} values {} lanes {} rows {}", codec, keyDim, valueDim, lanes, rows));
              EXPECT_EQ(pace->bytes, wholeTiles(cache, 64, lanes)->count * wholeTiles(cache, 64, lanes)->bytes);
              EXPECT_GT(pace->key.step, 0);
              int64_t lastOfKeys = (64 / lanes * rowParts(dot) * keyDim - 1) / elements;
              int64_t lastOfValues = (valueDim / lanes * rowParts(dot) * 64 - 1) / elements;
              EXPECT_LT(lastOfKeys * pace->key.step, pace->bytes);
              EXPECT_LT(pace->valueStart() + lastOfValues * pace->value.step, pace->bytes);
              EXPECT_LE(pace->key.bytes() + pace->softmaxLines() * 64, pace->bytes);
              EXPECT_LE(pace->value.bytes(), pace->bytes);
              EXPECT_EQ(pace->valueStart() + pace->value.bytes(), pace->bytes);
            }
  EXPECT_GT(paced, 100);
}

} // namespace
