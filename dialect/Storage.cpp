#include "dialect/Storage.h"

using namespace mlir;

namespace kv {

int64_t Region::element(int64_t h, int64_t t, int64_t d) const {
  int64_t index = 0;
  for (const Axis &axis : axes) {
    int64_t coordinate = axis.digit.coordinate == 'h' ? h : axis.digit.coordinate == 't' ? t : d;
    index += axis.index(coordinate) * axis.stride;
  }
  return index;
}

std::string Region::name(StringRef separator) const {
  static const char *const roles[] = {"", "scale", "zero"};
  std::string text = stringifyStream(stream).str();
  return role == RegionRole::codes ? text : text + separator.str() + roles[size_t(role)];
}

std::string Region::title() const {
  static const char *const roles[] = {"codes", "scales", "zeros"};
  return (stringifyStream(stream) + " " + roles[size_t(role)]).str();
}

const Region *PageMap::find(Stream stream, RegionRole role) const {
  const Region *found = llvm::find_if(regions, [&](const Region &region) { return region.stream == stream && region.role == role; });
  return found == regions.end() ? nullptr : found;
}

const Region &PageMap::at(Stream stream, RegionRole role) const {
  const Region *region = find(stream, role);
  assert(region && "no such region");
  return *region;
}

bool keepsBytesApart(const Digit &fastest) {
  // Tokens t and t + divisor share a byte.
  return fastest.coordinate == 'd' || (fastest.coordinate == 't' && storedRun % (2 * fastest.divisor) == 0);
}

static int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Resolves extents and strides of `digits` over a box of heads x slots x channels.
static Region makeRegion(ArrayRef<Digit> digits, int64_t bits, int64_t heads, int64_t slots, int64_t channels) {
  Region region;
  region.bits = bits;
  for (const Digit &digit : digits) {
    int64_t whole = digit.coordinate == 'h' ? heads : digit.coordinate == 't' ? slots : channels;
    region.axes.push_back({digit, digit.extent ? digit.extent : divideUp(whole, digit.divisor), 1});
  }
  int64_t stride = 1;
  for (Axis &axis : llvm::reverse(region.axes)) {
    axis.stride = stride;
    stride *= axis.extent;
  }
  region.bytes = divideUp(stride * bits, 8);
  return region;
}

/// The region of a page whose tiles of `tile` tokens of one head have `region` and are `tileBytes` apart.
static void repeatInTiles(Region &region, int64_t tile, int64_t tileBytes, int64_t heads, int64_t slots) {
  for (Axis &axis : region.axes) {
    if (axis.digit.coordinate != 't')
      continue;
    if (tile % (axis.digit.divisor * axis.extent)) // tokens are counted from the tile's first
      axis.modulus = tile;
    else if (axis.digit.extent == 0) // no longer the outermost
      axis.digit.extent = axis.extent;
  }
  int64_t tiles = divideUp(slots, tile), stride = tileBytes * 8 / region.bits;
  region.axes.insert(region.axes.begin(), {Axis{{'t', tile, 0}, tiles, stride * heads}, Axis{{'h', 1, 0}, heads, stride}});
  region.bytes += (tiles * heads - 1) * tileBytes;
}

/// Scales and zeros lie by tiles of 16 tokens whatever the order of their codes, so that one vector holds those of 16 tokens.
static SmallVector<Digit> scaleDigits(bool ofTile) {
  SmallVector<Digit> digits = {{'t', 16, 0}, {'d', 1, 0}, {'t', 1, 16}};
  if (!ofTile)
    digits.insert(digits.begin(), {'h', 1, 0});
  return digits;
}

PageMap mapPage(CacheType cache) {
  PageMap map;
  LayoutAttr layout = cache.getLayout();
  map.slots = layout.getSlots();
  map.tile = layout.getTile();
  int64_t slots = map.tile ? map.tile : map.slots;
  auto place = [&](Stream stream, RegionRole role, ArrayRef<Digit> digits, int64_t bits, int64_t channels) {
    Region region = makeRegion(digits, bits, cache.getHeads(), slots, channels);
    region.stream = stream;
    region.role = role;
    region.offset = map.bytes;
    map.bytes += divideUp(region.bytes, 64) * 64;
    map.regions.push_back(region);
  };
  for (Stream stream : allStreams) {
    ArrayRef<Digit> digits = cache.getOrder(stream).getDigits();
    assert(!digits.empty() && "orders must be resolved first");
    place(stream, RegionRole::codes, digits, cache.getCodec(stream).bits(), cache.getDim(stream));
  }
  for (Stream stream : allStreams) {
    CodecAttr codec = cache.getCodec(stream);
    if (!codec.hasScale())
      continue;
    int64_t bits = bitsOf(codec.getScale()), groups = cache.getGroups(stream);
    place(stream, RegionRole::scale, scaleDigits(map.tile), bits, groups);
    if (codec.hasZero())
      place(stream, RegionRole::zero, scaleDigits(map.tile), bits, groups);
  }
  map.tileBytes = map.bytes;
  if (map.tile) {
    for (Region &region : map.regions)
      repeatInTiles(region, map.tile, map.bytes, cache.getHeads(), map.slots);
    map.bytes *= divideUp(map.slots, map.tile) * cache.getHeads();
  }
  return map;
}

//===- auto ------------------------------------------------------------------------------------------------------------------===//

// Keys lie with tokens in lanes, values with channels in lanes; in both, as many elements of the contraction lie together as one
// 32-bit lane of a dot instruction takes (f16 has none with f32 sums), and 4-bit elements as two such halves, low nibbles first.
static int64_t interleave(CodecAttr codec) { return codec.getElement() == Element::f16 ? 1 : 32 / codec.bits(); }

static SmallVector<Digit> autoKey(CodecAttr codec, bool inTile) {
  int64_t together = interleave(codec);
  SmallVector<Digit> digits = {{'d', together, 0}, {'t', 1, 0}};
  if (!inTile)
    digits = {{'t', 16, 0}, {'d', together, 0}, {'t', 1, 16}};
  if (together == 8)
    digits.append({{'d', 1, 4}, {'d', 4, 2}});
  else if (together > 1)
    digits.push_back({'d', 1, together});
  return digits;
}

static SmallVector<Digit> autoValue(CodecAttr codec) {
  switch (interleave(codec)) {
  case 1:
    return {{'t', 1, 0}, {'d', 1, 0}};
  case 2:
    return {{'t', 2, 0}, {'d', 1, 0}, {'t', 1, 2}};
  case 4:
    return {{'t', 4, 0}, {'d', 1, 0}, {'t', 1, 4}};
  default:
    return {{'t', 8, 0}, {'d', 1, 0}, {'t', 1, 4}, {'t', 4, 2}};
  }
}

/// Tokens of a tile where nobody says: those of a block of the widest vectors, or a page that holds no whole number of them.
static int64_t autoTile(LayoutAttr layout) {
  constexpr int64_t wanted = 64;
  int64_t slots = layout.getSlots();
  bool whole = slots >= wanted && (layout.getKind() == LayoutKind::dense || slots % wanted == 0);
  return whole ? wanted : divideUp(slots, 16) * 16;
}

CacheType resolveAuto(CacheType cache) {
  MLIRContext *context = cache.getContext();
  LayoutAttr layout = cache.getLayout();
  OrderAttr key = layout.getKey(), value = layout.getValue();
  int64_t tile = layout.getTile();
  if (!tile && key.isAuto() && value.isAuto())
    tile = autoTile(layout);
  auto resolve = [&](OrderAttr &order, SmallVector<Digit> digits) {
    if (!order.isAuto())
      return;
    if (!tile)
      digits.insert(digits.begin(), {'h', 1, 0});
    order = OrderAttr::get(context, digits);
  };
  resolve(key, autoKey(cache.getKey(), tile));
  resolve(value, autoValue(cache.getValue()));
  return CacheType::get(context, cache.getName(), cache.getHeads(), cache.getKeyDim(), cache.getValueDim(), cache.getKey(),
                        cache.getValue(), LayoutAttr::get(context, layout.getKind(), layout.getSlots(), tile, key, value));
}

CacheType stagedCache(CacheType cache, int64_t tokens) {
  LayoutAttr layout = cache.getLayout();
  LayoutAttr staged = LayoutAttr::get(cache.getContext(), LayoutKind::dense, tokens, std::min(layout.getTile(), tokens),
                                      layout.getKey(), layout.getValue());
  const Digit &fastest = layout.getValue().getDigits().back();
  bool rows = cache.getValue().bits() == 16 && fastest.coordinate == 'd' && fastest.divisor == 1 && fastest.extent == 0;
  return CacheType::get(cache.getContext(), cache.getName(), 1, cache.getKeyDim(), cache.getValueDim() + (rows ? 8 : 0),
                        cache.getKey(), cache.getValue(), staged);
}

double bytesPerToken(CacheType cache) {
  auto stream = [](CodecAttr codec, int64_t dim) {
    double bits = double(dim) * codec.bits();
    if (codec.hasScale())
      bits += double(dim) / codec.getGroup() * bitsOf(codec.getScale()) * (codec.hasZero() ? 2 : 1);
    return bits / 8;
  };
  return cache.getHeads() * (stream(cache.getKey(), cache.getKeyDim()) + stream(cache.getValue(), cache.getValueDim()));
}

} // namespace kv
