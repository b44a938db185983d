// kv.product by a matrix record, in a team of threads: an instruction has sums of 16 x 8 and takes 16 of the contraction. The 16
// are rows and the 8 columns, or with a tile of 8 rows the 16 are columns of the product and the 8 its rows.
//
//   for z in steps of four runs:
//     columns = the thread's run of the contraction, one word after another, for its column of every 8       from the page
//     for each 16 of the four runs:
//       rows = the same elements of the thread's two rows, or one                                            from scratch
//       for every 8 columns:  sums = kv.mma sums, rows, columns,  or
//       for every 16 columns: sums = kv.mma sums, columns, rows
//
// Threads t = thread % 4 read runs of W elements that follow each other: thread t has W * t .. W * t + W - 1 of every 4 W. The
// order of a contraction is free as long as rows and columns agree, so four elements of a run stand for the record's elements 2t,
// 2t + 1, 2t + 8 and 2t + 9; a run is then one load where the page holds it together.
//
// f16 that lies the other way, eight columns together, is read by kv.read_transposed from a staged block; elements then stand for
// themselves.
//
// Row operands of two parts are multiplied one part after the other.
#include "compiler/distribute/CodeReader.h"

using namespace mlir;

namespace kv {
namespace {

class MatrixProduct : StreamSource {
public:
  MatrixProduct(Distributor &d, ProductOp op)
      : StreamSource(d, op.getBlock(), {op.getStream(), op.getContract()}), op(op),
        load(d.schedule.plan(stream.contract).getLoad()), run(matrixRun(load)), chunk(4 * run),
        transposed(load.getKind() == LoadKind::transposed) {
    auto type = cast<RankedTensorType>(op.getTile().getType());
    rows = type.getDimSize(0);
    tiles = type.getDimSize(1) / 8;
    whole = overChannels && cache.getRun(stream.stream) % chunk == 0;
    thread = b.laneOffset({0, 1});
    column = b.laneOffset({2, 3, 4});
  }

  SmallVector<Value> build();

private:
  ProductOp op;
  LoadAttr load;
  int64_t run, chunk;
  int64_t rows;  ///< of the tile: 16 or 8
  int64_t tiles; ///< of 8 columns
  bool transposed;
  bool whole; ///< every run lies inside the contraction
  Value thread, column;

