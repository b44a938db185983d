// kv.product by a matrix record, in a team of threads: tiles of 16 rows by 8 columns by 16 of the contraction.
//
//   for z in steps of four runs:
//     columns = the thread's run of the contraction, one word after another, for its column of each tile     from the page
//     for each 16 of the four runs:
//       rows = the same elements of the thread's two rows                                                    from scratch
//       for each tile: sums = kv.mma sums, rows, columns
//
// Threads t = thread % 4 read runs of W elements that follow each other: thread t has W * t .. W * t + W - 1 of every 4 W. The
// order of a contraction is free as long as rows and columns agree, so four elements of a run stand for the record's elements 2t,
// 2t + 1, 2t + 8 and 2t + 9; a run is then one load where the page holds it together.
//
// Codes become f16 without conversions: 1024 + u has the bits 0x6400 | u.
#include "compiler/transforms/Distributor.h"

using namespace mlir;

namespace kv {
namespace {

class MatrixProduct : ProductSource {
public:
  MatrixProduct(Distributor &d, ProductOp op)
      : ProductSource(d, op), load(productLoad(cache, op.getStream(), /*lanes=*/1)), run(matrixRun(cache, op.getStream())),
        chunk(4 * run) {
    auto type = cast<RankedTensorType>(op.getTile().getType());
    tiles = type.getDimSize(1) / 8;
    int64_t length = codec.isInteger() ? codec.getGroup() : cache.getKeyDim();
    whole = isKey && length % chunk == 0;
    thread = b.laneOffset({0, 1});
    column = b.laneOffset({2, 3, 4});
  }

  SmallVector<Value> build();

private:
  LoadRecord load;
  int64_t run, chunk, tiles;
  bool whole; ///< every run lies inside the contraction
  Value thread, column;

  Value loadWord(Value page, Value x, Value z);
  Value field(Value word, int64_t element, int64_t bits);
  Value pair(ArrayRef<Value> words, int64_t element, Value z, Value zEnd);
  SmallVector<Value> columnPairs(Value page, Value x, Value z, Value zEnd);
};

/// `pack` elements from z on, in the low bits of an i32.
Value MatrixProduct::loadWord(Value page, Value x, Value z) {
  Value index = isKey ? b.element(region, block.head, x, z) : b.element(region, block.head, z, x);
  Value address = b.elementAddress(region, page, index);
  if (region.bits < 8 && load.pack == 1) { // a nibble by itself
    Value byte = arith::ExtUIOp::create(b, b.loc, b.getI32Type(), b.loadVector(b.getI8Type(), address));
    return b.andBits(arith::ShRUIOp::create(b, b.loc, byte, b.toI32(b.mul(b.rem(index, 2), 4))), 15);
  }
  Value word = b.loadVector(b.getIntegerType(load.laneBits), address);
  return load.laneBits == 32 ? word : arith::ExtUIOp::create(b, b.loc, b.getI32Type(), word).getResult();
}

/// Element `element` of a word, in the low bits of an i32.
Value MatrixProduct::field(Value word, int64_t element, int64_t bits) {
  return b.andBits(b.shrU(word, load.elementBits[element]), (int64_t(1) << bits) - 1);
}

/// Elements `element` and `element + 1` of the run as two f16; those at zEnd and later are zero.
Value MatrixProduct::pair(ArrayRef<Value> words, int64_t element, Value z, Value zEnd) {
  auto raw = [&](int64_t e) { return field(words[e / load.pack], e % load.pack, region.bits); };
  Value low = raw(element), high = raw(element + 1);
  if (zEnd && !codec.isInteger()) { // codes are numbers whatever they are, and their row operands are 0
    auto masked = [&](Value value, int64_t e) -> Value {
      Value there = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::slt, b.add(z, e), zEnd);
      return arith::SelectOp::create(b, b.loc, there, value, b.i32(0));
    };
    low = masked(low, element);
    high = masked(high, element + 1);
  }
  Value both = arith::OrIOp::create(b, b.loc, low, b.shl(high, 16));
  if (!codec.isInteger())
    return both;
  // u = code + half its range, then 1024 + u less 1024 and the half: exact.
  int64_t half = int64_t(1) << (codec.bits() - 1), flip = centeringFlip(codec) ^ half;
  both = b.xorBits(both, 0x64006400 | flip | flip << 16);
  auto type = VectorType::get({2}, b.getF16Type());
  Value bias = arith::ConstantOp::create(b, b.loc, DenseElementsAttr::get(type, Attribute(b.getF16FloatAttr(float(1024 + half)))));
  Value value = arith::SubFOp::create(b, b.loc, LLVM::BitcastOp::create(b, b.loc, type, both), bias);
  return LLVM::BitcastOp::create(b, b.loc, b.getI32Type(), value);
}

/// The run from z on of column x, two elements in each i32.
SmallVector<Value> MatrixProduct::columnPairs(Value page, Value x, Value z, Value zEnd) {
  SmallVector<Value> words, pairs;
  for (int64_t first = 0; first < run; first += load.pack) {
    Value at = b.add(z, first);
    // What lies past the page's slots, or past the contraction, must not be read outside.
    if (!isKey && block.ragged)
      at = b.min(at, b.i64((block.map.slots - 1) / load.pack * load.pack));
    else if (isKey && !whole)
      at = b.min(at, b.sub(zEnd, b.i64(load.pack)));
    words.push_back(loadWord(page, x, at));
  }
  for (int64_t element = 0; element < run; element += 2)
    pairs.push_back(pair(words, element, z, isKey ? Value() : zEnd));
  if (isKey && !whole) { // a run lies inside or outside
    Value there = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::slt, z, zEnd);
    for (Value &value : pairs)
      value = arith::SelectOp::create(b, b.loc, there, value, b.i32(0));
  }
  return pairs;
}

