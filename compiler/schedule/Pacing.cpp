#include "compiler/schedule/Pacing.h"
#include "kv/kv_tokens.h"

using namespace mlir;

namespace kv {

int64_t loadsOfIteration(CacheType cache, StreamRef stream, LoadAttr load, int64_t lanes, Dot dot, int64_t unroll) {
  if (load.getKind() == LoadKind::transposed)
    return lanes;
  int64_t pack = load.getPack(), words = roundsRows(dot) ? pack / dotDepth(dot) : pack;
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

std::optional<WholeTiles> wholeTiles(CacheType cache, int64_t block, LoadAttr keys) {
  PageMap map = mapPage(cache);
  kv_tokens tokens = {};
  tokens.page_tokens = map.slots;
  int64_t count = fitBlocks(cache, block) == BlockFit::whole ? kv_entries(tokens, block) : 1;
  if (!map.tile || map.tile * count != block || keys.getKind() == LoadKind::transposed)
    return std::nullopt;
  return WholeTiles{count, map.tileBytes};
}

std::optional<Pace> paceBlock(CacheType cache, ScheduleAttr schedule, const TileWork &tile) {
  // Vector instructions of softmax for a vector of scores, and of each group of channels that probabilities are packed for after
  // the first; more or less.
  constexpr int64_t softmaxWork = 16, packWork = 4;
  int64_t block = schedule.getBlock().getTokens(), lanes = schedule.getTeam().getLanes(), rows = tile.rows;
  std::optional<WholeTiles> whole = wholeTiles(cache, block, schedule.getScores().getLoad());
  if (!whole)
    return std::nullopt;

  // Vector instructions of a block, more or less.
  auto work = [&](ProductPlanAttr plan, int64_t channels) {
    Dot dot = plan.getDot();
    return block * channels / lanes / dotDepth(dot) * (rows * rowParts(dot) + (dot == Dot::f32)); // vectors of operands by rows
  };
  int64_t groups = cache.getGroups(Stream::value);
  int64_t ofScores = work(schedule.getScores(), cache.getKeyDim()), ofSums = work(schedule.getSums(), cache.getValueDim());
  int64_t total = ofScores + ofSums + rows * block / lanes * (softmaxWork + (groups - 1) * packWork);
  int64_t bytes = whole->count * whole->bytes;

  auto product = [&](ProductPlanAttr plan, int64_t across, int64_t along, int64_t elements, int64_t work) {
    int64_t slices = across / plan.sliceOf(tile.several);
    int64_t iterations = int64_t(llvm::divideCeil(slices * rowParts(plan.getDot()) * along, elements)),
            fair = bytes * work / total / iterations;
    int64_t step = fair < 48 ? std::min<int64_t>(fair, 32) : (fair + 32) / 64 * 64; // whole lines, or halves
    return Pace::Product{iterations, iterations * step <= bytes ? step : fair};
  };
  return Pace{product(schedule.getScores(), block, cache.getKeyDim(), tile.elements.scores, ofScores),
              product(schedule.getSums(), cache.getValueDim(), block, tile.elements.sums, ofSums), bytes};
}

} // namespace kv
