// kv.relayout: a tile by another map.
//
// Vectors are taken apart and put together again. A thread that has all that the result wants of it chooses by its number. Else
// the tile goes through scratch of its own:
//
//   home[row][column] = the source's parts          by one of the threads that hold the same
//   kv.barrier
//   the result's parts = home[row][column]
//
// kv-place-barriers puts a barrier before the first step where another op, or this one in the iteration before, may still read.
#include "compiler/distribute/Distributor.h"

using namespace mlir;

namespace kv {

/// Calls `body` with every element of a tile: its place in row-major order, its part and its lane of that.
static void eachElement(RankedTensorType type, function_ref<void(int64_t element, size_t part, int64_t lane)> body) {
  TileAttr placed = Distributor::encoding(type);
  int64_t columns = type.getRank() == 2 ? type.getDimSize(1) : 1, lanes = placed.getLanes();
  int64_t rowStep = placed.getDim() == 0 ? lanes : 1, columnStep = placed.getDim() == 1 ? lanes : 1;
  size_t part = 0;
  for (int64_t row = 0; row < type.getDimSize(0); row += rowStep)
    for (int64_t column = 0; column < columns; column += columnStep, ++part)
      for (int64_t lane = 0; lane < lanes; ++lane)
        body((row + (rowStep > 1 ? lane : 0)) * columns + column + (columnStep > 1 ? lane : 0), part, lane);
}

static SmallVector<Value> regroup(Distributor &d, RankedTensorType from, RankedTensorType to, ArrayRef<Value> parts) {
  TeamBuilder &b = d.b;
  SmallVector<Value> elements(size_t(from.getNumElements())), result(d.numParts(to));
  bool scalars = Distributor::encoding(from).getDim() < 0;
  eachElement(from, [&](int64_t element, size_t part, int64_t lane) {
    elements[size_t(element)] =
        scalars ? parts[part] : vector::ExtractOp::create(b, b.loc, parts[part], ArrayRef<int64_t>{lane}).getResult();
  });
  int64_t lanes = Distributor::encoding(to).getLanes();
  SmallVector<Value> own; // of the part at hand
  eachElement(to, [&](int64_t element, size_t part, int64_t lane) {
    own.push_back(elements[size_t(element)]);
    if (lane + 1 < lanes)
      return;
    auto vector = dyn_cast<VectorType>(d.partType(to));
    result[part] = vector ? vector::FromElementsOp::create(b, b.loc, vector, own).getResult() : own.front();
    own.clear();
  });
  return result;
}

/// Bit `position` of coordinate `dim` is bit `bit` of the thread's number in the one map, and in registers in the other.
struct ChosenBit {
  int64_t dim, position, bit;
};

/// The bits by which a thread chooses among its own elements, or none where others have what it wants.
static std::optional<SmallVector<ChosenBit>> chosenBits(const LaneMap &from, const LaneMap &to) {
  auto bitAt = [](ArrayRef<int64_t> bits, size_t position) { return position < bits.size() ? bits[position] : -1; };
  SmallVector<ChosenBit> chosen;
  for (int64_t dim = 0; dim < from.rank(); ++dim) {
    ArrayRef<int64_t> had = from.bits(dim), wanted = to.bits(dim);
    for (size_t position = 0, end = std::max(had.size(), wanted.size()); position < end; ++position) {
      int64_t before = bitAt(had, position), after = bitAt(wanted, position);
      if (before >= 0 && before != after)
        return std::nullopt;
      if (before != after)
        chosen.push_back({dim, int64_t(position), after});
    }
  }
  return chosen;
}

/// The part at `constants`, or at those plus the bits that the thread's number has.
static Value choose(TeamBuilder &b, const LaneMap &from, ArrayRef<Value> parts, SmallVector<int64_t> constants,
                    ArrayRef<ChosenBit> bits) {
  if (bits.empty()) {
    size_t part = from.partAt(constants);
    return part < parts.size() ? parts[part] : Value(); // past the tile's end, where no thread looks
  }
  ChosenBit first = bits.front();
  Value without = choose(b, from, parts, constants, bits.drop_front());
  constants[size_t(first.dim)] |= int64_t(1) << first.position;
  Value with = choose(b, from, parts, constants, bits.drop_front());
  if (!with)
    return without;
  Value own = b.andBits(b.lane(), int64_t(1) << first.bit), none = b.i64(0);
  return b.select(b.isEqual(own, none), without, with);
}

static SmallVector<Value> throughScratch(Distributor &d, RankedTensorType from, RankedTensorType to, ArrayRef<Value> parts) {
  TeamBuilder &b = d.b;
  int64_t bytes = TeamBuilder::elementBytes(from.getElementType()), columns = from.getRank() == 2 ? from.getDimSize(1) : 1;
  Value home = d.allocate(from.getNumElements() * bytes);
  auto addressOf = [&](const Distributor::Cell &cell) {
    Value ofRow = b.mul(cell.row, columns);
    return b.at(home, b.mul(b.KernelBuilder::add(ofRow, cell.column), bytes));
  };
  d.storeParts(from, parts, addressOf);
  BarrierOp::create(b, b.loc);
  SmallVector<Value> result;
  for (const Distributor::Cell &cell : d.cells(to))
    result.push_back(b.loadVector(d.partType(to), addressOf(cell)));
  return result;
}

static void distribute(Distributor &d, RelayoutOp op) {
  auto from = cast<RankedTensorType>(op.getSource().getType()), to = cast<RankedTensorType>(op.getTile().getType());
  SmallVector<Value> parts(d.tile(op.getSource())), result;
  if (isa<TileAttr>(from.getEncoding())) {
    result = regroup(d, from, to, parts);
  } else if (LaneMap had(from), wanted(to); std::optional<SmallVector<ChosenBit>> chosen = chosenBits(had, wanted)) {
    for (size_t part = 0; part < wanted.numParts(); ++part) {
      SmallVector<int64_t> constants;
      for (int64_t dim = 0; dim < wanted.rank(); ++dim)
        constants.push_back(wanted.constant(part, dim));
      result.push_back(choose(d.b, had, parts, constants, *chosen));
    }
  } else {
    result = throughScratch(d, from, to, parts);
  }
  d.tiles[op.getTile()] = result;
}

static TeamMemory memoryOf(RelayoutOp op) {
  auto from = cast<RankedTensorType>(op.getSource().getType()), to = cast<RankedTensorType>(op.getTile().getType());
  if (isa<TileAttr>(from.getEncoding()) || chosenBits(LaneMap(from), LaneMap(to)))
    return {};
  return {.reads = true, .writes = true, .waits = true};
}

void attachRelayoutModels(MLIRContext *context) { attachModel<RelayoutOp, distribute, memoryOf>(context); }

} // namespace kv
