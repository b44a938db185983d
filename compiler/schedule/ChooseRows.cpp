// How the rows of an item are cut into row tiles, and how many of a tile's softmax works on at a time: from the registers of a
// target and the dot records.
#include "compiler/schedule/Choice.h"

using namespace mlir;

namespace kv {

/// Rows of a matrix tile: 8 or 16. Otherwise at most 8, the tiles balanced (11 rows: 6 + 5), rounded to even if a record takes
/// pairs.
static int64_t rowTile(const Capabilities &target, const Work &work, const Choice &choice) {
  if (isMatrixDot(target, choice.scores.dot) || isMatrixDot(target, choice.sums.dot))
    return choice.item.queries * work.group <= 8 ? 8 : 16;
  int64_t rows = llvm::divideCeil(work.group, llvm::divideCeil(work.group, 8));
  return isPaired(choice.scores.dot) || isPaired(choice.sums.dot) ? rows + rows % 2 : rows;
}

/// Rows of a row tile of an item that has several: their sums in two vectors each, and what else a product needs, fill the
/// registers; twelve were measured slower than eight. 0 where one row tile has all rows, or lanes are threads.
static int64_t manyRows(const Capabilities &target, const Work &work, const Choice &choice) {
  if (choice.team.threads || choice.item.queries * work.group <= choice.rows.one)
    return 0;
  return target.registers >= 32 ? 8 : 6;
}

/// Scores of the rows that softmax works on take most of the registers. No fewer than four: where four spill, to spill was measured
/// faster than to go through scratch.
int64_t mostSoftmaxRows(const Capabilities &target, int64_t lanes, int64_t block) {
  return target.threads ? 0 : std::max<int64_t>(4, target.registers * lanes * 3 / 4 / block);
}

/// As many of `rows` as softmax may work on at a time, or a few less that `rows` are a multiple of.
static int64_t softmaxRows(int64_t rows, int64_t most) {
  int64_t few = most ? std::min(most, rows) : rows;
  while (rows % few)
    --few;
  return few;
}

/// Rows at a time of a softmax that both kinds of items share; 0: each has its own. A score of its own makes softmax long, and its
/// code would stand in the kernel twice. To share it costs one row tile up to 8 % of its time, so what is short is not shared.
static int64_t sharedSoftmaxRows(const Capabilities &target, const Work &work, const Choice &choice) {
  if (!choice.rows.many || choice.rows.always || !work.hasScore || target.halide)
    return 0;
  int64_t rows = std::gcd(choice.rows.softmax, choice.rows.many);
  return rows > 1 || choice.rows.one == 1 ? rows : 0;
}

/// In registers where an item is one row tile, one loop over blocks has all its tokens, and a thread's share of it, with the scores
/// and probabilities of a block, fits them.
static StatePlace statePlace(const Work &work, const Choice &choice) {
  int64_t rows = choice.rows.one, numbers = rows * (2 * choice.block.tokens + work.cache.getValueDim());
  bool fits = choice.item.queries * work.group <= rows && numbers <= 80 * choice.team.threads;
  return choice.block.stages && work.runs == 1 && fits ? StatePlace::registers : StatePlace::scratch;
}

void chooseRows(const Capabilities &target, const Work &work, Choice &choice) {
  auto &rows = choice.rows;
  rows.one = rowTile(target, work, choice);
  rows.many = manyRows(target, work, choice);
  rows.always = rows.many && work.minQueries * work.group > rows.one;
  int64_t most = mostSoftmaxRows(target, choice.team.lanes, choice.block.tokens);
  rows.softmax = softmaxRows(rows.one, most);
  rows.manySoftmax = rows.many ? softmaxRows(rows.many, most) : 0;
  if (int64_t shared = sharedSoftmaxRows(target, work, choice)) {
    rows.share = true;
    rows.softmax = rows.manySoftmax = shared;
  }
  choice.block.state = statePlace(work, choice);
}

} // namespace kv
