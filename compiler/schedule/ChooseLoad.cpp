#include "compiler/schedule/ChooseLoad.h"

using namespace mlir;

namespace kv {

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

/// The widest load for lanes along `x` and a contraction along `z` ('t' or 'd') of `region`, whose z ranges start at and span
/// multiples of `alignment`. Words of a lane's row that follow one another are not joined here.
static LoadAttr chooseLoad(MLIRContext *context, const Region &region, char x, char z, int64_t lanes, int64_t alignment) {
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
      return LoadAttr::get(context, LoadKind::vector, bitOffsets(region, z, inner.span), laneBits);
    if (lanesTogether && laneBits == 4 && lanes % 2 == 0)
      return LoadAttr::get(context, LoadKind::halves, {0}, region.bits);
  }
  // A whole row of z: read 32, 16 or 8 bits of it for each lane, as far as a range of z is aligned.
  FastRun row = fastRun(axes, z, INT64_MAX);
  for (int64_t bits : {32, 16, 8})
    if (bits > region.bits && row.span * region.bits % bits == 0 && alignment % (bits / region.bits) == 0) {
      int64_t pack = bits / region.bits;
      SmallVector<int64_t> offsets = bitOffsets(region, z, pack);
      if (repeats(region, z, pack) && llvm::all_of(offsets, [&](int64_t offset) { return offset < bits; }))
        return LoadAttr::get(context, LoadKind::rows, offsets, bits);
    }
  return LoadAttr::get(context, LoadKind::single, {0}, region.bits);
}

/// Whether the words of a lane's row follow one another, as many as lanes, in a run of `length` of z.
static bool wordsFollow(const Region &region, LoadAttr load, int64_t lanes, int64_t length) {
  return load.getKind() >= LoadKind::rows && load.getLaneBits() == 32 && length % (lanes * load.getPack()) == 0 &&
         linearStride(region, 'd', load.getPack(), length) == load.getPack();
}

LoadAttr productLoad(CacheType cache, StreamRef stream, int64_t lanes) {
  MLIRContext *context = cache.getContext();
  PageMap map = mapPage(cache);
  const Region &region = map.codes(stream.stream);
  if (!stream.overChannels())
    return chooseLoad(context, region, 'd', 't', lanes, /*alignment=*/16);
  int64_t length = cache.getRun(stream.stream);
  LoadAttr load = chooseLoad(context, region, 't', 'd', lanes, length);
  if (lanes > 1 && wordsFollow(region, load, lanes, length)) // a register of one word has nothing to transpose
    return LoadAttr::get(context, LoadKind::transposed, load.getElementBits(), load.getLaneBits());
  return load;
}

LoadAttr matrixLoad(CacheType cache, StreamRef stream, bool staged) {
  LoadAttr eight = productLoad(cache, stream, /*lanes=*/8);
  bool together = eight.getKind() == LoadKind::vector && eight.getPack() == 1;
  if (staged && cache.getCodec(stream.stream).bits() == 16 && together &&
      (!stream.overChannels() || cache.getRun(stream.stream) % 16 == 0))
    return LoadAttr::get(cache.getContext(), LoadKind::transposed, eight.getElementBits(), eight.getLaneBits());
  return productLoad(cache, stream, /*lanes=*/1);
}

static bool gathers(LoadAttr load) { return load.getKind() == LoadKind::rows || load.getKind() == LoadKind::single; }

bool gathers(ScheduleAttr schedule, Contract contract) {
  return !schedule.getTeam().getThreads() && gathers(schedule.plan(contract).getLoad());
}

bool gathersInAutoOrder(CacheType cache, StreamRef stream, int64_t lanes) {
  MLIRContext *context = cache.getContext();
  OrderAttr none = OrderAttr::get(context, {});
  LayoutAttr layout = cache.getLayout();
  auto untiled = LayoutAttr::get(context, layout.getKind(), layout.getSlots(), /*tile=*/0, none, none);
  CacheType automatic = resolveAuto(CacheType::get(context, cache.getName(), cache.getHeads(), cache.getKeyDim(),
                                                   cache.getValueDim(), cache.getKey(), cache.getValue(), untiled));
  return gathers(productLoad(automatic, stream, lanes));
}

} // namespace kv
