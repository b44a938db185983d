#include "compiler/distribute/CodeReader.h"

using namespace mlir;

namespace kv {

CodeReader::CodeReader(Distributor &d, Value blockValue, StreamRef stream, RankedTensorType type, Dot dot)
    : StreamSource(d, blockValue, stream), type(type),
      lanes(b.threads ? int64_t(1) << LaneMap(type).bits(1).size() : Distributor::encoding(type).getLanes()),
      vectors(type.getDimSize(1) / lanes), load(d.schedule.plan(stream.contract).getLoad()),
      wholeRows(!b.threads && load.getKind() == LoadKind::transposed), tileRun(tokensInTile(block.map, block.tokensPerPage())),
      stride(overChannels ? linearStride(region, 'd', load.getPack(), cache.getDim(stream.stream))
                          : linearStride(region, 't', load.getPack(), tileRun)),
      flipOfCode(family.operandForm(codec, dot).flip) {}

/// From a vector to the next, where that is one number.
std::optional<int64_t> CodeReader::bytesBetweenVectors() const {
  int64_t run = overChannels ? tileRun : cache.getDim(stream.stream);
  if (b.threads || load.getKind() > LoadKind::halves || block.ragged || run % (vectors * lanes))
    return std::nullopt;
  int64_t bits = linearStride(region, overChannels ? 't' : 'd', lanes, run) * region.bits;
  return bits && bits % 8 == 0 ? std::optional(bits / 8) : std::nullopt;
}

/// Each a fixed distance after the one before it where there is such a distance: then one address serves all.
std::optional<CodeReader::Lanes> CodeReader::following(ArrayRef<Lanes> placed) const {
  std::optional<int64_t> bytes = bytesBetweenVectors();
  if (placed.empty() || !bytes || placed[0].addresses.empty())
    return std::nullopt;
  Lanes next = placed[0];
  next.addresses[0] = b.at(next.addresses[0], int64_t(placed.size()) * *bytes);
  return next;
}

SmallVector<CodeReader::Lanes> CodeReader::tokensAt(const TokenPages &where, Value first) {
  SmallVector<Lanes> placed;
  for (int64_t u = 0; u < vectors; ++u) {
    if (b.threads) {
      Value lane = ownLane(), ofVector = b.add(first, u * lanes);
      Distributor::OwnToken own = d.ownToken(block, b.KernelBuilder::add(lane, ofVector));
      placed.push_back(placeOwn(own.page, own.slot, b.i64(0)));
      continue;
    }
    if (std::optional<Lanes> next = following(placed)) {
      placed.push_back(*next);
      continue;
    }
    auto [page, slot] = d.placeOfToken(block, where, first, u * lanes);
    placed.push_back(place(where, page, slot, b.i64(0)));
  }
  return placed;
}

SmallVector<CodeReader::Lanes> CodeReader::channelsAt(const TokenPages &where, Value x, Value first) {
  Value page = where.pages[0], slot = first ? b.KernelBuilder::add(where.firstSlot, first) : where.firstSlot;
  if (where.list) {
    page = d.pageInList(block, where, first);
    slot = TokenMap(b, block.tokensPerPage()).slotOf(first);
  }
  SmallVector<Lanes> placed;
  for (int64_t u = 0; u < vectors; ++u) {
    if (std::optional<Lanes> next = following(placed)) {
      placed.push_back(*next);
      continue;
    }
    Value channel = b.add(x, u * lanes);
    placed.push_back(b.threads ? placeOwn(page, b.KernelBuilder::add(channel, ownLane()), slot)
                               : place(where, page, channel, slot));
  }
  return placed;
}

Value CodeReader::laneX(const Lanes &at, int64_t lane) {
  if (b.threads)
    return at.x;
  Value x = b.add(at.x, lane);
  // A lane past the page reads the page's last slot: it is masked, but must not be read outside.
  return overChannels && block.ragged ? b.min(x, b.i64(block.map.slots - 1)) : x;
}

/// Offset in bytes of z from z = 0, where z is linear.
Value CodeReader::zOffset(Value z) {
  int64_t bits = stride * region.bits;
  if (bits % (8 * load.getPack()) == 0)
    return b.mul(z, bits / 8 / load.getPack());
  return b.div(b.mul(b.div(z, load.getPack()), bits), 8);
}

CodeReader::Lanes CodeReader::place(const TokenPages &where, Value page, Value x, Value origin) {
  Lanes at{where.head, page, x, origin, {}};
  bool linear = stride != 0 && (region.bits >= 8 || stride % 2 == 0);
  // Lanes lie together as far as the digits reach, past the last slot.
  if (overChannels && block.ragged && load.getKind() <= LoadKind::halves)
    at.x = b.min(x, b.i64(int64_t(llvm::alignTo(block.map.slots, lanes)) - lanes));
  if (!linear || (load.getKind() == LoadKind::single && region.bits < 8))
    return at;
  int64_t count = load.getKind() <= LoadKind::halves ? 1 : lanes;
  // Bits from a token to the next, where that is one number.
  int64_t between = overChannels && !block.ragged ? linearStride(region, 't', 1, tileRun) * region.bits : 0;
  for (int64_t lane = 0; lane < count; ++lane) {
    if (lane && between && between % 8 == 0) {
      at.addresses.push_back(b.at(at.addresses.front(), lane * between / 8));
      continue;
    }
    Value own = count == 1 ? at.x : laneX(at, lane);
    at.addresses.push_back(b.elementAddress(region, page, elementOf(at, own, b.i64(0))));
  }
  return at;
}

/// What a thread reads: its own lane alone, in whichever way the lanes lie together.
CodeReader::Lanes CodeReader::placeOwn(Value page, Value x, Value origin) {
  Lanes at{block.head, page, x, origin, {}};
  if (stride == 0 || isNibble() || (region.bits < 8 && stride % 2))
    return at;
  at.addresses.push_back(b.elementAddress(region, page, elementOf(at, x, b.i64(0))));
  return at;
}

Value CodeReader::address(const Lanes &at, int64_t lane, Value z) {
  if (!at.addresses.empty())
    return b.at(at.addresses[lane], zOffset(z));
  Value x = load.getKind() <= LoadKind::halves ? at.x : laneX(at, lane);
  return b.elementAddress(region, at.page, elementOf(at, x, z));
}

/// A 4-bit element by itself, in the low half of an i8.
Value CodeReader::loadNibble(const Lanes &at, Value x, Value z) {
  Value index = elementOf(at, x, z);
  Value byte = b.loadVector(b.getI8Type(), b.elementAddress(region, at.page, index));
  Value shift = arith::TruncIOp::create(b, b.loc, b.getI8Type(), b.mul(b.rem(index, 2), 4));
  return b.andBits(arith::ShRUIOp::create(b, b.loc, byte, shift), 15);
}

Value CodeReader::loadRaw(const Lanes &at, Value z) {
  Value raw = b.threads ? loadElement(at, 0, z) : loadLanes(at, z);
  int64_t flip = flipOfLane();
  return flip ? b.xorBits(raw, flip) : raw;
}

int64_t CodeReader::flipOfLane() {
  int64_t flip = 0;
  for (int64_t bit = 0; bit < load.getLaneBits(); bit += region.bits)
    flip |= flipOfCode << bit;
  return flip;
}

/// Blocks of half the matrix off its diagonal change places, then of a quarter, and so on.
SmallVector<Value> CodeReader::loadRows(const Lanes &at, Value z) {
  SmallVector<Value> words;
  for (int64_t lane = 0; lane < lanes; ++lane)
    words.push_back(b.loadVector(b.vec(lanes, b.getI32Type()), address(at, lane, z)));
  for (int64_t half = lanes / 2; half >= 1; half /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      low.push_back(lane & half ? lanes + lane - half : lane);
      high.push_back(lane & half ? lanes + lane : lane + half);
    }
    for (int64_t i = 0; i < lanes; ++i)
      if (!(i & half)) {
        Value x = words[i], y = words[i + half];
        words[i] = vector::ShuffleOp::create(b, b.loc, x, y, low);
        words[i + half] = vector::ShuffleOp::create(b, b.loc, x, y, high);
      }
  }
  if (int64_t flip = flipOfLane())
    for (Value &word : words)
      word = b.xorBits(word, flip);
  return words;
}

