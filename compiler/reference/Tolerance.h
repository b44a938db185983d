// The one table of errors that a kernel may have against the interpreter.
//
// Outputs: the RMS error of a row (one query, one query head) relative to the row's size, which is its RMS or, where values cancel,
// its spread (Attention.h): independent errors of probabilities and values are proportional to that. Over many rows it is within the
// bound of the class; of a single row the error is a sum of a few random numbers, and may be four times that. Errors of scores are
// proportional to a row's reach (Attention.h), 1 for normal inputs: where channels are outliers or logits peak, a row varies by as
// many times more as what its reach makes of the class's number exceeds the bound, its weight.
//
// lse: the absolute error of each row. It is a mean of errors of scores, which rounding relative to norms makes proportional to the
// row's reach (Attention.h), 1 for normal inputs. Three times the bound, a hundredth of it for the exponential, and some of float32's
// own steps; where all keys score alike nothing is rounded but the sum's logarithm, which then tells one token of 32768.
//
// All is measured on the decoded cache: a codec's own error is no part of it.
#ifndef KV_REFERENCE_TOLERANCE_H
#define KV_REFERENCE_TOLERANCE_H

#include "dialect/KvAttrs.h"

#include <cmath>

namespace kv {

/// What inputs look like. Peaky: logits with a standard deviation of 4, most queries with one to four channels 10 to 1000 times the
/// others. Outliers: some channels of keys are 10 times the others. Needles: a few keys share the probability, by products that no
/// rounding touches.
enum class InputKind { normal, outliers, peaky, needles };

/// Whether scores of some rows, and their errors with them, are far greater than those of others.
inline bool isHard(InputKind kind) { return kind == InputKind::outliers || kind == InputKind::peaky; }

/// Promised by an accuracy class.
inline double accuracyBound(Accuracy accuracy, InputKind kind) {
  switch (accuracy) {
  case Accuracy::exact:
    return 1e-5;
  case Accuracy::high:
    return 1e-3;
  case Accuracy::fast:
    return isHard(kind) ? 3e-2 : 1.5e-2;
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

/// How much more than others a row of this reach varies, of whose denominator a sink has this share.
inline double rowWeight(Accuracy accuracy, InputKind kind, double reach, double sinkShare) {
  const double usual = accuracyBound(accuracy, kind) / accuracyBound(accuracy, InputKind::normal);
  return (isHard(kind) && reach > usual ? reach / usual : 1) + sinkShare * reach;
}

/// Greatest relative RMS error over so many rows, of which `weight` is the RMS of the weights.
inline double rowsBound(Accuracy accuracy, InputKind kind, double rows, double weight) {
  return accuracyBound(accuracy, kind) * (1 + 3 * weight / std::sqrt(rows));
}

/// The least size that errors of an output are relative to: what its type, and float32 before it, hold of smaller numbers are a few
/// multiples of their least one, or zeros.
inline double leastSize(Element output) { return output == Element::f16 ? 0x1p-14 : 0x1p-126; }

/// Greatest error of a row's lse.
inline double lseBound(Accuracy accuracy, double lse, double reach) {
  const double bound = accuracyBound(accuracy, InputKind::normal), exponential = reach > 0 ? bound / 100 : 0;
  return 3 * bound * reach + exponential + 0x1p-19 * std::fmax(1, std::fabs(lse));
}

} // namespace kv

#endif
