// The one table of errors that a kernel may have against the interpreter.
//
// Outputs: relative RMS error over the rows of one sequence in one step. lse: the greatest error of a row, relative to max(1,
// |lse|), since float32 has no finer steps than 4e-6 at 50. It may be five times the RMS error: where one key has all the weight,
// lse is that key's score, and the score of one key among thousands lies some deviations off. Both are measured on the decoded
// cache: a codec's own error is no part of them.
#ifndef KV_REFERENCE_TOLERANCE_H
#define KV_REFERENCE_TOLERANCE_H

#include "dialect/KvAttrs.h"

namespace kv {

/// What inputs look like. Peaky: logits with a standard deviation of 4, most queries with one to four channels 10 to 1000 times the
/// others. Outliers: some channels of keys are 10 times the others.
enum class InputKind { normal, outliers, peaky };

/// Promised by an accuracy class.
inline double accuracyBound(Accuracy accuracy, InputKind kind) {
  bool hard = kind != InputKind::normal;
  switch (accuracy) {
  case Accuracy::exact:
    return 1e-5;
  case Accuracy::high:
    return 1e-3;
  case Accuracy::fast:
    return hard ? 3e-2 : 1.5e-2;
  }
  return 0;
}

/// Added for rounding the output to its own type.
inline double roundingBound(Element output) {
  switch (output) {
  case Element::f16:
    return 5e-4;
  case Element::bf16:
    return 4e-3;
  default:
    return 0;
  }
}

/// Greatest error of a row's lse.
inline double lseBound(Accuracy accuracy, InputKind kind) { return 5 * accuracyBound(accuracy, kind); }

} // namespace kv

#endif
