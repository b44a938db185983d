// Which dot record multiplies a stream of a cache: what the target has, the accuracy class allows and the order of the codes fits.
#ifndef KV_CHOOSE_DOT_H
#define KV_CHOOSE_DOT_H

#include "compiler/schedule/Capabilities.h"
#include "dialect/KvTypes.h"

namespace kv {

/// Whether a target runs a record as an instruction on matrix tiles of a team of threads: all records there of less than f32.
inline bool isMatrixDot(const Capabilities &target, Dot dot) { return target.threads && roundsRows(dot); }

/// Tokens that four threads read in turn: a block of matrix tiles is whole such runs.
inline constexpr int64_t tokensOfRuns = 32;

/// What an attend promises, and the types it promises it for.
struct Precision {
  Accuracy accuracy = Accuracy::exact;
  mlir::Type query, output;
};

class DotChooser {
public:
  /// `lanes`: of the team, along x. `rows`: (query, head) pairs that share what is read.
  DotChooser(const Capabilities &target, CacheType cache, const Precision &precision, int64_t lanes, int64_t rows)
      : target(target), cache(cache), precision(precision), lanes(lanes), rows(rows) {}

  /// The first of the target's records, best first, that does.
  Dot fastest(Stream stream) const;
  /// The same of those that a schedule names, or f32; and whether the class allows any of them.
  Dot namedFor(Stream stream, llvm::ArrayRef<Dot> named) const;
  bool allowsAny(llvm::ArrayRef<Dot> named) const;

private:
  const Capabilities &target;
  CacheType cache;
  Precision precision;
  int64_t lanes, rows;

  bool permits(Stream stream, Dot dot) const;
  Precision asUnderHigh() const { return {Accuracy::high, precision.query, precision.output}; }
  bool fitsMatrix(Stream stream, Dot dot) const;
  bool fits(Stream stream, Dot dot) const;
};

} // namespace kv

#endif
