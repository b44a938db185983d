#include "compiler/schedule/Pacing.h"
#include "kv/kv_tokens.h"

using namespace mlir;

namespace kv {

int64_t loadsOfIteration(CacheType cache, StreamRef stream, int64_t lanes, Dot dot, int64_t unroll) {
  if (readsWholeRows(cache, stream, lanes))
    return lanes;
  int64_t pack = productLoad(cache, stream, lanes).pack, words = roundsRows(dot) ? pack / dotDepth(dot) : pack;
  int64_t unit = isPaired(dot) && words % 2 ? 2 : 1;   // loads that an iteration has whole numbers of
  // Measured with 16 lanes: a loop of 16 dots gains from twice as many; one that converts halves, up to 10 % from half as many (Zen
  // 5, pages of 64), where f32 and bf16 lose as much.
  bool halves = cache.getCodec(stream.stream).getElement() == Element::f16 && !roundsRows(dot) && pack == 1;
  int64_t elements = lanes < 16 ? 4 : pack >= 4 ? 8 : halves ? 2 : 4;
  int64_t loads = unroll ? unroll : std::max<int64_t>(1, elements / pack);
  loads = (loads + unit - 1) / unit * unit;
  while (stream.overChannels() && cache.getRun(stream.stream) % (loads * pack))
    loads -= unit;
  return loads;
}

std::optional<WholeTiles> wholeTiles(CacheType cache, int64_t block, int64_t lanes) {
  PageMap map = mapPage(cache);
  int64_t count = fitBlocks(cache, block) == BlockFit::whole ? kv_entries({map.slots}, block) : 1;
  if (!map.tile || map.tile * count != block || readsWholeRows(cache, Stream::key, lanes))
    return std::nullopt;
  return WholeTiles{count, map.tileBytes};
}

std::optional<Pace> paceBlock(CacheType cache, ScheduleAttr schedule, const TileWork &tile) {
  // Vector instructions of softmax for a vector of scores, and of each group of channels that probabilities are packed for after
  // the first; more or less.
  constexpr int64_t softmaxWork = 16, packWork = 4;
  int64_t block = schedule.getBlock(), lanes = schedule.getLanes(), rows = tile.rows;
  std::optional<WholeTiles> whole = wholeTiles(cache, block, lanes);
  if (!whole)
    return std::nullopt;

  // Vector instructions of a block, more or less.
  auto work = [&](Dot dot) { return rows * rowParts(dot) + (dot == Dot::f32); }; // for each vector of operands
  int64_t keyVectors = block * cache.getKeyDim() / lanes / dotDepth(schedule.getKeyDot());
  int64_t valueVectors = block * cache.getValueDim() / lanes / dotDepth(schedule.getValueDot());
  int64_t groups = cache.getGroups(Stream::value);
  int64_t keyWork = keyVectors * work(schedule.getKeyDot()), valueWork = valueVectors * work(schedule.getValueDot());
  int64_t total = keyWork + valueWork + rows * block / lanes * (softmaxWork + (groups - 1) * packWork);
  int64_t bytes = whole->count * whole->bytes;

  auto product = [&](Dot dot, int64_t slices, int64_t along, int64_t elements, int64_t work) {
    int64_t iterations = int64_t(llvm::divideCeil(slices * rowParts(dot) * along, elements)),
            fair = bytes * work / total / iterations;
    int64_t step = fair < 48 ? std::min<int64_t>(fair, 32) : (fair + 32) / 64 * 64; // whole lines, or halves
    return Pace::Product{iterations, iterations * step <= bytes ? step : fair};
  };
  return Pace{product(schedule.getKeyDot(), block / tile.keySlice, cache.getKeyDim(), tile.keyElements, keyWork),
              product(schedule.getValueDot(), cache.getValueDim() / tile.valueSlice, block, tile.valueElements, valueWork), bytes};
}

} // namespace kv
