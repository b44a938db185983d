// kv.product on vectors: a loop over the contraction that loads codes, decodes them to operands of the dot record and multiplies
// them by broadcast row operands.
//
//   for z in steps of pack * unroll:
//     raw[u]  = lanes of x, pack elements of z each            (LoadRecord)
//     for each element e of pack:  operand[u] = decode(raw[u], e)          (f32), or
//     for each depth of pack:      operand[u] = some of raw[u]'s bits      (integer records)
//       for each row r:  acc[r][u] = kv.dot acc[r][u], operand[u], broadcast rows[r][z + e]
//
// A paired record takes two operands at a time, zipped word by word, and two rows: its sums are 2 x 2 in every four lanes until the
// loop is over.
//
// Tokens past zEnd that share a load with tokens before it are replaced by zeros: they may hold anything.
#include "compiler/transforms/Distributor.h"

using namespace mlir;

namespace kv {
namespace {

class Product : ProductSource {
public:
  Product(Distributor &d, ProductOp op) : ProductSource(d, op) {
    auto type = cast<RankedTensorType>(op.getTile().getType());
    lanes = b.threads ? int64_t(1) << LaneMap(type).bits(1).size() : Distributor::encoding(type).getLanes();
    rows = type.getDimSize(0);
    vectors = type.getDimSize(1) / lanes;
    int64_t dim = cache.getKeyDim();
    keyLength = codec.isInteger() ? codec.getGroup() : dim;
    load = productLoad(cache, op.getStream(), lanes);
    unroll = loadsOfIteration(cache, op.getStream(), lanes, op.getDot(), op.getUnroll());
    wholeRows = isKey && !b.threads && readsWholeRows(cache, lanes);
    record = isTwoBytes(op.getDot()) ? plainDot(op.getDot()) : op.getDot();
    tileRun = tokensInTile(block.map, block.tokensPerPage());
    stride = isKey ? linearStride(region, 'd', load.pack, dim) : linearStride(region, 't', load.pack, tileRun);
  }

  SmallVector<Value> build();

private:
  void run(SmallVector<Value> &acc);
  LoadRecord load;
  Dot record; ///< of one part of the rows
  int64_t part = 0;
  int64_t lanes, rows, vectors, keyLength, stride;
  int64_t unroll; ///< loads of an iteration
  bool paced = false, wholeRows;
  int64_t tileRun; ///< tokens of one tile
  SmallVector<Value> rowBases;

