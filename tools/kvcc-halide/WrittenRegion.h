// A region of a page as memory that a token is written to.
#ifndef KVCC_HALIDE_WRITTEN_REGION_H
#define KVCC_HALIDE_WRITTEN_REGION_H

#include "compiler/halide/Plan.h"

#include <Halide.h>

namespace kv::halide {

/// Every digit of the order is a dimension, the fastest first; of 4-bit elements two share a byte, and the fastest digit counts
/// bytes.
class WrittenRegion {
public:
  WrittenRegion(const std::string &name, const Region &region, Halide::Expr head, Halide::Expr slot);
  /// An output that writes `count` channels, or groups of them, from `bits`.
  Halide::Func store(const Halide::Func &bits, int64_t count, int64_t lanes);

private:
  const Region &region;
  const Halide::Expr head, slot;
  Halide::Func memory;

  bool sharesBytes() const { return region.bits < 8; }
  std::vector<size_t> axesOfChannels() const; ///< fastest first
};

} // namespace kv::halide

#endif
