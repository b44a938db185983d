// What an item is: so many queries and kv heads, and of long sequences a split of their tokens.
#include "compiler/schedule/Choice.h"
#include "compiler/schedule/StreamAccess.h"

#include <limits>
#include <numeric>

using namespace mlir;

namespace kv {

void chooseItem(const Capabilities &target, const Work &work, Choice &choice) {
  int64_t rows = 128;
  choice.item.heads = work.cache.getHeads();
  if (target.threads) { // threads by the thousand: one head each; of a matrix tile few rows where what is read counts, more where
                        // work does
    choice.item.heads = 1;
    rows = work.maxQueries <= 8 ? 8 : 16;
  }
  choice.item.queries = std::max<int64_t>(1, std::min(work.maxQueries, rows / work.group));
}

/// Splits of threads are short: latency is hidden by other teams.
void chooseSplit(const Work &work, Choice &choice) {
  int64_t tokens = choice.team.threads ? 256 : 2048;
  choice.item.split = int64_t(llvm::alignTo(tokens, splitUnit(work.cache, choice.block.tokens)));
}

int64_t splitUnit(CacheType cache, int64_t block) {
  int64_t page = cache.getLayout().getSlots();
  if (fitBlocks(cache, block) != BlockFit::cut)
    return block;
  int64_t even = std::lcm(page, int64_t(16));
  return even <= std::numeric_limits<int32_t>::max() ? even : page; // the runtime's lengths end there
}

} // namespace kv
