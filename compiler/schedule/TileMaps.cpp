#include "compiler/schedule/TileMaps.h"

#include <numeric>

using namespace mlir;

namespace kv {

static MapAttr mapOf(RankedTensorType type, ArrayRef<ArrayRef<int64_t>> bits) {
  SmallVector<DenseI64ArrayAttr> dims;
  for (ArrayRef<int64_t> dim : bits)
    dims.push_back(DenseI64ArrayAttr::get(type.getContext(), dim));
  return MapAttr::get(type.getContext(), dims);
}

Attribute TileMaps::alongLanes(RankedTensorType type) const {
  int64_t columns = std::gcd(lanes, type.getShape().back());
  if (!threads)
    return TileAttr::get(type.getContext(), columns, type.getRank() - 1);
  SmallVector<int64_t> along;
  for (int64_t bit = 0; int64_t(1) << bit < columns; ++bit)
    along.push_back(bit);
  return type.getRank() == 2 ? mapOf(type, {{}, along}) : mapOf(type, {along});
}

Attribute TileMaps::ofRows(RankedTensorType type) const {
  if (threads)
    return mapOf(type, {{}});
  int64_t rows = type.getDimSize(0);
  return TileAttr::get(type.getContext(), rows, rows == 1 ? -1 : 0);
}

/// The sums of a matrix instruction are 16 x 8: rows x columns of the product, or columns x rows where a row tile has 8 rows.
Attribute TileMaps::ofSums(RankedTensorType type, Dot dot) const {
  if (!threads || !roundsRows(dot))
    return alongLanes(type);
  static constexpr int64_t of16[] = {2, 3, 4}, of8[] = {-1, 0, 1};
  return type.getDimSize(0) == 16 ? mapOf(type, {of16, of8}) : mapOf(type, {of8, of16});
}

Attribute TileMaps::ofLine(RankedTensorType tile, Attribute map, int64_t dim) const {
  if (threads)
    return mapOf(tile, {cast<MapAttr>(map).getDims()[size_t(dim)].asArrayRef()});
  if (dim == 1)
    return TileAttr::get(tile.getContext(), cast<TileAttr>(map).getLanes(), 0);
  return ofRows(RankedTensorType::get({tile.getDimSize(0)}, tile.getElementType()));
}

} // namespace kv
