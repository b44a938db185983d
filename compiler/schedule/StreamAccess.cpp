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

/// The digits of one coordinate at the fast end of a region: they cover `coordinate % span` exactly.
struct FastRun {
  int64_t span = 1;
  size_t digits = 0;
};

/// The longest run of the fastest axes that belong to `coordinate` and cover it from its lowest digit, spanning at most `limit`.
static FastRun fastRun(ArrayRef<Axis> axes, char coordinate, int64_t limit) {
  FastRun best;
  SmallVector<std::pair<int64_t, int64_t>> seen; // divisor, extent
  for (const Axis &axis : llvm::reverse(axes)) {
    if (axis.digit.coordinate != coordinate)
      break;
    seen.push_back({axis.digit.divisor, axis.extent});
    auto sorted = seen;
    llvm::sort(sorted);
    int64_t span = 1;
    bool whole = true;
    for (auto [divisor, extent] : sorted) {
      whole &= divisor == span;
      span *= extent;
    }
    if (whole && span <= limit)
      best = {span, seen.size()};
  }
  return best;
}

/// The digits of a coordinate from its lowest on; those that follow one another in value as in memory are one.
static SmallVector<Axis> joinedDigits(const Region &region, char coordinate) {
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

/// Whether the elements of each aligned `pack` lie to one another as those of the first do: no digit begins in the middle of one.
static bool repeats(const Region &region, char z, int64_t pack) {
  return llvm::all_of(joinedDigits(region, z),
                      [&](const Axis &axis) { return axis.digit.divisor % pack == 0 || pack % axis.digit.divisor == 0; });
}

static SmallVector<int64_t> bitOffsets(const Region &region, char z, int64_t pack) {
  SmallVector<int64_t> offsets;
  for (int64_t i = 0; i < pack; ++i)
    offsets.push_back((z == 't' ? region.element(0, i, 0) : region.element(0, 0, i)) * region.bits);
  return offsets;
}

LoadRecord chooseLoad(const Region &region, char x, char z, int64_t lanes, int64_t alignment) {
  ArrayRef<Axis> axes = region.axes;
  // z digits inside a lane, then x.
  FastRun inner = fastRun(axes, z, 32 / region.bits);
  ArrayRef<Axis> outer = axes.drop_back(inner.digits);
  bool aligned = alignment % inner.span == 0;
  if (aligned && !outer.empty()) {
    const Axis &axis = outer.back();
    bool lanesTogether = axis.digit.coordinate == x && axis.digit.divisor == 1 && axis.extent % lanes == 0;
    int64_t laneBits = inner.span * region.bits;
    if (lanesTogether && (laneBits == 8 || laneBits == 16 || laneBits == 32))
      return {LoadRecord::vector, inner.span, laneBits, bitOffsets(region, z, inner.span)};
    if (lanesTogether && laneBits == 4 && lanes % 2 == 0)
      return {LoadRecord::halves, 1, region.bits, {0}};
  }
  // A whole row of z: read 32, 16 or 8 bits of it for each lane, as far as a range of z is aligned.
  FastRun row = fastRun(axes, z, INT64_MAX);
  for (int64_t bits : {32, 16, 8})
    if (bits > region.bits && row.span * region.bits % bits == 0 && alignment % (bits / region.bits) == 0) {
      int64_t pack = bits / region.bits;
      SmallVector<int64_t> offsets = bitOffsets(region, z, pack);
      if (repeats(region, z, pack) && llvm::all_of(offsets, [&](int64_t offset) { return offset < bits; }))
        return {LoadRecord::rows, pack, bits, offsets};
    }
  return {LoadRecord::single, 1, region.bits, {0}};
}

LoadRecord productLoad(CacheType cache, StreamRef ref, int64_t lanes) {
  PageMap map = mapPage(cache);
  if (!ref.overChannels())
    return chooseLoad(map.codes(ref.stream), 'd', 't', lanes, /*alignment=*/16);
  return chooseLoad(map.codes(ref.stream), 't', 'd', lanes, cache.getRun(ref.stream));
}

int64_t matrixRun(CacheType cache, StreamRef stream) { return std::max<int64_t>(4, productLoad(cache, stream, /*lanes=*/1).pack); }

bool fitsPackedDot(const LoadRecord &load, CodecAttr codec, Dot dot) {
  if (!familyOf(codec).fitsVectorDot(codec, dot))
    return false;
  if (dot == Dot::f16) // a vector of halves as wide as half a vector of sums
    return load.kind == LoadRecord::vector && load.laneBits == 16;
  return load.laneBits == 32;
}

int64_t elementOfLane(const LoadRecord &load, int64_t bits, Dot dot, int64_t step, int64_t sub) {
  int64_t wanted = 32 / dotDepth(dot) * sub + bits * step;
  return llvm::find(load.elementBits, wanted) - load.elementBits.begin();
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

bool readsWholeRows(CacheType cache, StreamRef ref, int64_t lanes) {
  if (!ref.overChannels() || lanes == 1) // a register has one word: nothing to transpose
    return false;
  LoadRecord load = productLoad(cache, ref, lanes);
  Region region = mapPage(cache).codes(ref.stream);
  int64_t length = cache.getRun(ref.stream);
  return load.kind >= LoadRecord::rows && load.laneBits == 32 && length % (lanes * load.pack) == 0 &&
         linearStride(region, 'd', load.pack, length) == load.pack;
}

int64_t loadDepth(CacheType cache, StreamRef stream, int64_t lanes) {
  return productLoad(cache, stream, lanes).pack * (readsWholeRows(cache, stream, lanes) ? lanes : 1);
}

int64_t tokensInTile(const PageMap &map, int64_t tokensPerPage) {
  return map.tile && map.tile < map.slots ? std::gcd(map.tile, tokensPerPage) : tokensPerPage;
}

} // namespace kv
