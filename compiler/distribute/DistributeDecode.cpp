// kv.decode and kv.multiply on vectors: codes that several row tiles multiply are decoded once, into scratch.
//
//   for z in steps of what a load has:  numbers[z][...] = decode(raw)                        kv.decode and kv.store
//   for each row tile:
//     for z:  operand[u] = numbers[z][u]
//       for each row r:  acc[r][u] = kv.dot acc[r][u], operand[u], broadcast rows[r][z]      kv.multiply
#include "compiler/distribute/CodeReader.h"

using namespace mlir;

namespace kv {
namespace {

struct Decoder : CodeReader {
  Decoder(Distributor &d, DecodeOp op)
      : CodeReader(d, op.getBlock(), {op.getStream(), op.getContract()}, cast<RankedTensorType>(op.getTile().getType()), Dot::f32),
        op(op) {}
  DecodeOp op;

  SmallVector<Value> build() {
    int64_t depth = wholeRows ? lanes * load.getPack() : load.getPack();
    assert(type.getDimSize(0) % depth == 0 && "a tile is whole loads");
    SmallVector<Value> parts(type.getNumElements() / lanes);
    for (int64_t z = 0; z < type.getDimSize(0); z += depth)
      decodeLoads(b.add(d.scalar(op.getZ()), z), MutableArrayRef(parts).slice(z * vectors, depth * vectors));
    return parts;
  }

private:
  /// The lanes of a load; where tokens are contracted they count from z on, else from the first channel.
  SmallVector<Lanes> place(const TokenPages &where, Value z) {
    if (!overChannels)
      return channelsAt(where, d.scalar(op.getX()), z);
    return tokensAt(where, d.scalar(op.getX()));
  }

  /// The elements of a load from z on, of all vectors.
  void decodeLoads(Value z, MutableArrayRef<Value> parts) {
    SmallVector<Lanes> here = place(block, z),
                       ahead = block.ahead && !block.tilesAhead ? place(*block.ahead, z) : SmallVector<Lanes>();
    Value own = overChannels ? z : b.i64(0);
    int64_t loads = wholeRows ? lanes : 1;
    for (int64_t u = 0; u < vectors; ++u) {
      SmallVector<Value> raw = wholeRows ? loadRows(here[u], own) : SmallVector<Value>{loadRaw(here[u], own)};
      if (!ahead.empty() && load.getKind() == LoadKind::vector && startsLine(0, u))
        b.prefetch(address(ahead[u], 0, own));
      for (int64_t k = 0; k < loads; ++k) {
        if (wholeRows && !ahead.empty()) // a lane's row in each
          b.prefetch(address(ahead[u], k, own));
        for (int64_t e = 0; e < load.getPack(); ++e)
          parts[(k * load.getPack() + e) * vectors + u] = decode(raw[k], e);
      }
    }
  }
};

} // namespace

static void distribute(Distributor &d, DecodeOp op) { d.tiles[op.getTile()] = Decoder(d, op).build(); }

static void distribute(Distributor &d, MultiplyOp op) {
  TeamBuilder &b = d.b;
  auto type = cast<RankedTensorType>(op.getTile().getType());
  int64_t lanes = d.encoding(type).getLanes(), rows = type.getDimSize(0), vectors = type.getDimSize(1) / lanes;
  int64_t numberBytes = cast<MemRefType>(op.getNumbers().getType()).getDimSize(1) * 4;
  const BlockPages &block = d.blocks.find(op.getBlock())->second;
  bool asks = !op.getAsk().empty() && block.tilesAhead;
  int64_t unroll = int64_t(op.getUnroll());
  SmallVector<Value> rowBases;
  for (int64_t r = 0; r < rows; ++r)
    rowBases.push_back(d.rowAddress(op.getRows(), b.add(d.scalar(op.getRow()), r)));
  Value numbers = d.rowAddress(op.getNumbers(), d.scalar(op.getFirst()));
  SmallVector<Value> starts, ends; // of rows, where they differ
  for (Value start : op.getStarts())
    starts.push_back(d.scalar(start));
  for (Value limit : op.getLimits())
    ends.push_back(d.scalar(limit));
  auto range = [&](Value begin, Value end, int64_t count, ArrayRef<Value> init, bool byStart, bool byEnd) {
    return b.loop(begin, end, count, init, [&](Value z, ValueRange carried) {
      SmallVector<Value> acc(carried), rowAddresses;
      Value line = b.at(numbers, b.mul(z, numberBytes));
      for (Value base : rowBases)
        rowAddresses.push_back(b.at(base, b.mul(z, 4)));
      SmallVector<Value> lines;
      if (asks && count == unroll) {
        Value iteration = b.div(b.sub(z, d.scalar(op.getZBegin())), unroll);
        lines = d.linesAhead(block, op.getAsk(), iteration, int64_t(op.getLines()));
      }
      size_t asked = 0;
      for (int64_t k = 0; k < count; ++k) {
        SmallVector<Value> operands;
        for (int64_t u = 0; u < vectors; ++u)
          operands.push_back(b.loadVector(d.partType(type), b.at(line, k * numberBytes + u * lanes * 4)));
        for (int64_t r = 0; r < rows; ++r) {
          for (size_t due = lines.size() * size_t(k * rows + r + 1) / size_t(count * rows); asked < due; ++asked)
            b.prefetch(lines[asked]);
          Value row = b.broadcast(b.load(b.getF32Type(), b.at(rowAddresses[r], k * 4)), lanes);
          Value keep; // bits of what the row has here
          if (byStart || byEnd) {
            Value seen = b.isBetween(z, byStart ? starts[r] : Value(), byEnd ? ends[r] : Value());
            keep = b.broadcast(arith::ExtSIOp::create(b, b.loc, b.getI32Type(), seen), lanes);
          }
          for (int64_t u = 0; u < vectors; ++u) {
            Value &sum = acc[r * vectors + u], operand = operands[u];
            if (keep)
              operand = b.bitcast(operand.getType(), arith::AndIOp::create(b, b.loc, b.bitcast(keep.getType(), operand), keep));
            sum = DotOp::create(b, b.loc, sum.getType(), sum, operand, row, Dot::f32);
          }
        }
      }
      return acc;
    });
  };
  Value begin = d.scalar(op.getZBegin()), end = d.scalar(op.getZEnd());
  auto wholeIterations = [&](Value to) { return b.KernelBuilder::add(begin, b.mul(b.div(b.sub(to, begin), unroll), unroll)); };
  SmallVector<Value> sums(d.tile(op.getInit()));
  if (!starts.empty()) { // what some rows do not see from their start on
    Value first = wholeIterations(starts.front()), common = b.min(end, wholeIterations(b.add(starts.back(), unroll - 1)));
    sums = range(first, common, 1, sums, true, !ends.empty());
    begin = common;
  }
  Value shared = ends.empty() ? end : ends.front(); // what all rows have
  Value middle = wholeIterations(starts.empty() ? shared : b.max(begin, shared));
  d.tiles[op.getTile()] = range(middle, end, 1, range(begin, middle, unroll, sums, false, false), false, !ends.empty());
}

void attachDecodeModels(MLIRContext *context) {
  attachModel<DecodeOp, distribute>(context);
  attachModel<MultiplyOp, distribute, readsTeam>(context);
}

} // namespace kv
