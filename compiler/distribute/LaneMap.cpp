#include "compiler/distribute/LaneMap.h"

using namespace mlir;

namespace kv {

LaneMap::LaneMap(RankedTensorType type) {
  parts.push_back({});
  for (auto [extent, bits] : llvm::zip_equal(type.getShape(), cast<MapAttr>(type.getEncoding()).getDims())) {
    dims.push_back(SmallVector<int64_t>(bits.asArrayRef()));
    int64_t inThreads = 0; // bits of the coordinate
    for (auto [position, bit] : llvm::enumerate(dims.back()))
      inThreads |= int64_t(bit >= 0) << position;
    SmallVector<SmallVector<int64_t>> longer;
    for (const SmallVector<int64_t> &part : parts)
      for (int64_t coordinate = 0; coordinate < extent; ++coordinate)
        if (!(coordinate & inThreads)) {
          longer.push_back(part);
          longer.back().push_back(coordinate);
        }
    parts = std::move(longer);
  }
}

size_t LaneMap::partAt(ArrayRef<int64_t> constants) const {
  return size_t(llvm::find_if(parts, [&](const auto &part) { return ArrayRef(part) == constants; }) - parts.begin());
}

int64_t LaneMap::inRegisters(int64_t dim) const {
  int64_t bits = 0;
  for (auto [position, bit] : llvm::enumerate(dims[dim]))
    bits |= int64_t(bit < 0) << position;
  return bits;
}

int64_t LaneMap::idleBits(int64_t threads) const {
  int64_t idle = threads - 1;
  for (const SmallVector<int64_t> &bits : dims)
    for (int64_t bit : bits)
      if (bit >= 0)
        idle &= ~(int64_t(1) << bit);
  return idle;
}

} // namespace kv
