// A score region as a program over columns of doubles: each op of the region once, on all keys of a row at a time.
//
// Floats are float64 whatever their type says; i32 wraps around; conditions are 0 and 1. A constant is the value that its type holds.
#ifndef KV_REFERENCE_SCORE_H
#define KV_REFERENCE_SCORE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include "mlir/IR/Region.h"

#include <functional>
#include <vector>

namespace kv {

class ScoreProgram {
public:
  /// Values of an array that the region captures from above; empty when there is none.
  using Arrays = llvm::function_ref<std::vector<double>(mlir::Value)>;

  /// Reads a score region of (s: f32, i: i32, j: i32, h: index), or a mask region of (i, j, h). An op that it does not know is an
  /// error.
  static llvm::Expected<ScoreProgram> build(mlir::Region &region, Arrays arrays);

  /// Replaces the scores of query head `head` at position `i` for keys 0, 1, ...; of a mask by 0 or 1.
  void run(int64_t head, int64_t i, llvm::MutableArrayRef<double> scores) const;

  /// One op on a column: out, up to three operands.
  using Kernel = std::function<void(double *out, const double *a, const double *b, const double *c, size_t count)>;

private:
  struct Step {
    Kernel kernel;
    int operands[3] = {0, 0, 0};
  };
  static constexpr int firstStep = 4; ///< columns 0 .. 3 are s, i, j, h; step n writes column firstStep + n

  std::vector<Step> steps;
  int result = 0;
};

} // namespace kv

#endif