  Value loadWord(Value page, Value x, Value z);
  /// Elements of the contraction that count: from `begin`, where there is one, to `end`.
  struct Bounds {
    Value begin, end;
  };
  Value pair(ArrayRef<Value> words, int64_t element, Value z, Bounds bounds);
  SmallVector<Value> columnPairs(Value page, Value x, Value z, Bounds bounds);
  SmallVector<SmallVector<Value>> readTransposed(Value z, Bounds bounds);
  SmallVector<SmallVector<Value>> readRuns(ArrayRef<Distributor::OwnToken> tokens, ArrayRef<Value> columns, Value z, Bounds bounds);
  void multiply(SmallVector<Value> &sums, ArrayRef<SmallVector<Value>> pairs, int64_t step, ArrayRef<Value> rowWords);
  Value rowOfSum(size_t sum);
  Value isTainted(ArrayRef<Value> sums);
  SmallVector<Value> keepApart(SmallVector<Value> sums, function_ref<SmallVector<Value>(Bounds)> sumsOver);
  SmallVector<Value> rowByRow(ArrayRef<Value> starts, ArrayRef<Value> limits, SmallVector<Value> sums,
                              function_ref<SmallVector<Value>(Bounds)> sumsOver);
};

/// `pack` elements from z on, in the low bits of an i32.
Value MatrixProduct::loadWord(Value page, Value x, Value z) {
  Value index = overChannels ? b.element(region, block.head, x, z) : b.element(region, block.head, z, x);
  Value address = b.elementAddress(region, page, index);
  if (region.bits < 8 && load.getPack() == 1) { // a nibble by itself
    Value byte = arith::ExtUIOp::create(b, b.loc, b.getI32Type(), b.loadVector(b.getI8Type(), address));
    return b.andBits(arith::ShRUIOp::create(b, b.loc, byte, b.toI32(b.mul(b.rem(index, 2), 4))), 15);
  }
  Value word = b.loadVector(b.getIntegerType(load.getLaneBits()), address);
  return load.getLaneBits() == 32 ? word : arith::ExtUIOp::create(b, b.loc, b.getI32Type(), word).getResult();
}

/// Elements `element` and `element + 1` of the run as two halves; those outside the bounds are zero, or numbers whose row operands
/// are.
Value MatrixProduct::pair(ArrayRef<Value> words, int64_t element, Value z, Bounds bounds) {
  auto field = [&](int64_t e) { return Field{words[e / load.getPack()], load.getElementBits()[e % load.getPack()]}; };
  auto keep = [&](Value bits, int64_t which) -> Value {
    if (!bounds.end)
      return bits;
    Value own = b.add(z, element + which), there = b.isBetween(own, bounds.begin, bounds.end);
    Value none = b.i32(0);
    return arith::SelectOp::create(b, b.loc, there, bits, none);
  };
  return family.matrixOperand(b, codec, field(element), field(element + 1), keep);
}

/// The run from z on of column x, two elements in each i32.
SmallVector<Value> MatrixProduct::columnPairs(Value page, Value x, Value z, Bounds bounds) {
  SmallVector<Value> words, pairs;
  for (int64_t first = 0; first < run; first += load.getPack()) {
    Value at = b.add(z, first);
    // What lies past the page's slots, or past the contraction, must not be read outside.
    if (!overChannels && block.ragged)
      at = b.min(at, b.i64((block.map.slots - 1) / load.getPack() * load.getPack()));
    else if (overChannels && !whole)
      at = b.min(at, b.sub(bounds.end, b.i64(load.getPack())));
    words.push_back(loadWord(page, x, at));
  }
  for (int64_t element = 0; element < run; element += 2)
    pairs.push_back(pair(words, element, z, overChannels ? Bounds() : bounds));
  if (overChannels && !whole) { // a run lies inside or outside
    Value there = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::slt, z, bounds.end);
    for (Value &value : pairs)
      value = arith::SelectOp::create(b, b.loc, there, value, b.i32(0));
  }
  return pairs;
}

/// 16 elements from z on of every column: elements 2t, 2t + 1 and 2t + 8, 2t + 9 of its 16.
SmallVector<SmallVector<Value>> MatrixProduct::readTransposed(Value z, Bounds bounds) {
  Value row = b.KernelBuilder::add(z, b.laneOffset({0, 1, 2, 3})),
        second = b.laneOffset({-1, -1, -1, 4}); // of two tiles of columns
  SmallVector<Value> keep;                      // bits of the elements that are there
  for (int64_t pair = 0; pair < 2 && !overChannels; ++pair) {
    Value mask;
    for (int64_t half = 0; half < 2; ++half) {
      Value element = b.add(b.KernelBuilder::add(z, b.mul(thread, 2)), 8 * pair + half);
      Value there = b.isBetween(element, bounds.begin, bounds.end);
      Value own = b.i32(int32_t(0xffffu << 16 * half)), none = b.i32(0), bits = b.select(there, own, none);
      mask = mask ? arith::OrIOp::create(b, b.loc, mask, bits).getResult() : bits;
    }
    keep.push_back(mask);
  }
  SmallVector<SmallVector<Value>> pairs;
  for (int64_t tile = 0; tile < tiles; tile += 2) {
    Value x = b.add(d.scalar(op.getX()), 8 * tile);
    if (tile + 1 < tiles)
      x = b.KernelBuilder::add(x, second);
    Value index = overChannels ? b.element(region, block.head, x, row) : b.element(region, block.head, row, x);
    auto words = ReadTransposedOp::create(b, b.loc, b.elementAddress(region, block.pages[0], index)).getResults();
    for (int64_t i = 0; i < 2 && tile + i < tiles; ++i) {
      pairs.push_back({words[2 * i], words[2 * i + 1]});
      for (int64_t pair = 0; pair < 2 && !overChannels; ++pair)
        pairs.back()[pair] = arith::AndIOp::create(b, b.loc, pairs.back()[pair], keep[pair]);
    }
  }
  return pairs;
}

/// The thread's run of every column.
SmallVector<SmallVector<Value>> MatrixProduct::readRuns(ArrayRef<Distributor::OwnToken> tokens, ArrayRef<Value> columns, Value z,
                                                        Bounds bounds) {
  SmallVector<SmallVector<Value>> pairs;
  if (overChannels) {
    for (const Distributor::OwnToken &token : tokens)
      pairs.push_back(columnPairs(token.page, token.slot, z, bounds));
    return pairs;
  }
  Distributor::OwnToken own = d.ownToken(block, z);
  if (block.ragged) // a slot that is not the run's own says nothing of its length
    own.slot = block.list ? own.slot : b.KernelBuilder::add(block.firstSlot, z);
  for (Value x : columns) {
    auto inSlots = [&](Value bound) { return bound ? b.KernelBuilder::add(bound, b.sub(own.slot, z)) : bound; };
    Bounds ofSlots{inSlots(bounds.begin), inSlots(bounds.end)};
    pairs.push_back(columnPairs(own.page, x, own.slot, ofSlots));
  }
  return pairs;
}

/// One 16 of the contraction: pairs 2 * step and 2 * step + 1 of every 8 columns by the words of the rows, pair by pair.
void MatrixProduct::multiply(SmallVector<Value> &sums, ArrayRef<SmallVector<Value>> pairs, int64_t step, ArrayRef<Value> rowWords) {
  Dot dot = plainDot(op.getDot());
  // What an instruction adds to: a row of it is a row of the tile, its columns are neighbours, or the other way about.
  auto add = [&](ArrayRef<int64_t> at, ArrayRef<Value> tall, ArrayRef<Value> wide) {
    Value unused = b.f32(0);
    SmallVector<Value> operands;
    for (int64_t i : at)
      operands.push_back(i < 0 ? unused : sums[i]);
    llvm::append_range(operands, tall);
    llvm::append_range(operands, wide);
    SmallVector<Type> types(4, b.getF32Type());
    auto mma = MmaOp::create(b, b.loc, types, operands, b.getNamedAttr("dot", DotAttr::get(b.getContext(), dot)));
    for (auto [i, result] : llvm::zip_equal(at, mma.getResults()))
      if (i >= 0)
        sums[i] = result;
  };
  if (rows == 16) {
    for (int64_t tile = 0; tile < tiles; ++tile)
      add({2 * tile, 2 * tile + 1, 2 * tiles + 2 * tile, 2 * tiles + 2 * tile + 1}, rowWords,
          {pairs[tile][2 * step], pairs[tile][2 * step + 1]});
    return;
  }
  for (int64_t tile = 0; tile < tiles; tile += 2) {
    bool two = tile + 1 < tiles;
    Value none = two ? Value() : b.i32(0);
    auto pair = [&](int64_t i) { return two ? pairs[tile + 1][2 * step + i] : none; };
    add({tile, tiles + tile, two ? tile + 1 : -1, two ? tiles + tile + 1 : -1},
        {pairs[tile][2 * step], pair(0), pairs[tile][2 * step + 1], pair(1)}, rowWords);
  }
}

/// The tile's row that one of the thread's sums is of.
Value MatrixProduct::rowOfSum(size_t sum) {
  int64_t second = int64_t(sum) >= (rows == 16 ? 2 * tiles : tiles);
  return rows == 16 ? b.add(column, 8 * second) : b.add(b.mul(thread, 2), second);
}

/// Whether a thread of the team has a sum that is no finite number.
Value MatrixProduct::isTainted(ArrayRef<Value> sums) {
  Value check = b.f32(0);
  for (Value sum : sums)
    check = b.fma(sum, b.f32(0), check);
  Value isNumber = arith::CmpFOp::create(b, b.loc, arith::CmpFPredicate::OEQ, check, check);
  Value no = b.i32(0), yes = b.i32(1), tainted = b.select(isNumber, no, yes);
  for (int64_t distance = 1; distance < b.threads; distance *= 2)
    tainted = arith::OrIOp::create(b, b.loc, tainted, ExchangeOp::create(b, b.loc, tainted, distance));
  return arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::ne, tainted, b.i32(0));
}

