#include "compiler/schedule/Staging.h"

#include "compiler/schedule/StreamAccess.h"

using namespace mlir;

namespace kv {

SmallVector<int64_t> extentsOver(const Region &region, int64_t tokens) {
  SmallVector<int64_t> extents;
  for (const Axis &axis : region.axes) {
    int64_t extent = axis.digit.coordinate == 'h' ? 1 : axis.extent, divisor = axis.digit.divisor;
    if (axis.digit.coordinate == 't') {
      int64_t reach = axis.digit.extent ? divisor * axis.extent : tokens;
      if (tokens % std::min(divisor, tokens) || divisor % std::min(divisor, tokens) || (reach < tokens && tokens % reach))
        return {};
      extent = divisor >= tokens ? 1 : std::min(reach, tokens) / divisor;
    }
    extents.push_back(extent);
  }
  return extents;
}

int64_t commonRun(const Region &from, const Region &to, ArrayRef<int64_t> extents) {
  int64_t run = 1;
  for (size_t i = extents.size(); i-- > 0;) {
    if (extents[i] == 1)
      continue;
    if (from.axes[i].stride != run || to.axes[i].stride != run)
      break;
    run *= extents[i];
  }
  for (int64_t bytes : {16, 8, 4})
    if (run * from.bits % (8 * bytes) == 0)
      return bytes;
  return 0;
}

bool canStage(CacheType cache, int64_t block) {
  BlockFit fit = fitBlocks(cache, block);
  int64_t slots = cache.getLayout().getSlots();
  if (fit == BlockFit::cut || (fit == BlockFit::even && slots % block))
    return false;
  int64_t tokens = fit == BlockFit::whole ? slots : block;
  PageMap from = mapPage(cache), to = mapPage(stagedCache(cache, block));
  for (auto [source, target] : llvm::zip_equal(from.regions, to.regions)) {
    SmallVector<int64_t> extents = extentsOver(source, tokens);
    if (extents.empty() || !commonRun(source, target, extents))
      return false;
  }
  return true;
}

} // namespace kv
