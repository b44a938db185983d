// Attention in float64 over one sequence's decoded cache: the definition of kv.attend and kv.merge (dialect/KvOps.td).
#ifndef KV_REFERENCE_ATTENTION_H
#define KV_REFERENCE_ATTENTION_H

#include "compiler/reference/Reference.h"

#include <functional>

namespace kv {

/// Replaces the scores of query head `head` at position `i` for keys j = 0 .. scores.size() - 1. Called from several threads.
using ScoreFunction = std::function<void(int64_t head, int64_t i, llvm::MutableArrayRef<double> scores)>;

/// Says of keys j = 0 .. seen.size() - 1 whether query head `head` at position `i` sees them: 1 or 0. Called from several threads.
using MaskFunction = std::function<void(int64_t head, int64_t i, llvm::MutableArrayRef<double> seen)>;

struct AttendProblem {
  int64_t queries = 0; ///< the last of them is at the sequence's last token
  int64_t headsQ = 0;
  const double *query = nullptr; ///< [queries][headsQ][keyDim]
  double scale = 1;
  MaskFunction mask;   ///< empty: all keys
  ScoreFunction score; ///< empty: the scaled products themselves
  std::vector<double> sinks = {}; ///< [headsQ]: exp of each joins its rows' denominators; or none
};

/// output [queries][headsQ][valueDim], lse [queries][headsQ] (natural logarithm). A row that sees no key: 0 and -inf, or its
/// sink.
///
/// spread [queries][headsQ] is sqrt(sum over j of p[j]^2 * mean over d of v[j, d]^2), p the softmax: the RMS that the row would
/// have if its values had random signs. Independent relative errors of probabilities and values change the row in proportion to it,
/// whereas the row itself may be small by cancellation.
///
/// reach [queries][headsQ] is the mean over p, without the sink, of scale * |q| * |k[j]| / sqrt(D), times how much the score
/// function stretches it there: what rounding q or k relative to its norm moves a score by is in proportion to it, whatever the
/// products' sum is. It is no less than the mean distance of scores from the greatest, up to 1, and so 0 only where all keys of a
/// row score alike without products.
///
/// sinkShare [queries][headsQ] is the sink's part of the denominator: what moves all scores of a row alike moves the row by this part of
/// it, and without a sink not at all.
struct AttendResult {
  std::vector<double> output, lse;
  std::vector<double> spread = {}, reach = {}, sinkShare = {};
};

AttendResult attend(const Reference &sequence, const AttendProblem &problem);

/// Joins two results over disjoint keys; spread and reach are not kept.
AttendResult merge(const AttendResult &a, const AttendResult &b);

} // namespace kv

#endif