SmallVector<Value> MatrixProduct::build() {
  d.fences.beforeRead();
  Value zBegin = d.scalar(op.getZBegin()), zEnd = d.scalar(op.getZEnd()), firstRow = d.scalar(op.getRow());
  Value homes[2]; // of the thread's two rows
  for (int64_t half = 0; half < 2; ++half)
    homes[half] = d.homeAddress(op.getRows(), b.KernelBuilder::add(firstRow, b.add(column, 8 * half)), b.i64(0));
  SmallVector<Value> columns; // x of the thread's column in each tile
  SmallVector<Distributor::OwnToken> tokens;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    Value x = b.KernelBuilder::add(d.scalar(op.getX()), b.add(column, 8 * tile));
    columns.push_back(x);
    if (isKey)
      tokens.push_back(d.ownToken(block, x));
  }
  return b.loop(zBegin, zEnd, chunk, d.tile(op.getInit()), [&](Value zChunk, ValueRange carried) {
    SmallVector<Value> sums(carried);
    Value z = b.KernelBuilder::add(zChunk, b.mul(thread, run));
    Distributor::OwnToken own;
    Value end = zEnd;
    if (!isKey) {
      own = d.ownToken(block, z);
      if (block.ragged) // a slot that is not the run's own says nothing of its length
        own.slot = block.list ? own.slot : b.KernelBuilder::add(block.firstSlot, z);
      end = b.KernelBuilder::add(zEnd, b.sub(own.slot, z)); // in slots
    }
    SmallVector<SmallVector<Value>> pairs;
    for (int64_t tile = 0; tile < tiles; ++tile)
      pairs.push_back(isKey ? columnPairs(tokens[tile].page, tokens[tile].slot, z, end)
                            : columnPairs(own.page, columns[tile], own.slot, end));
    Value zRow = isKey && !whole ? b.min(z, b.sub(zEnd, b.i64(run))) : z;
    for (int64_t step = 0; step < run / 4; ++step) {
      Value rows[4]; // pair by pair, rows g and g + 8
      for (int64_t i = 0; i < 4; ++i)
        rows[i] = b.load(b.getI32Type(), b.at(homes[i % 2], b.mul(b.add(zRow, 4 * step + i / 2 * 2), 2)));
      for (int64_t tile = 0; tile < tiles; ++tile) {
        Value *top = &sums[2 * tile], *bottom = &sums[2 * tiles + 2 * tile];
        auto mma = MmaOp::create(b, b.loc, top[0], top[1], bottom[0], bottom[1], rows[0], rows[1], rows[2], rows[3],
                                 pairs[tile][2 * step], pairs[tile][2 * step + 1]);
        top[0] = mma.getResult0();
        top[1] = mma.getResult1();
        bottom[0] = mma.getResult2();
        bottom[1] = mma.getResult3();
      }
    }
    return sums;
  });
}

} // namespace

SmallVector<Value> distributeMatrix(Distributor &d, ProductOp op) { return MatrixProduct(d, op).build(); }

} // namespace kv