/// What one lane reads by itself.
Value CodeReader::loadElement(const Lanes &at, int64_t lane, Value z) {
  return isNibble() ? loadNibble(at, laneX(at, lane), z) : b.loadVector(b.getIntegerType(load.getLaneBits()), address(at, lane, z));
}

Value CodeReader::loadLanes(const Lanes &at, Value z) {
  switch (load.getKind()) {
  case LoadKind::vector:
    return b.loadVector(b.vec(lanes, b.getIntegerType(load.getLaneBits())), address(at, 0, z));
  case LoadKind::halves: {
    Value bytes = b.loadVector(b.vec(lanes / 2, b.getI8Type()), address(at, 0, z));
    SmallVector<int64_t> interleave;
    for (int64_t lane = 0; lane < lanes; ++lane)
      interleave.push_back(lane / 2 + lane % 2 * (lanes / 2));
    Value low = b.andBits(bytes, 15), high = b.shrU(bytes, 4);
    return vector::ShuffleOp::create(b, b.loc, low, high, interleave);
  }
  case LoadKind::rows:
  case LoadKind::single:
  case LoadKind::transposed: {
    SmallVector<Value> elements;
    for (int64_t lane = 0; lane < lanes; ++lane)
      elements.push_back(loadElement(at, lane, z));
    return vector::FromElementsOp::create(b, b.loc, VectorType::get({lanes}, elements[0].getType()), elements);
  }
  }
  llvm_unreachable("all loads are handled");
}

Value CodeReader::keepBetween(Value raw, Value z, Value zBegin, Value zEnd) {
  auto bitsOf = [&](int64_t bits) -> Value {
    return arith::ConstantOp::create(
        b, b.loc, b.getIntegerAttr(b.getIntegerType(load.getLaneBits()), APInt(load.getLaneBits(), uint64_t(bits))));
  };
  Value mask = bitsOf(0);
  for (auto [element, bit] : llvm::enumerate(load.getElementBits())) {
    Value at = b.add(z, int64_t(element)), there = b.isBetween(at, zBegin, zEnd);
    int64_t bits = ((int64_t(1) << region.bits) - 1) << bit;
    Value all = bitsOf(bits), none = bitsOf(0);
    mask = arith::OrIOp::create(b, b.loc, mask, arith::SelectOp::create(b, b.loc, there, all, none));
  }
  return arith::AndIOp::create(b, b.loc, raw, b.broadcast(mask, lanes));
}

bool CodeReader::startsLine(int64_t k, int64_t u) const {
  int64_t bytes = lanes * load.getLaneBits() / 8;
  if (load.getKind() != LoadKind::vector || bytes >= 64)
    return true;
  bool alongZ = stride * region.bits / 8 == bytes;
  return (alongZ ? k : u) % (64 / bytes) == 0;
}

} // namespace kv
