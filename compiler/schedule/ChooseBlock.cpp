// The step of the loop over tokens: so many of them, in so many lanes, and how far ahead of it memory is asked. From the vectors of
// a target, the page, and the bytes of a token.
#include "compiler/schedule/Choice.h"
#include "compiler/schedule/Staging.h"
#include "compiler/schedule/StreamAccess.h"

#include <numeric>

using namespace mlir;

namespace kv {

void chooseBlock(const Capabilities &target, const Work &work, Choice &choice) {
  CacheType cache = work.cache;
  int64_t lanes = std::gcd(target.lanes, cache.getRun(Stream::value));
  int64_t tokens = target.block ? target.block : 4 * target.lanes;
  // Groups of one or two leave so few lanes that a block of the usual size is hundreds of numbers, each in a register of its own.
  tokens = std::min(tokens, std::max<int64_t>(target.threads ? target.lanes : 16, 16 * lanes));
  int64_t page = cache.getLayout().getSlots();
  if (page < tokens && fitBlocks(cache, tokens) != BlockFit::whole)
    tokens = int64_t(llvm::alignTo(page, 16));
  choice.block.tokens = tokens;
  choice.team.lanes = std::gcd(lanes, tokens);
  choice.team.threads = target.threads ? target.lanes : 0;
}

/// 64, or 32 where they are many bytes; what a page of 16 tokens or more fits.
int64_t matrixBlock(CacheType cache) {
  constexpr int64_t many = 20 << 10; // of which several teams would not find room beside each other
  int64_t bytes = (cache.getKeyDim() * cache.getKey().bits() + cache.getValueDim() * cache.getValue().bits()) / 8;
  int64_t page = cache.getLayout().getSlots(), wanted = 64 * bytes <= many ? 64 : 32;
  if (page >= wanted || fitBlocks(cache, wanted) == BlockFit::whole)
    return wanted;
  return int64_t(llvm::alignTo(page, tokensOfRuns));
}

/// Blocks that a team of threads has on their way while it works on one: as many as its share of the memory that teams have
/// together lets it, up to two.
static int64_t stagesAhead(CacheType cache, int64_t block) {
  constexpr int64_t share = 48 << 10;
  if (!canStage(cache, block))
    return 0;
  return std::clamp<int64_t>(share / mapPage(stagedCache(cache, block)).bytes - 1, 0, 2);
}

/// A processor asks for at least so many bytes of a kv head ahead, or memory's answer comes too late. Measured on blocks of 4 to 32
/// KB: two blocks of 9 KB or less are up to 20 % faster than one; of 17 KB up to 9 % slower on Zen 5, 4 % faster on
/// Zen 4.
static int64_t blocksAhead(CacheType cache, int64_t block) {
  constexpr int64_t bytes = 12 << 10, most = 4;
  PageMap map = mapPage(cache);
  int64_t ofBlock = std::max<int64_t>(1, map.bytes / (cache.getHeads() * map.slots) * block);
  return std::clamp<int64_t>((bytes + ofBlock - 1) / ofBlock, 1, most);
}

void chooseAhead(const Work &work, Choice &choice) {
  int64_t tokens = choice.block.tokens;
  choice.block.ahead = choice.block.stages = 0;
  choice.prefetch() = choice.team.threads ? stagesAhead(work.cache, tokens) : blocksAhead(work.cache, tokens);
}

} // namespace kv