/// What each row sees, summed by itself.
SmallVector<Value> MatrixProduct::rowByRow(ArrayRef<Value> starts, ArrayRef<Value> limits, SmallVector<Value> sums,
                                           function_ref<SmallVector<Value>(Bounds)> sumsOver) {
  Value first = b.i64(0), end = b.i64(rows);
  return b.loop(first, end, 1, sums, [&](Value chosen, ValueRange carried) {
    auto ofRow = [&](ArrayRef<Value> bounds) {
      Value bound = bounds.front();
      for (int64_t r = 1; r < rows; ++r) {
        Value reached = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sge, chosen, b.i64(r));
        bound = b.select(reached, bounds[size_t(r)], bound);
      }
      return bound;
    };
    Value start = ofRow(starts), limit = ofRow(limits);
    SmallVector<Value> result(carried), own = sumsOver({start, limit});
    for (auto [i, sum] : llvm::enumerate(result)) {
      Value row = rowOfSum(i), isOwn = b.isEqual(row, chosen);
      sum = b.select(isOwn, own[i], sum);
    }
    return result;
  });
}

/// An instruction's rows share its columns, of which a row with bounds of its own may not see all: its weight is 0, but 0 * NaN is
/// NaN. Where rows differ and a sum is no number, each end is summed to by itself, for the rows that have it.
SmallVector<Value> MatrixProduct::keepApart(SmallVector<Value> sums, function_ref<SmallVector<Value>(Bounds)> sumsOver) {
  SmallVector<Value> starts, limits;
  for (Value start : op.getStarts())
    starts.push_back(d.scalar(start));
  for (Value limit : op.getLimits())
    limits.push_back(d.scalar(limit));
  auto apart = [&] {
    return b.loop(limits.front(), b.add(limits.back(), 1), 1, sums, [&](Value end, ValueRange carried) {
      SmallVector<Value> result(carried), own = sumsOver({Value(), end});
      for (auto [i, sum] : llvm::enumerate(result)) {
        Value row = rowOfSum(i), limit = limits.front();
        for (int64_t r = 1; r < rows; ++r) {
          Value reached = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sge, row, b.i64(r));
          limit = arith::SelectOp::create(b, b.loc, reached, limits[r], limit);
        }
        Value isOwn = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::eq, limit, end);
        sum = arith::SelectOp::create(b, b.loc, isOwn, own[i], sum);
      }
      return result;
    });
  };
  Value differ = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::slt, limits.front(), limits.back());
  if (starts.empty())
    return b.onlyIf(differ, sums, [&] { return b.onlyIf(isTainted(sums), sums, apart); });
  Value startsDiffer = b.isLess(starts.front(), starts.back());
  differ = arith::OrIOp::create(b, b.loc, differ, startsDiffer);
  return b.onlyIf(differ, sums,
                  [&] { return b.onlyIf(isTainted(sums), sums, [&] { return rowByRow(starts, limits, sums, sumsOver); }); });
}