  /// Where a vector of lanes is: its page and the coordinates of its first lane.
  struct Lanes {
    Value head, page, x;          ///< x: slot for keys, channel for values
    Value origin;                 ///< where z counts from: a slot for values, channel 0 for keys
    SmallVector<Value> addresses; ///< at z = 0, of the vector or of each lane; empty when z is not linear
  };
  Lanes place(const TokenPages &where, Value page, Value x, Value origin);
  Value elementOf(const Lanes &at, Value x, Value z) {
    z = b.KernelBuilder::add(at.origin, z);
    return isKey ? b.element(region, at.head, x, z) : b.element(region, at.head, z, x);
  }
  bool startsLine(int64_t k, int64_t u) const;
  Value address(const Lanes &at, int64_t lane, Value z);
  Value zOffset(Value z);
  Lanes placeOwn(Value page, Value x, Value origin);
  /// Of a thread, among those along x.
  Value ownLane() { return b.laneOffset(LaneMap(cast<RankedTensorType>(op.getTile().getType())).bits(1)); }
  Value laneX(const Lanes &at, int64_t lane);
  Value loadNibble(const Lanes &at, Value x, Value z);
  Value loadElement(const Lanes &at, int64_t lane, Value z);
  Value loadLanes(const Lanes &at, Value z);
  SmallVector<Value> loadRows(const Lanes &at, Value z);
  int64_t flipOfLane();
  /// 4-bit elements that are loaded by themselves.
  bool isNibble() const { return region.bits < 8 && (load.kind == LoadRecord::halves || load.kind == LoadRecord::single); }
  Value loadRaw(const Lanes &at, Value z);
  Value decode(Value raw, int64_t element);
  Value integerOperand(Value raw, int64_t step);
  Value keepBelow(Value raw, Value z, Value zEnd);
  Value keepIf(Value condition, Value operand);
  /// Lines that an iteration asks for, evenly: a burst stalls the loads behind it. A few come one by one after loads; as many as one
  /// for two loads, or more, between the rows of products.
  struct Line {
    Value address;
    CacheLevel level;
  };
  struct Lines {
    SmallVector<Line> near, far; ///< of this block, of the one ahead
    bool afterLoads = false;
    int64_t done = 0, total = 1; ///< loads, or rows of steps
    int64_t askedNear = 0, askedFar = 0;
  };
  Lines lines;
  void askForLines(int64_t done);
  void multiply(SmallVector<Value> &acc, ArrayRef<Value> operands, ArrayRef<Value> rowAddresses, int64_t offset);
  bool isPairedDot() { return isPaired(op.getDot()); }
  Value pairOfRows(ArrayRef<Value> rowAddresses, int64_t row, int64_t offset, bool second);
  void multiplyPairs(SmallVector<Value> &acc, ArrayRef<Value> first, ArrayRef<Value> second, ArrayRef<Value> rowAddresses,
                     int64_t offset);
  Value interleave(Value x, Value y, int64_t words, bool high);
  Value separate(Value x, Value y, bool odd);
  void pairSums(SmallVector<Value> &acc);
  void unpairSums(SmallVector<Value> &acc);
  /// Lanes of this block and of the one to prefetch (maybe none).
  struct Source {
    SmallVector<Lanes> here, ahead;
  };
  Pace::Product walk;
  Value start, done; ///< where the stream's share of a tile ahead begins; iterations of the block before those of this product
  void placeCursor();
  Value cursorAt(Value zRow);
  /// Steps of the record that a load feeds, and bytes of a row's operands in each.
  int64_t wordsOfLoad() { return op.getDot() == Dot::f16 ? load.pack : load.pack / dotDepth(op.getDot()); }
  int64_t wordBytes() { return op.getDot() == Dot::f16 ? 2 : 4; }
  void step(SmallVector<Value> &acc, const Source &source, Value z, Value zRow, int64_t count, Value zEnd);
  void range(SmallVector<Value> &acc, const Source &source, Value begin, Value end, Value rowShift);
  Value shifted(Value z, Value by) { return by ? b.KernelBuilder::add(z, by) : z; }
};

Value Product::laneX(const Lanes &at, int64_t lane) {
  if (b.threads)
    return at.x;
  Value x = b.add(at.x, lane);
  // A lane past the page reads the page's last slot: it is masked, but must not be read outside.
  return isKey && block.ragged ? b.min(x, b.i64(block.map.slots - 1)) : x;
}

/// Offset in bytes of z from z = 0, where z is linear.
Value Product::zOffset(Value z) {
  int64_t bits = stride * region.bits;
  if (bits % (8 * load.pack) == 0)
    return b.mul(z, bits / 8 / load.pack);
  return b.div(b.mul(b.div(z, load.pack), bits), 8);
}

Product::Lanes Product::place(const TokenPages &where, Value page, Value x, Value origin) {
  Lanes at{where.head, page, x, origin, {}};
  bool linear = stride != 0 && (region.bits >= 8 || stride % 2 == 0);
  if (isKey && block.ragged && load.kind <= LoadRecord::halves) // padding of the slots is the region's own
    at.x = b.min(x, b.i64(block.map.paddedSlots() - lanes));
  if (!linear || (load.kind == LoadRecord::single && region.bits < 8))
    return at;
  int64_t count = load.kind <= LoadRecord::halves ? 1 : lanes;
  // Bits from a token to the next, where that is one number.
  int64_t between = isKey && !block.ragged ? linearStride(region, 't', 1, tileRun) * region.bits : 0;
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
Product::Lanes Product::placeOwn(Value page, Value x, Value origin) {
  Lanes at{block.head, page, x, origin, {}};
  if (stride == 0 || isNibble() || (region.bits < 8 && stride % 2))
    return at;
  at.addresses.push_back(b.elementAddress(region, page, elementOf(at, x, b.i64(0))));
  return at;
}

Value Product::address(const Lanes &at, int64_t lane, Value z) {
  if (!at.addresses.empty())
    return b.at(at.addresses[lane], zOffset(z));
  Value x = load.kind <= LoadRecord::halves ? at.x : laneX(at, lane);
  return b.elementAddress(region, at.page, elementOf(at, x, z));
}

/// A 4-bit element by itself, in the low half of an i8.
Value Product::loadNibble(const Lanes &at, Value x, Value z) {
  Value index = elementOf(at, x, z);
  Value byte = b.loadVector(b.getI8Type(), b.elementAddress(region, at.page, index));
  Value shift = arith::TruncIOp::create(b, b.loc, b.getI8Type(), b.mul(b.rem(index, 2), 4));
  return b.andBits(arith::ShRUIOp::create(b, b.loc, byte, shift), 15);
}

/// vector<lanes x iN>, N = 8, 16 or 32: the lane's elements in its low bits as load.elementBits says, stored bias removed.
Value Product::loadRaw(const Lanes &at, Value z) {
  Value raw = b.threads ? loadElement(at, 0, z) : loadLanes(at, z);
  int64_t flip = flipOfLane();
  return flip ? b.xorBits(raw, flip) : raw;
}

int64_t Product::flipOfLane() {
  int64_t each = isIntegerDot(op.getDot()) ? integerForm(codec, op.getDot()).flip : centeringFlip(codec), flip = 0;
  for (int64_t bit = 0; bit < load.laneBits; bit += region.bits)
    flip |= each << bit;
  return flip;
}

/// What as many loads as there are lanes bring, from z on: of each lane its words in one load, transposed. Blocks of half the
/// matrix off its diagonal change places, then of a quarter, and so on.
SmallVector<Value> Product::loadRows(const Lanes &at, Value z) {
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
Value Product::loadElement(const Lanes &at, int64_t lane, Value z) {
  return isNibble() ? loadNibble(at, laneX(at, lane), z) : b.loadVector(b.getIntegerType(load.laneBits), address(at, lane, z));
}

Value Product::loadLanes(const Lanes &at, Value z) {
  switch (load.kind) {
  case LoadRecord::vector:
    return b.loadVector(b.vec(lanes, b.getIntegerType(load.laneBits)), address(at, 0, z));
  case LoadRecord::halves: {
    Value bytes = b.loadVector(b.vec(lanes / 2, b.getI8Type()), address(at, 0, z));
    SmallVector<int64_t> interleave;
    for (int64_t lane = 0; lane < lanes; ++lane)
      interleave.push_back(lane / 2 + lane % 2 * (lanes / 2));
    return vector::ShuffleOp::create(b, b.loc, b.andBits(bytes, 15), b.shrU(bytes, 4), interleave);
  }
  case LoadRecord::rows:
  case LoadRecord::single: {
    SmallVector<Value> elements;
    for (int64_t lane = 0; lane < lanes; ++lane)
      elements.push_back(loadElement(at, lane, z));
    return vector::FromElementsOp::create(b, b.loc, VectorType::get({lanes}, elements[0].getType()), elements);
  }
  }
  llvm_unreachable("all loads are handled");
}

/// Lanes of the record for one of the load's steps: every element in the low, or for signed bytes of 4 bits the high, part of its
/// place.
Value Product::integerOperand(Value raw, int64_t step) {
  int64_t bits = region.bits, width = 32 / dotDepth(op.getDot());
  if (bits == width)
    return raw;
  bool high = integerForm(codec, op.getDot()).factor > 1;
  int64_t mask = 0;
  for (int64_t bit = high ? width - bits : 0; bit < 32; bit += width)
    mask |= ((int64_t(1) << bits) - 1) << bit;
  int64_t down = bits * step - (high ? width - bits : 0);
  return b.andBits(down >= 0 ? b.shrU(raw, down) : b.shl(raw, -down), mask);
}

/// Lanes with zeros for the elements at zEnd and later.
Value Product::keepBelow(Value raw, Value z, Value zEnd) {
  Value mask = b.i32(0);
  for (auto [element, bit] : llvm::enumerate(load.elementBits)) {
    Value there = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::slt, b.add(z, int64_t(element)), zEnd);
    int64_t bits = ((int64_t(1) << region.bits) - 1) << bit;
    mask = arith::OrIOp::create(b, b.loc, mask, arith::SelectOp::create(b, b.loc, there, b.i32(int32_t(bits)), b.i32(0)));
  }
  return arith::AndIOp::create(b, b.loc, raw, b.broadcast(mask, lanes));
}

/// Lanes of f32, or zeros. On their bits: of a condition that all lanes share some targets make a mask in memory.
Value Product::keepIf(Value condition, Value operand) {
  Value mask = b.broadcast(arith::ExtSIOp::create(b, b.loc, b.getI32Type(), condition), lanes);
  return b.bitcast(operand.getType(), arith::AndIOp::create(b, b.loc, b.bitcast(mask.getType(), operand), mask));
}

/// Element `element` of every lane as f32: a value, or a code as a number.
Value Product::decode(Value raw, int64_t element) {
  Type f32 = b.vec(lanes, b.getF32Type()), integers = b.vec(lanes, b.getI32Type());
  int64_t width = getElementTypeOrSelf(raw.getType()).getIntOrFloatBitWidth(), offset = load.elementBits[element],
          bits = region.bits;
  auto widen = [&](bool isSigned) -> Value {
    if (width == 32)
      return raw;
    return isSigned ? arith::ExtSIOp::create(b, b.loc, integers, raw).getResult()
                    : arith::ExtUIOp::create(b, b.loc, integers, raw).getResult();
  };
  switch (codec.getElement()) {
  case Element::f32:
    return b.bitcast(f32, raw);
  case Element::bf16: {
    Value word = widen(false);
    return b.bitcast(f32, offset == 16 ? b.andBits(word, 0xffff0000) : b.shl(word, 16));
  }
  case Element::f16: {
    Value half = raw;
    if (width == 32)
      half = arith::TruncIOp::create(b, b.loc, b.vec(lanes, b.getI16Type()), b.shrU(raw, offset));
    return FromHalfOp::create(b, b.loc, f32, half);
  }
  default:
    break;
  }
  Value code = width == bits ? widen(true) : b.shrS(b.shl(widen(false), 32 - bits - offset), 32 - bits);
  return arith::SIToFPOp::create(b, b.loc, f32, code);
}

/// Whether load k of an iteration, vector u, is the first to touch its line of 64 bytes; consecutive loads may share one.
bool Product::startsLine(int64_t k, int64_t u) const {
  int64_t bytes = lanes * load.laneBits / 8;
  if (load.kind != LoadRecord::vector || bytes >= 64)
    return true;
  bool alongZ = stride * region.bits / 8 == bytes;
  return (alongZ ? k : u) % (64 / bytes) == 0;
}

void Product::placeCursor() {
  const TokenPages &where = *block.ahead;
  const Pace &pace = *block.pace;
  int64_t parts = rowParts(op.getDot()), length = unroll * load.pack, along = isKey ? cache.getKeyDim() : block.tokens;
  walk = isKey ? pace.key : pace.value;
  // In the order of the kernel: slices of lanes, groups of keys, parts of the rows, then along z.
  Value slices = b.mul(b.div(d.scalar(op.getX()), lanes * vectors), parts * along);
  Value groups = isKey ? b.mul(d.scalar(op.getZBegin()), parts - 1) : b.i64(0);
  done = b.div(b.KernelBuilder::add(slices, b.add(groups, part * (isKey ? keyLength : along))), length);
  start = b.add(where.tileOffset, isKey ? 0 : pace.tileBytes - pace.valueBytes());
}

/// Where the lines are that an iteration at zRow asks for.
Value Product::cursorAt(Value zRow) {
  Value iteration = b.KernelBuilder::add(done, b.div(zRow, unroll * load.pack)), page = block.ahead->pages[0];
  if (block.ahead->list) {
    int64_t ofTile = walk.iterations / block.pace->tiles;
    page = b.load(b.ptr(), b.at(block.ahead->list, b.mul(b.div(iteration, ofTile), 8)));
    iteration = b.rem(iteration, ofTile);
  }
  return b.at(b.at(page, start), b.mul(iteration, walk.step));
}

/// `count` loads from z on; with zEnd, elements at zEnd and later are zero.
void Product::step(SmallVector<Value> &acc, const Source &source, Value z, Value zRow, int64_t count, Value zEnd) {
  // Lines to ask for: of the block ahead, from memory; of this one, two iterations ahead, from the second-level cache, where the
  // first request has put them.
  lines = {};
  for (int64_t k = 0; k < count && part == 0; ++k)
    for (int64_t u = 0; u < int64_t(source.ahead.size()); ++u) {
      if (!startsLine(k, u))
        continue;
      if (wholeRows) { // as many lanes as loads
        lines.far.push_back({address(source.ahead[u], k, z), CacheLevel::second});
        continue;
      }
      if (!paced)
        lines.far.push_back({address(source.ahead[u], 0, b.add(z, k * load.pack)), CacheLevel::second});
      lines.near.push_back({address(source.here[u], 0, b.add(z, (k + 2 * count) * load.pack)), CacheLevel::first});
    }
  Value walked = paced && count == unroll ? cursorAt(zRow) : Value();
  for (int64_t byte = 0; walked && byte < walk.step; byte += 64)
    lines.far.push_back({b.at(walked, byte), CacheLevel::second});
  int64_t loads = count * vectors;
  lines.afterLoads = 2 * int64_t(lines.near.size() + lines.far.size()) <= loads;
  lines.total = lines.afterLoads ? loads : count * wordsOfLoad() * rows;
  SmallVector<Value> rowAddresses;
  SmallVector<Value> waiting; // the first operand of a pair
  for (Value base : rowBases)
    rowAddresses.push_back(b.at(base, b.mul(zRow, 4 / dotDepth(op.getDot()))));
  SmallVector<Value> rowsOfLanes;
  if (wholeRows)
    rowsOfLanes = loadRows(source.here[0], z);
  for (int64_t k = 0; k < count; ++k) {
    Value at = b.add(z, k * load.pack);
    SmallVector<Value> raw;
    for (const Lanes &lanesAt : source.here) {
      raw.push_back(wholeRows ? rowsOfLanes[k] : loadRaw(lanesAt, at));
      if (lines.afterLoads)
        askForLines(1);
    }
    if (roundsRows(op.getDot())) {
      if (zEnd && !codec.isInteger())
        for (Value &word : raw)
          word = keepBelow(word, at, zEnd);
      int64_t steps = wordsOfLoad();
      for (int64_t s = 0; s < steps; ++s) {
        SmallVector<Value> operands;
        for (Value word : raw)
          operands.push_back(isIntegerDot(op.getDot()) ? integerOperand(word, s) : word);
        int64_t offset = (k * steps + s) * wordBytes();
        if (!isPairedDot()) {
          multiply(acc, operands, rowAddresses, offset);
        } else if (!waiting.empty()) {
          multiplyPairs(acc, waiting, operands, rowAddresses, offset - wordBytes());
          waiting.clear();
        } else {
          waiting = operands;
        }
      }
      if (!waiting.empty() && k + 1 == count)
        multiplyPairs(acc, waiting, {}, rowAddresses, k * wordBytes());
      continue;
    }
    for (int64_t e = 0; e < load.pack; ++e) {
      SmallVector<Value> operands;
      for (Value word : raw) {
        Value operand = decode(word, e);
        if (zEnd) {
          Value there = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::slt, b.add(at, e), zEnd);
          operand = keepIf(there, operand);
        }
        operands.push_back(operand);
      }
      multiply(acc, operands, rowAddresses, (k * load.pack + e) * 4);
    }
  }
}

void Product::askForLines(int64_t done) {
  lines.done = std::min(lines.done + done, lines.total);
  auto ask = [&](ArrayRef<Line> all, int64_t &asked) {
    for (int64_t due = llvm::divideCeil(int64_t(all.size()) * lines.done, lines.total); asked < due; ++asked)
      b.prefetch(all[asked].address, all[asked].level);
  };
  ask(lines.near, lines.askedNear);
  ask(lines.far, lines.askedFar);
}

/// One step of the record: the operands by the word at `offset` of every row.
void Product::multiply(SmallVector<Value> &acc, ArrayRef<Value> operands, ArrayRef<Value> rowAddresses, int64_t offset) {
  Type word = op.getDot() == Dot::f32 ? Type(b.getF32Type()) : b.getIntegerType(unsigned(8 * wordBytes()));
  for (int64_t r = 0; r < rows; ++r) {
    if (!lines.afterLoads)
      askForLines(1);
    Value row = b.broadcast(b.load(word, b.at(rowAddresses[r], offset)), lanes);
    for (int64_t u = 0; u < vectors; ++u) {
      Value &sum = acc[r * vectors + u];
      sum = DotOp::create(b, b.loc, sum.getType(), sum, operands[u], row, record);
    }
  }
}

/// A row's word at `offset` and, where there is a second operand, the next; the same of the row after it; in every four lanes.
Value Product::pairOfRows(ArrayRef<Value> rowAddresses, int64_t row, int64_t offset, bool second) {
  SmallVector<int64_t> repeated;
  for (int64_t lane = 0; lane < lanes; ++lane)
    repeated.push_back(lane % 4);
  if (second) {
    auto two = VectorType::get({2}, b.getI32Type());
    auto words = [&](int64_t r) { return b.loadVector(two, b.at(rowAddresses[r], offset)); };
    return vector::ShuffleOp::create(b, b.loc, words(row), words(row + 1), repeated);
  }
  auto word = [&](int64_t r) { return b.load(b.getI32Type(), b.at(rowAddresses[r], offset)); };
  Value none = b.i32(0), four = vector::FromElementsOp::create(b, b.loc, VectorType::get({4}, b.getI32Type()),
                                                               ValueRange{word(row), none, word(row + 1), none});
  return vector::ShuffleOp::create(b, b.loc, four, four, repeated);
}

/// The low, or high, halves of x and y, runs of `words` lanes of each in turn.
Value Product::interleave(Value x, Value y, int64_t words, bool high) {
  SmallVector<int64_t> order;
  for (int64_t lane = 0; lane < lanes; ++lane)
    order.push_back((high ? lanes / 2 : 0) + lane / (2 * words) * words + lane % words + lane / words % 2 * lanes);
  return vector::ShuffleOp::create(b, b.loc, x, y, order);
}

/// The even, or odd, pairs of lanes of x, then those of y: what interleaving two by two has undone.
Value Product::separate(Value x, Value y, bool odd) {
  SmallVector<int64_t> order;
  for (int64_t lane = 0; lane < lanes; ++lane)
    order.push_back(lane / 2 * 4 + lane % 2 + (odd ? 2 : 0));
  return vector::ShuffleOp::create(b, b.loc, x, y, order);
}

/// Rows r and r + 1 of a column: of its lower half of lanes the sums 2 x 2, and of the upper.
void Product::pairSums(SmallVector<Value> &acc) {
  for (int64_t r = 0; r < rows; r += 2)
    for (int64_t u = 0; u < vectors; ++u) {
      Value &x = acc[r * vectors + u], &y = acc[(r + 1) * vectors + u], low = interleave(x, y, 2, false);
      y = interleave(x, y, 2, true);
      x = low;
    }
}

void Product::unpairSums(SmallVector<Value> &acc) {
  for (int64_t r = 0; r < rows; r += 2)
    for (int64_t u = 0; u < vectors; ++u) {
      Value &x = acc[r * vectors + u], &y = acc[(r + 1) * vectors + u], even = separate(x, y, false);
      y = separate(x, y, true);
      x = even;
    }
}

/// Two steps of a paired record's words: `second` follows `first` in the contraction, or there is none.
void Product::multiplyPairs(SmallVector<Value> &acc, ArrayRef<Value> first, ArrayRef<Value> second, ArrayRef<Value> rowAddresses,
                            int64_t offset) {
  SmallVector<Value> columns[2];
  for (int64_t u = 0; u < vectors; ++u)
    for (bool high : {false, true})
      columns[high].push_back(interleave(first[u], second.empty() ? first[u] : second[u], 1, high));
  for (int64_t r = 0; r < rows; r += 2) {
    Value row = pairOfRows(rowAddresses, r, offset, !second.empty());
    for (int64_t u = 0; u < vectors; ++u)
      for (int64_t half = 0; half < 2; ++half) {
        Value &sum = acc[(r + half) * vectors + u];
        sum = DotOp::create(b, b.loc, sum.getType(), sum, columns[half][u], row, record);
      }
    if (!lines.afterLoads)
      askForLines(second.empty() ? 2 : 4);
  }
}

/// z from begin to end inside one page; z + rowShift is the column of the row operands.
void Product::range(SmallVector<Value> &acc, const Source &source, Value begin, Value end, Value rowShift) {
  int64_t chunk = load.pack * unroll;
  auto loop = [&](Value from, Value to, int64_t count, bool masked) {
    acc = b.loop(from, to, count * load.pack, acc, [&](Value z, ValueRange carried) {
      SmallVector<Value> sums(carried);
      step(sums, source, z, shifted(z, rowShift), count, masked ? end : Value());
      return sums;
    });
  };
  // Codes past the end are numbers, and their row operands are 0: whole chunks, as far as block and page hold them, need no care.
  int64_t padded = block.map.tile ? block.map.paddedSlots() : llvm::divideCeil(block.map.slots, load.pack) * load.pack;
  if (isKey || (codec.isInteger() && tileRun % chunk == 0 && padded % chunk == 0))
    return loop(begin, end, unroll, false);
  Value middle = b.KernelBuilder::add(begin, b.mul(b.div(b.sub(end, begin), chunk), chunk));
  loop(begin, middle, unroll, false);
  if (chunk > 1)
    loop(middle, end, 1, load.pack > 1 && !codec.isInteger());
}

SmallVector<Value> Product::build() {
  SmallVector<Value> acc(d.tile(op.getInit()));
  if (isTwoBytes(op.getDot())) { // sums of the high bytes first
    SmallVector<Value> sums(acc.size(), b.like(0, acc.front().getType()));
    run(sums);
    for (auto [sum, init] : llvm::zip_equal(sums, acc))
      init = b.KernelBuilder::add(b.shl(sum, 8), init);
    ++part;
  }
  if (isPairedDot())
    pairSums(acc);
  run(acc);
  if (isPairedDot())
    unpairSums(acc);
  return acc;
}

void Product::run(SmallVector<Value> &acc) {
  Value zBegin = d.scalar(op.getZBegin()), zEnd = d.scalar(op.getZEnd());
  int64_t partBytes = cast<MemRefType>(op.getRows().getType()).getDimSize(1) * 4 / rowParts(op.getDot());
  rowBases.clear();
  for (int64_t r = 0; r < rows; ++r)
    rowBases.push_back(b.at(d.homeAddress(op.getRows(), b.add(d.scalar(op.getRow()), r), b.i64(0)), part * partBytes));
  // One lane of a scattered load stands for the others: they lie in lines of their own.
  d.fences.beforeRead();
  bool prefetches = block.ahead && !b.threads && (load.kind <= LoadRecord::halves || wholeRows);
  paced = prefetches && block.pace;
  if (paced)
    placeCursor();
  if (isKey) {
    APInt first;
    bool constant = matchPattern(op.getX(), m_ConstantInt(&first));
    assert(constant && "a product of keys starts at a constant token of its block");
    (void)constant;
    auto tokens = [&](const TokenPages &where) {
      SmallVector<Lanes> placed;
      for (int64_t u = 0; u < vectors; ++u) {
        int64_t token = first.getSExtValue() + u * lanes;
        if (b.threads) {
          Distributor::OwnToken own = d.ownToken(block, b.add(ownLane(), token));
          placed.push_back(placeOwn(own.page, own.slot, b.i64(0)));
          continue;
        }
        Value slot = b.add(where.firstSlot, token % block.tokensPerPage());
        placed.push_back(place(where, where.pages[token / block.tokensPerPage()], slot, b.i64(0)));
      }
      return placed;
    };
    Source all{tokens(block), prefetches ? tokens(*block.ahead) : SmallVector<Lanes>()};
    if (!wholeRows)
      return range(acc, all, zBegin, zEnd, Value());
    // A vector of tokens at a time: its words of an iteration fill the registers.
    int64_t count = std::exchange(vectors, 1);
    for (int64_t u = 0; u < count; ++u) {
      SmallVector<Value> sums;
      for (int64_t r = 0; r < rows; ++r)
        sums.push_back(acc[r * count + u]);
      range(sums, {{all.here[u]}, prefetches ? SmallVector<Lanes>{all.ahead[u]} : SmallVector<Lanes>()}, zBegin, zEnd, Value());
      for (int64_t r = 0; r < rows; ++r)
        acc[r * count + u] = sums[r];
    }
    vectors = count;
    return;
  }
  auto columns = [&](const TokenPages &where, Value page, Value slot) {
    SmallVector<Lanes> placed;
    for (int64_t u = 0; u < vectors; ++u) {
      Value x = b.add(d.scalar(op.getX()), u * lanes);
      placed.push_back(b.threads ? placeOwn(page, b.KernelBuilder::add(x, ownLane()), slot) : place(where, page, x, slot));
    }
    return placed;
  };
  int64_t inPage = block.tokensPerPage();
  // A run of the block from `first` on: where it is, of this block and of the one ahead.
  auto sourceAt = [&](Value first) {
    auto at = [&](const TokenPages &where) {
      if (!where.list)
        return columns(where, where.pages[0], first ? b.KernelBuilder::add(where.firstSlot, first) : where.firstSlot);
      Value page = b.load(b.ptr(), b.at(where.list, b.mul(b.div(first, inPage), 8)));
      return columns(where, page, tileRun < inPage ? b.rem(first, inPage) : b.i64(0));
    };
    return Source{at(block), prefetches ? at(*block.ahead) : SmallVector<Lanes>()};
  };
  if (!block.list && tileRun == inPage)
    return range(acc, sourceAt(Value()), zBegin, zEnd, Value());
  acc = b.loop(zBegin, zEnd, tileRun, acc, [&](Value first, ValueRange carried) {
    SmallVector<Value> sums(carried);
    range(sums, sourceAt(first), b.i64(0), b.min(b.i64(tileRun), b.sub(zEnd, first)), first);
    return sums;
  });
}

} // namespace

SmallVector<Value> distributeProduct(Distributor &d, ProductOp op) {
  return d.b.threads && roundsRows(op.getDot()) ? distributeMatrix(d, op) : Product(d, op).build();
}

} // namespace kv
