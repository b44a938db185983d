// A partial result, as kv_abi.h lays it out: what a split leaves of an item's rows on one kv head, for merge to join.
#ifndef KV_PARTIAL_H
#define KV_PARTIAL_H

#include "dialect/KernelBuilder.h"

namespace kv {

/// Maxima of all rows, then their sums, then their accumulators of `channels` each, all f32, element by element from `first` on.
struct Partial {
  KernelBuilder &b;
  mlir::Value rows, first;
  int64_t channels;

  static int64_t bytesOfRow(int64_t channels) { return 4 * elementsOfRow(channels); }
  static mlir::Value elements(KernelBuilder &b, mlir::Value rows, int64_t channels) { return b.mul(rows, elementsOfRow(channels)); }

  mlir::Value maximum(mlir::Value row) { return b.add(first, row); }
  mlir::Value sum(mlir::Value row) { return b.add(b.add(first, rows), row); }
  mlir::Value accumulator(mlir::Value row, mlir::Value channel) {
    mlir::Value accumulators = b.mul(rows, 2), ofRow = b.mul(row, channels);
    return b.add(first, b.add(b.add(accumulators, ofRow), channel));
  }

private:
  static int64_t elementsOfRow(int64_t channels) { return channels + 2; }
};

} // namespace kv

#endif
