// kv.product on vectors: a loop over the contraction that loads codes, decodes them to operands of the dot record and multiplies
// them by broadcast row operands.
//
//   for z in steps of pack * unroll:
//     raw[u]  = lanes of x, pack elements of z each            (#kv.load)
//     for each element e of pack:  operand[u] = decode(raw[u], e)          (f32), or
//     for each depth of pack:      operand[u] = some of raw[u]'s bits      (integer records)
//       for each row r:  acc[r][u] = kv.dot acc[r][u], operand[u], broadcast rows[r][z + e]
//
// A paired record takes two operands at a time, zipped word by word, and two rows: its sums are 2 x 2 in every four lanes until the
// loop is over.
//
// Tokens past zEnd that share a load with tokens before it are replaced by zeros: they may hold anything.
#include "compiler/distribute/CodeReader.h"

using namespace mlir;

namespace kv {
namespace {

class Product : CodeReader {
public:
  Product(Distributor &d, ProductOp op)
      : CodeReader(d, op.getBlock(), {op.getStream(), op.getContract()}, cast<RankedTensorType>(op.getTile().getType()),
                   op.getDot()),
        op(op), record(isTwoBytes(op.getDot()) ? plainDot(op.getDot()) : op.getDot()), plain(plainDot(op.getDot())),
        rows(type.getDimSize(0)), runLength(cache.getRun(op.getStream())),
        unroll(loadsOfIteration(cache, stream, load, lanes, op.getDot(), op.getUnroll())), paired(isPaired(op.getDot())) {}

  SmallVector<Value> build();

private:
  void run(SmallVector<Value> &acc);
  void addRest(SmallVector<Value> &acc);
  ProductOp op;
  Dot record; ///< of one part of the rows
  Dot plain;  ///< the same for one row at a time
  int64_t part = 0;
  int64_t rows, runLength;
  int64_t unroll;                        ///< loads of an iteration
  bool prefetches = false, asks = false; ///< asks: for lines of the block ahead that it was told; else for what is where it reads
  SmallVector<Value> rowBases;
  bool ofRest = false; ///< what is multiplied is what rounding has left of the rows
  bool paired;         ///< two rows and two operands at a time
  /// Where each row's elements of the contraction begin and end: one number for all rows, or one for each row. An empty list stands
  /// for the contraction's own begin or end.
  struct Bounds {
    SmallVector<Value> starts, ends;
    bool any() const { return !starts.empty() || !ends.empty(); }
    size_t count() const { return std::max({starts.size(), ends.size(), size_t(1)}); }
    static Value of(ArrayRef<Value> bounds, size_t row) { return bounds.empty() ? Value() : bounds[bounds.size() == 1 ? 0 : row]; }
  };

