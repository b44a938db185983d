// Attention in float64 over one sequence's decoded cache: the definition of kv.attend and kv.merge (dialect/KvOps.td).
#ifndef KV_REFERENCE_ATTENTION_H
#define KV_REFERENCE_ATTENTION_H

#include "compiler/reference/Reference.h"

#include <functional>

namespace kv {

/// Replaces the scores of query head `head` at position `i` for keys j = 0 .. scores.size() - 1. Called from several threads.
using ScoreFunction = std::function<void(int64_t head, int64_t i, llvm::MutableArrayRef<double> scores)>;

struct AttendProblem {
  int64_t queries = 0; ///< the last of them is at the sequence's last token
  int64_t headsQ = 0;
  const double *query = nullptr; ///< [queries][headsQ][keyDim]
  double scale = 1;
  bool causal = true;
  ScoreFunction score; ///< empty: the scaled products themselves
};

/// output [queries][headsQ][valueDim], lse [queries][headsQ] (natural logarithm). A row that sees no key: 0 and -inf.
struct AttendResult {
  std::vector<double> output, lse;
};

AttendResult attend(const Reference &sequence, const AttendProblem &problem);

/// Joins two results over disjoint keys.
AttendResult merge(const AttendResult &a, const AttendResult &b);

} // namespace kv

#endif
