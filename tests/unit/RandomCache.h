// Random caches for tests that count through a page: codecs of every width, odd pages and tiles, random orders.
#ifndef KV_TESTS_UNIT_RANDOMCACHE_H
#define KV_TESTS_UNIT_RANDOMCACHE_H

#include "dialect/KvOps.h"
#include "mlir/IR/MLIRContext.h"
#include "tests/oracle/RandomOrder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace kv {

/// The one context of a test program.
inline mlir::MLIRContext &context() {
  static mlir::MLIRContext *made = [] {
    auto *context = new mlir::MLIRContext(mlir::MLIRContext::Threading::DISABLED);
    context->loadDialect<KvDialect>();
    return context;
  }();
  return *made;
}

inline CodecAttr randomCodec(Random &random, int64_t dim) {
  static const std::vector<Element> elements = {Element::f32, Element::f16, Element::bf16, Element::i8,
                                                Element::u8,  Element::i4,  Element::u4,   Element::f8e4m3};
  Element element = random.of(elements);
  if (!isCode(element))
    return CodecAttr::get(&context(), element, 0, ZeroPoint::sym, Element::f32);
  std::vector<int64_t> groups;
  for (int64_t group = 1; group <= dim; ++group)
    if (dim % group == 0)
      groups.push_back(group);
  return CodecAttr::get(&context(), element, random.of(groups), random.chance(2) ? ZeroPoint::asym : ZeroPoint::sym,
                        random.chance(2) ? Element::f16 : Element::f32);
}

/// Small enough for a test to look at every element.
inline CacheType randomCache(Random &random) {
  static const std::vector<int64_t> heads = {1, 1, 2, 3, 4}, dims = {8, 16, 24, 40, 64, 72, 120};
  static const std::vector<int64_t> slots = {1, 3, 7, 13, 16, 20, 32, 40, 48, 64, 100, 128}, tiles = {16, 16, 32, 48, 64, 112};
  int64_t count = random.of(heads), page = random.of(slots), tile = random.chance(3) ? random.of(tiles) : 0;
  int64_t keyDim = random.of(dims), valueDim = random.of(dims);
  CodecAttr key = randomCodec(random, keyDim), value = randomCodec(random, valueDim);
  auto order = [&](CodecAttr codec, int64_t dim) {
    return OrderAttr::get(&context(), randomOrder(random, {count, tile ? tile : page, dim, codec.bits(), tile != 0}));
  };
  auto layout = LayoutAttr::get(&context(), random.chance(2) ? LayoutKind::paged : LayoutKind::dense, page, tile,
                                order(key, keyDim), order(value, valueDim));
  auto fail = [&] { return mlir::emitError(mlir::UnknownLoc::get(&context())); };
  return CacheType::getChecked(fail, &context(), mlir::StringAttr::get(&context(), "c"), count, keyDim, valueDim, key, value,
                               layout);
}

/// The type's text, for messages.
inline std::string textOf(CacheType cache) {
  std::string text;
  llvm::raw_string_ostream(text) << cache;
  return text;
}

/// Calls `body` with `count` caches, each of which messages name, until an assertion fails.
inline void forRandomCaches(uint64_t count, llvm::function_ref<void(CacheType)> body) {
  for (uint64_t seed = 0; seed < count; ++seed) {
    Random random(seed);
    CacheType cache = randomCache(random);
    ASSERT_TRUE(cache) << "seed " << seed;
    SCOPED_TRACE(fmt::format("seed {}: {}", seed, textOf(cache)));
    body(cache);
    if (testing::Test::HasFatalFailure())
      return;
  }
}

} // namespace kv

#endif
