// What values of level 1 are while a kernel runs.
#ifndef KV_INTERPRET_VALUES_H
#define KV_INTERPRET_VALUES_H

#include "dialect/KvTypes.h"
#include "llvm/ADT/SmallVector.h"

#include <string>
#include <variant>
#include <vector>

namespace kv::tiles {

/// A scalar, of no dimensions, or a tile: row after row, f32 or integers. Integers have the sign of their type's highest bit; i1 is
/// 0 or 1.
struct Data {
  llvm::SmallVector<int64_t, 2> shape;
  bool isFloat = false;
  llvm::SmallVector<float, 1> floats;
  llvm::SmallVector<int64_t, 1> integers;

  static Data ofFloats(llvm::ArrayRef<int64_t> shape) { return make(shape, true); }
  static Data ofIntegers(llvm::ArrayRef<int64_t> shape) { return make(shape, false); }
  static Data ofFloat(float value) {
    Data data = ofFloats({});
    data.floats[0] = value;
    return data;
  }
  static Data ofInteger(int64_t value) {
    Data data = ofIntegers({});
    data.integers[0] = value;
    return data;
  }
  size_t count() const { return isFloat ? floats.size() : integers.size(); }
  /// A tile of one column has no second dimension.
  int64_t rows() const { return shape.empty() ? 1 : shape[0]; }
  int64_t columns() const { return shape.size() < 2 ? 1 : shape[1]; }
  /// Element `to` becomes element `from` of another of the same type.
  void copy(size_t to, const Data &other, size_t from) {
    if (isFloat)
      floats[to] = other.floats[from];
    else
      integers[to] = other.integers[from];
  }

private:
  static Data make(llvm::ArrayRef<int64_t> shape, bool isFloat) {
    Data data;
    data.shape.assign(shape.begin(), shape.end());
    data.isFloat = isFloat;
    size_t count = 1;
    for (int64_t extent : shape)
      count *= size_t(extent);
    if (isFloat)
      data.floats.resize(count);
    else
      data.integers.resize(count);
    return data;
  }
};

/// An address of the host.
using Address = uint8_t *;

/// A block of tokens: where its pages are. `table` names the page of every entry of the sequence.
struct BlockData {
  CacheType cache;
  int64_t count = 0; ///< tokens that are there
  Address pages = nullptr;
  int64_t stride = 0;
  const int32_t *table = nullptr;
  int64_t head = 0, token = 0; ///< token: index of the first in the sequence
};

/// Row operands as kv.pack leaves them, by their number in the contraction: no order of lanes, for kv.product reads them here.
struct Operands {
  Dot dot = Dot::f32;
  int64_t columns = 0;
  std::vector<float> values;
  std::vector<bool> known;
};

/// A slot of a ring of staged blocks.
struct StagedBlock {
  std::vector<uint8_t> page;
  CacheType cache;              ///< of this page
  int64_t count = 0, group = 0; ///< group: of copies, from 1
};

/// Scratch. What nothing has written is not known.
struct HomeData {
  std::string name;
  Data cells;
  std::vector<bool> known;
  Operands operands;
  std::vector<StagedBlock> ring;
};

using Datum = std::variant<std::monostate, Data, Address, HomeData *, BlockData>;

} // namespace kv::tiles

#endif
