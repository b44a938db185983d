#include "tools/kvcc/VerifyOutput.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace kv {
namespace {

/// Keeps the pair with the greatest quotient.
void note(double error, double limit, double &worst, double &worstLimit) {
  if (worstLimit == 0 || std::isnan(error) || error * worstLimit > worst * limit) {
    worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
    worstLimit = limit;
  }
}

/// One sequence of a step.
struct SequenceCheck {
  const KernelSpec &spec;
  const InputKind kind;
  const SequenceData &sequence;
  const StepOutput &output;
  const int64_t begin; ///< the sequence's first row of tokens in `output`
  VerifyRow &row;

  const Element type = elementOf(spec.oType);
  const int64_t dim = sequence.output.shape[2];
  // Sums over rows.
  double squares = 0;       ///< errors in units of each row's size, squared
  double weightSquares = 0; ///< weights (Tolerance.h), squared
  double counted = 0;

  /// An infinity may meet a zero in a product, on the way.
  bool isNanAllowed(int64_t index) const { return !sequence.mayBeNan.empty() && sequence.mayBeNan[size_t(index)]; }
  std::optional<std::string> run();
  std::optional<std::string> checkRow(int64_t query, int64_t head);
  std::optional<std::string> checkLse(int64_t query, int64_t head);
};

/// Equal, or both no number. Infinities differ from NaN in nothing that a caller could rely on: 0 * infinity is in the sum or not.
bool alikeNonFinite(double want, double seen) { return std::isnan(seen) || (std::isinf(want) && want == seen); }

std::optional<std::string> SequenceCheck::checkRow(int64_t query, int64_t head) {
  const int64_t index = query * spec.headsQ + head;
  double difference = 0, total = 0;
  bool finite = true;
  const bool mayBeNan = isNanAllowed(index);
  for (int64_t d = 0; d < dim; ++d) {
    double want = sequence.output.data[size_t(index * dim + d)], seen = output.o.get(begin + query, head, d);
    if (mayBeNan && std::isnan(seen)) {
      finite = false;
      continue;
    }
    if (std::isfinite(want) ? !std::isfinite(seen) : !alikeNonFinite(want, seen)) {
      note(NAN, rowsBound(spec.accuracy, kind, 1, 1), row.error, row.tolerance);
      return fmt::format("channel {}: o is {}, expected {}", d, seen, want);
    }
    finite &= std::isfinite(want);
    if (!finite)
      continue;
    difference += (seen - want) * (seen - want);
    total += want * want;
  }
  if (!finite)
    return std::nullopt;
  const double rounding = roundingBound(type);
  const double size = std::max({std::sqrt(total / double(dim)), sequence.sizes.spread[size_t(index)], leastSize(type)});
  const double error = std::sqrt(difference / double(dim)) / size;
  const double weight = rowWeight(spec.accuracy, kind, sequence.sizes.reach[size_t(index)], sequence.sizes.sinkShare[size_t(index)]);
  const double tolerance = rowsBound(spec.accuracy, kind, 1, weight) + rounding;
  note(error, tolerance, row.error, row.tolerance);
  squares += error * error;
  weightSquares += weight * weight;
  ++counted;
  if (!(error <= tolerance))
    return fmt::format("error of o is {:.2e}, tolerance {:.2e}", error, tolerance);
  return std::nullopt;
}

std::optional<std::string> SequenceCheck::checkLse(int64_t query, int64_t head) {
  const int64_t index = query * spec.headsQ + head;
  const double want = sequence.lse.data[size_t(index)];
  const double seen = output.lse[size_t((begin + query) * spec.headsQ + head)];
  const bool alike = want == seen || (std::isnan(seen) && (std::isnan(want) || isNanAllowed(index)));
  if (alike || (isNanAllowed(index) && !std::isfinite(sequence.sizes.reach[size_t(index)])))
    return std::nullopt;
  const double tolerance = std::isfinite(want) ? lseBound(spec.accuracy, want, sequence.sizes.reach[size_t(index)]) : 0;
  const double error = std::fabs(seen - want);
  note(error, tolerance, row.lseError, row.lseTolerance);
  if (!(error <= tolerance))
    return fmt::format("lse is {}, expected {} (tolerance {:.1e})", seen, want, tolerance);
  return std::nullopt;
}

std::optional<std::string> SequenceCheck::run() {
  for (int64_t query = 0; query < sequence.shape.queries; ++query)
    for (int64_t head = 0; head < spec.headsQ; ++head) {
      auto problem = checkRow(query, head);
      if (!problem && spec.hasLse)
        problem = checkLse(query, head);
      if (problem)
        return fmt::format("query {}, head {}: {}", query, head, *problem);
    }
  if (counted == 0)
    return std::nullopt;
  const double error = std::sqrt(squares / counted), weight = std::sqrt(weightSquares / counted);
  const double tolerance = rowsBound(spec.accuracy, kind, counted, weight) + roundingBound(type);
  note(error, tolerance, row.error, row.tolerance);
  if (!(error <= tolerance))
    return fmt::format("error of o over {} rows is {:.2e}, tolerance {:.2e}", counted, error, tolerance);
  return std::nullopt;
}

} // namespace

std::optional<std::string> checkOutput(const KernelSpec &spec, InputKind kind, const std::vector<SequenceData> &sequences,
                                       const StepOutput &output, VerifyRow &row) {
  int64_t begin = 0;
  for (size_t b = 0; b < sequences.size(); ++b) {
    const SequenceData &sequence = sequences[b];
    const InputKind own = sequence.shape.needles ? InputKind::needles : kind;
    if (auto problem = SequenceCheck{spec, own, sequence, output, begin, row}.run())
      return fmt::format("sequence {}, {}", b, *problem);
    begin += sequence.shape.queries;
  }
  return std::nullopt;
}

} // namespace kv
