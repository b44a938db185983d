#include "compiler/schedule/StreamAccess.h"
#include "compiler/codecs/CodecFamily.h"

#include <numeric>

using namespace mlir;

namespace kv {

BlockFit fitBlocks(CacheType cache, int64_t block) {
  int64_t page = cache.getLayout().getSlots();
  if (cache.getLayout().getKind() == LayoutKind::dense || page % block == 0)
    return BlockFit::even;
  return page % 16 == 0 && block % page == 0 ? BlockFit::whole : BlockFit::cut;
}

SmallVector<Axis> joinedDigits(const Region &region, char coordinate) {
  SmallVector<Axis> sorted, joined;
  for (const Axis &axis : region.axes)
    if (axis.digit.coordinate == coordinate && axis.extent > 1)
      sorted.push_back(axis);
  llvm::sort(sorted, [](const Axis &a, const Axis &b) { return a.digit.divisor < b.digit.divisor; });
  for (const Axis &axis : sorted) {
    Axis *last = joined.empty() ? nullptr : &joined.back();
    if (last && axis.digit.divisor == last->digit.divisor * last->extent && axis.stride == last->stride * last->extent)
      last->extent *= axis.extent;
    else
      joined.push_back(axis);
  }
  return joined;
}

bool fitsPackedDot(LoadAttr load, CodecAttr codec, Dot dot) {
  if (!familyOf(codec).fitsVectorDot(codec, dot))
    return false;
  if (dot == Dot::f16) // a vector of halves as wide as half a vector of sums
    return load.getKind() == LoadKind::vector && load.getLaneBits() == 16;
  return load.getLaneBits() == 32;
}

int64_t elementOfLane(LoadAttr load, int64_t bits, Dot dot, int64_t step, int64_t sub) {
  int64_t wanted = 32 / dotDepth(dot) * sub + bits * step;
  return llvm::find(load.getElementBits(), wanted) - load.getElementBits().begin();
}

int64_t rowLevels(Dot dot, int64_t length) {
  if (!isIntegerDot(dot))
    return 1;
  if (dotDepth(dot) == 4 && !isTwoBytes(dot))
    return hasSignedRows(dot) ? 127 : 255;
  // Of two bytes, the high one too must fit.
  int64_t most = !isTwoBytes(dot) ? 32767 : hasSignedRows(dot) ? 127 * 256 + 127 : 65535;
  return std::min(most, INT32_MAX / (255 * length));
}

int64_t linearStride(const Region &region, char z, int64_t step, int64_t run) {
  SmallVector<Axis> own = joinedDigits(region, z);
  // A step is so many of the slowest digit that it is whole numbers of: those below stay 0.
  size_t i = 0;
  while (i + 1 < own.size() && step % own[i + 1].digit.divisor == 0)
    ++i;
  if (own.empty() || step % own[i].digit.divisor)
    return 0;
  // Where the next digit begins, a run must begin, too.
  if (i + 1 < own.size() && own[i + 1].digit.divisor % run)
    return 0;
  return own[i].stride * (step / own[i].digit.divisor);
}

int64_t tokensInTile(const PageMap &map, int64_t tokensPerPage) {
  return map.tile && map.tile < map.slots ? std::gcd(map.tile, tokensPerPage) : tokensPerPage;
}

} // namespace kv