SmallVector<Value> MatrixProduct::build() {
  Value zBegin = d.scalar(op.getZBegin()), zEnd = d.scalar(op.getZEnd()), firstRow = d.scalar(op.getRow());
  SmallVector<Value> homes; // of the thread's rows
  for (int64_t row = 0; row < rows; row += 8)
    homes.push_back(d.rowAddress(op.getRows(), b.KernelBuilder::add(firstRow, b.add(column, row))));
  int64_t parts = rowParts(op.getDot());
  int64_t partBytes = cast<MemRefType>(op.getRows().getType()).getDimSize(1) * 4 / parts;
  SmallVector<Value> columns; // x of the thread's column in each tile
  SmallVector<Distributor::OwnToken> tokens;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    Value x = b.KernelBuilder::add(d.scalar(op.getX()), b.add(column, 8 * tile));
    columns.push_back(x);
    if (overChannels && !transposed)
      tokens.push_back(d.ownToken(block, x));
  }
  auto sumsOver = [&](Bounds bounds) {
    Value zEnd = bounds.end;
    return b.loop(zBegin, zEnd, chunk, d.tile(op.getInit()), [&](Value zChunk, ValueRange carried) {
      SmallVector<Value> sums(carried);
      Value z = b.KernelBuilder::add(zChunk, b.mul(thread, transposed ? 2 : run));
      SmallVector<SmallVector<Value>> pairs = transposed ? readTransposed(zChunk, bounds) : readRuns(tokens, columns, z, bounds);
      Value zRow = overChannels && !whole ? b.min(z, b.sub(zEnd, b.i64(run))) : z;
      int64_t apart = transposed ? 8 : 2; // elements from one pair to the next
      for (int64_t step = 0; step < run / 4; ++step)
        for (int64_t part = 0; part < parts; ++part) {
          SmallVector<Value> words;
          for (int64_t pair = 0; pair < 2; ++pair)
            for (Value home : homes)
              words.push_back(
                  b.load(b.getI32Type(), b.at(b.at(home, b.mul(b.add(zRow, 4 * step + apart * pair), 2)), part * partBytes)));
          multiply(sums, pairs, step, words);
        }
      return sums;
    });
  };
  SmallVector<Value> sums = sumsOver({op.getStarts().empty() ? Value() : d.scalar(op.getStarts().front()), zEnd});
  return op.getLimits().empty() ? sums : keepApart(sums, sumsOver);
}

} // namespace

SmallVector<Value> distributeMatrix(Distributor &d, ProductOp op) { return MatrixProduct(d, op).build(); }

} // namespace kv