  Value keepIf(Value condition, Value operand);
  /// Lines of the block ahead that an iteration asks for, evenly: a burst stalls the loads behind it. A few come one by one after
  /// loads; as many as one for two loads, or more, between the rows of products.
  struct Lines {
    SmallVector<Value> ahead;
    bool afterLoads = false;
    int64_t done = 0, total = 1; ///< loads, or rows of steps
    int64_t asked = 0;
  };
  Lines lines;
  void askForLines(int64_t done);
  void multiply(SmallVector<Value> &acc, function_ref<SmallVector<Value>(int64_t row)> operandsOf, ArrayRef<Value> rowAddresses,
                int64_t offset);
  Value pairOfRows(ArrayRef<Value> rowAddresses, int64_t row, int64_t offset, bool second);
  void multiplyPairs(SmallVector<Value> &acc, ArrayRef<Value> first, ArrayRef<Value> second, ArrayRef<Value> rowAddresses,
                     int64_t offset);
  void pairSums(SmallVector<Value> &acc, bool back = false);
  /// Lanes of this block and of the one to prefetch (maybe none).
  struct Source {
    SmallVector<Lanes> here, ahead;
  };
  /// Steps of the record that a load feeds, and bytes of a row's operands in each.
  int64_t wordsOfLoad() { return op.getDot() == Dot::f16 ? load.getPack() : load.getPack() / dotDepth(op.getDot()); }
  int64_t wordBytes() { return op.getDot() == Dot::f16 ? 2 : 4; }
  void step(SmallVector<Value> &acc, const Source &source, Value z, Value zRow, int64_t count, const Bounds &bounds);
  void range(SmallVector<Value> &acc, const Source &source, Value begin, Value end, Value rowShift);
  Value shifted(Value z, Value by) { return by ? b.KernelBuilder::add(z, by) : z; }
};

/// Lanes of f32, or zeros. On their bits: of a condition that all lanes share some targets make a mask in memory.
Value Product::keepIf(Value condition, Value operand) {
  Value mask = b.broadcast(arith::ExtSIOp::create(b, b.loc, b.getI32Type(), condition), lanes);
  return b.bitcast(operand.getType(), arith::AndIOp::create(b, b.loc, b.bitcast(mask.getType(), operand), mask));
}

/// `count` loads from z on; with bounds, elements outside the row's own are zero.
void Product::step(SmallVector<Value> &acc, const Source &source, Value z, Value zRow, int64_t count, const Bounds &bounds) {
  lines = {};
  for (int64_t k = 0; k < count && part == 0 && prefetches && (wholeRows || !asks); ++k)
    for (int64_t u = 0; u < int64_t(source.here.size()); ++u) {
      if (!startsLine(k, u))
        continue;
      if (wholeRows) // as many lanes as loads
        lines.ahead.push_back(address(source.ahead[u], k, z));
      else
        lines.ahead.push_back(address(source.ahead[u], 0, b.add(z, k * load.getPack())));
    }
  if (asks && count == unroll) {
    Value walked =
        b.add(overChannels ? b.sub(zRow, d.scalar(op.getZBegin())) : zRow, part * (overChannels ? runLength : block.tokens));
    Value iteration = b.div(walked, unroll * load.getPack());
    llvm::append_range(lines.ahead, d.linesAhead(block, op.getAsk(), iteration, int64_t(op.getLines())));
  }
  int64_t loads = count * vectors;
  lines.afterLoads = 2 * int64_t(lines.ahead.size()) <= loads;
  lines.total = lines.afterLoads ? loads : count * wordsOfLoad() * rows;
  SmallVector<Value> rowAddresses;
  SmallVector<Value> waiting; // the first operand of a pair
  for (Value base : rowBases)
    rowAddresses.push_back(b.at(base, b.mul(zRow, 4 / dotDepth(op.getDot()))));
  SmallVector<Value> rowsOfLanes;
  if (wholeRows)
    rowsOfLanes = loadRows(source.here[0], z);
  for (int64_t k = 0; k < count; ++k) {
    Value at = b.add(z, k * load.getPack());
    SmallVector<Value> raw;
    for (const Lanes &lanesAt : source.here) {
      raw.push_back(wholeRows ? rowsOfLanes[k] : loadRaw(lanesAt, at));
      if (lines.afterLoads)
        askForLines(1);
    }
    // What `make` makes of the operands by a row's bounds, by those of all rows once.
    auto ofRow = [&](function_ref<SmallVector<Value>(Value start, Value end)> make) {
      SmallVector<SmallVector<Value>> made;
      for (size_t row = 0; row < bounds.count(); ++row) {
        Value start = Bounds::of(bounds.starts, row), end = Bounds::of(bounds.ends, row);
        made.push_back(make(start, end));
      }
      return [made](int64_t row) { return made[made.size() == 1 ? 0 : size_t(row)]; };
    };
    if (roundsRows(op.getDot())) {
      int64_t steps = wordsOfLoad();
      for (int64_t s = 0; s < steps; ++s) {
        auto operands = ofRow([&](Value start, Value end) {
          SmallVector<Value> kept(raw);
          for (Value &word : kept) {
            if (bounds.any())
              word = keepBetween(word, at, start, end);
            word = family.vectorOperand(b, codec, word, op.getDot(), s);
          }
          return kept;
        });
        int64_t offset = (k * steps + s) * wordBytes();
        if (!paired) {
          multiply(acc, operands, rowAddresses, offset);
        } else if (!waiting.empty()) {
          multiplyPairs(acc, waiting, operands(0), rowAddresses, offset - wordBytes());
          waiting.clear();
        } else {
          waiting = operands(0);
        }
      }
      if (!waiting.empty() && k + 1 == count)
        multiplyPairs(acc, waiting, {}, rowAddresses, k * wordBytes());
      continue;
    }
    for (int64_t e = 0; e < load.getPack(); ++e) {
      SmallVector<Value> decoded;
      for (Value word : raw)
        decoded.push_back(decode(word, e));
      auto operands = ofRow([&](Value start, Value end) {
        SmallVector<Value> kept(decoded);
        if (bounds.any())
          for (Value &operand : kept)
            operand = keepIf(b.isBetween(b.add(at, e), start, end), operand);
        return kept;
      });
      multiply(acc, operands, rowAddresses, (k * load.getPack() + e) * 4);
    }
  }
}

void Product::askForLines(int64_t done) {
  lines.done = std::min(lines.done + done, lines.total);
  for (int64_t due = llvm::divideCeil(int64_t(lines.ahead.size()) * lines.done, lines.total); lines.asked < due; ++lines.asked)
    b.prefetch(lines.ahead[lines.asked]);
}

/// One step of the record: the operands by the word at `offset` of every row.
void Product::multiply(SmallVector<Value> &acc, function_ref<SmallVector<Value>(int64_t row)> operandsOf,
                       ArrayRef<Value> rowAddresses, int64_t offset) {
  Type word = op.getDot() == Dot::f32 ? Type(b.getF32Type()) : b.getIntegerType(unsigned(8 * wordBytes()));
  for (int64_t r = 0; r < rows; ++r) {
    if (!lines.afterLoads)
      askForLines(1);
    Value row = b.broadcast(b.load(word, b.at(rowAddresses[r], offset)), lanes);
    SmallVector<Value> operands = operandsOf(r);
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
    Value first = words(row), next = words(row + 1);
    return vector::ShuffleOp::create(b, b.loc, first, next, repeated);
  }
  auto word = [&](int64_t r) { return b.load(b.getI32Type(), b.at(rowAddresses[r], offset)); };
  Value none = b.i32(0), four = vector::FromElementsOp::create(b, b.loc, VectorType::get({4}, b.getI32Type()),
                                                               ValueRange{word(row), none, word(row + 1), none});
  return vector::ShuffleOp::create(b, b.loc, four, four, repeated);
}

/// Rows r and r + 1 of a column: of its lower half of lanes the sums 2 x 2, and of the upper; or back.
void Product::pairSums(SmallVector<Value> &acc, bool back) {
  auto join = [&](Value x, Value y, bool second) { return back ? b.separate(x, y, second) : b.interleave(x, y, 2, second); };
  for (int64_t r = 0; r < rows; r += 2)
    for (int64_t u = 0; u < vectors; ++u) {
      Value &x = acc[r * vectors + u], &y = acc[(r + 1) * vectors + u], first = join(x, y, false);
      y = join(x, y, true);
      x = first;
    }
}

/// Two steps of a paired record's words: `second` follows `first` in the contraction, or there is none.
void Product::multiplyPairs(SmallVector<Value> &acc, ArrayRef<Value> first, ArrayRef<Value> second, ArrayRef<Value> rowAddresses,
                            int64_t offset) {
  SmallVector<Value> columns[2];
  for (int64_t u = 0; u < vectors; ++u)
    for (bool high : {false, true})
      columns[high].push_back(b.interleave(first[u], second.empty() ? first[u] : second[u], 1, high));
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
  int64_t chunk = load.getPack() * unroll;
  auto loop = [&](Value from, Value to, int64_t count, const Bounds &bounds) {
    acc = b.loop(from, to, count * load.getPack(), acc, [&](Value z, ValueRange carried) {
      SmallVector<Value> sums(carried);
      step(sums, source, z, shifted(z, rowShift), count, bounds);
      return sums;
    });
  };
  // Two rows share an operand of a paired record: what differs goes row by row, where there is any.
  auto loopApart = [&](Value from, Value to, const Bounds &bounds) {
    if (!paired)
      return loop(from, to, 1, bounds);
    Value differs =
        arith::ExtUIOp::create(b, b.loc, b.getI64Type(), arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::slt, from, to));
    acc = b.loop(b.i64(0), differs, 1, acc, [&](Value, ValueRange carried) {
      acc.assign(carried.begin(), carried.end());
      pairSums(acc, /*back=*/true);
      paired = false;
      std::swap(record, plain);
      loop(from, to, 1, bounds);
      std::swap(record, plain);
      paired = true;
      pairSums(acc);
      return acc;
    });
  };
  // Codes past the end are numbers, and their row operands are 0: whole chunks, as far as block and page hold them, need no care.
  int64_t padded = block.map.tile ? block.map.paddedSlots() : llvm::divideCeil(block.map.slots, load.getPack()) * load.getPack();
  if (overChannels || (codec.isInteger() && tileRun % chunk == 0 && padded % chunk == 0))
    return loop(begin, end, unroll, {});
  auto wholeChunks = [&](Value to) { return b.KernelBuilder::add(begin, b.mul(b.div(b.sub(to, begin), chunk), chunk)); };
  auto inside = [&](Value bound) { return b.max(begin, b.min(bound, end)); };
  auto ownOf = [&](ValueRange bounds) {
    SmallVector<Value> own;
    for (Value bound : llvm::all_equal(bounds) ? bounds.take_front() : bounds) {
      Value z = d.scalar(bound);
      own.push_back(rowShift ? b.sub(z, rowShift) : z);
    }
    return own;
  };
  Bounds own{ownOf(op.getStarts()), ownOf(op.getLimits())};
  if (!own.starts.empty()) { // chunks that some rows do not see from their start on; those that none sees are left out
    Value first = wholeChunks(inside(own.starts.front()));
    Value common = b.min(end, wholeChunks(b.add(inside(own.starts.back()), chunk - 1)));
    loopApart(first, common, own.ends.empty() ? Bounds{own.starts, {end}} : own);
    begin = common;
  }
  if (own.ends.empty()) {
    Value middle = wholeChunks(end);
    loop(begin, middle, unroll, {});
    if (chunk > 1)
      loop(middle, end, 1, load.getPack() > 1 && !codec.isInteger() ? Bounds{{}, {end}} : Bounds());
    return;
  }
  Value middle = wholeChunks(inside(own.ends.front())); // what all rows see
  loop(begin, middle, unroll, {});
  loopApart(middle, end, {{}, own.ends});
}

/// acc + what rounding has left of the rows, where any has outliers.
void Product::addRest(SmallVector<Value> &acc) {
  acc = b.onlyIf(d.scalar(op.getRefined()), acc, [&] {
    SmallVector<Value> sums(acc.size(), b.like(0, acc.front().getType()));
    ofRest = true;
    run(sums);
    ofRest = false;
    for (auto [sum, before] : llvm::zip_equal(sums, acc))
      sum = b.KernelBuilder::add(b.shrS(sum, llvm::Log2_64(uint64_t(restUnits))), before);
    return sums;
  });
}

SmallVector<Value> Product::build() {
  SmallVector<Value> acc(d.tile(op.getInit()));
  if (op.getRest() && !paired)
    addRest(acc);
  if (isTwoBytes(op.getDot())) { // sums of the high bytes first
    SmallVector<Value> sums(acc.size(), b.like(0, acc.front().getType()));
    run(sums);
    for (auto [sum, init] : llvm::zip_equal(sums, acc))
      init = b.KernelBuilder::add(b.shl(sum, 8), init);
    ++part;
  }
  if (paired)
    pairSums(acc);
  if (op.getRest() && paired)
    addRest(acc);
  run(acc);
  if (paired)
    pairSums(acc, /*back=*/true);
  return acc;
}

void Product::run(SmallVector<Value> &acc) {
  Value zBegin = d.scalar(op.getZBegin()), zEnd = d.scalar(op.getZEnd());
  Value home = ofRest ? op.getRest() : op.getRows();
  int64_t partBytes = ofRest ? 0 : cast<MemRefType>(home.getType()).getDimSize(1) * 4 / rowParts(op.getDot());
  rowBases.clear();
  b.aheadOfBarrier([&] {
    for (int64_t r = 0; r < rows; ++r)
      rowBases.push_back(b.at(d.rowAddress(home, b.add(d.scalar(op.getRow()), r)), part * partBytes));
  });
  asks = !op.getAsk().empty() && block.tilesAhead && !ofRest;
  // One lane of a scattered load stands for the others: they lie in lines of their own.
  prefetches = block.ahead && !b.threads && !ofRest && (load.getKind() <= LoadKind::halves || wholeRows);
  if (overChannels) {
    Value token = d.scalar(op.getX());
    Source all{tokensAt(block, token), prefetches && !asks ? tokensAt(*block.ahead, token) : SmallVector<Lanes>()};
    if (!wholeRows)
      return range(acc, all, zBegin, zEnd, Value());
    // A vector of tokens at a time: its words of an iteration fill the registers.
    int64_t count = std::exchange(vectors, 1);
    for (int64_t u = 0; u < count; ++u) {
      SmallVector<Value> sums;
      for (int64_t r = 0; r < rows; ++r)
        sums.push_back(acc[r * count + u]);
      range(sums, {{all.here[u]}, prefetches && !asks ? SmallVector<Lanes>{all.ahead[u]} : SmallVector<Lanes>()}, zBegin, zEnd,
            Value());
      for (int64_t r = 0; r < rows; ++r)
        acc[r * count + u] = sums[r];
    }
    vectors = count;
    return;
  }
  // A run of the block from `first` on: where it is, of this block and of the one ahead.
  auto sourceAt = [&](Value first) {
    Value x = d.scalar(op.getX());
    return Source{channelsAt(block, x, first), prefetches && !asks ? channelsAt(*block.ahead, x, first) : SmallVector<Lanes>()};
  };
  if (!block.list && tileRun == block.tokensPerPage())
    return range(acc, sourceAt(Value()), zBegin, zEnd, Value());
  acc = b.loop(zBegin, zEnd, tileRun, acc, [&](Value first, ValueRange carried) {
    SmallVector<Value> sums(carried);
    Source source = sourceAt(first);
    Value begin = b.i64(0), whole = b.i64(tileRun), left = b.sub(zEnd, first);
    range(sums, source, begin, b.min(whole, left), first);
    return sums;
  });
}

} // namespace

static void distribute(Distributor &d, ProductOp op) {
  bool byMatrix = d.b.threads && roundsRows(op.getDot());
  d.tiles[op.getTile()] = byMatrix ? distributeMatrix(d, op) : Product(d, op).build();
}

void attachProductModels(MLIRContext *context) { attachModel<ProductOp, distribute, readsTeam>(context); }

} // namespace kv
