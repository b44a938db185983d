// Rows are taken a few at a time, so that a tile of the cache is widened once for all of them; the sums themselves are plain loops.
#include "compiler/reference/Attention.h"

#include "llvm/Support/Parallel.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace kv {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int64_t rowsAtOnce = 8, tokensAtOnce = 32, laneCount = 8;

// Versions of the inner loops for wider hosts, where the build knows some; sanitizers do not bear resolvers that run before they are set
// up.
#if defined(KVCC_HOST_CLONES) && defined(__clang__)
#if !__has_feature(address_sanitizer)
#define KV_CLONES KVCC_HOST_CLONES
#endif
#endif
#ifndef KV_CLONES
#define KV_CLONES
#endif

/// a . b; dimensions are multiples of 8.
KV_CLONES double dot(const double *a, const double *b, int64_t count) {
  double sums[laneCount] = {};
  for (int64_t i = 0; i < count; i += laneCount)
    for (int64_t lane = 0; lane < laneCount; ++lane)
      sums[lane] += a[i + lane] * b[i + lane];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

KV_CLONES void addScaled(double *sum, double factor, const double *row, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    sum[i] += factor * row[i];
}

KV_CLONES void widen(double *result, const float *source, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    result[i] = source[i];
}

/// Replaces scores by what the score function makes of them, and reaches by how far that moves when a score moves so far.
void applyScore(const AttendProblem &problem, int64_t head, int64_t i, std::vector<double> &scores, std::vector<double> &reaches) {
  constexpr double step = 1.0 / 64;
  std::vector<double> moved(scores);
  for (size_t token = 0; token < scores.size(); ++token)
    moved[token] += step * reaches[token];
  problem.score(head, i, scores);
  problem.score(head, i, moved);
  for (size_t token = 0; token < scores.size(); ++token)
    if (scores[token] == moved[token])
      reaches[token] = 0;
    else if (const double stretched = std::fabs(moved[token] - scores[token]) / step; std::isfinite(stretched))
      reaches[token] = stretched; // else the score is at the end of where it is defined
}

/// Rows [begin, end) of one kv head; row r is query r / group and the head's query head r % group.
void attendRows(const Reference &sequence, const AttendProblem &problem, int64_t head, int64_t begin, int64_t end,
                AttendResult &result) {
  const int64_t group = problem.headsQ / sequence.key.heads, length = sequence.length();
  const int64_t dimK = sequence.key.dim, dimV = sequence.value.dim;
  auto rowIndex = [&](int64_t row) { return row / group * problem.headsQ + head * group + row % group; };
  auto position = [&](int64_t row) { return length - problem.queries + row / group; };

  std::vector<std::vector<double>> scores(end - begin), seen(end - begin); // up to the last key that the row sees
  int64_t longest = 0;
  for (int64_t row = begin; row < end; ++row) {
    std::vector<double> &own = seen[row - begin];
    own.assign(length, 1);
    if (problem.mask)
      problem.mask(rowIndex(row) % problem.headsQ, position(row), own);
    while (!own.empty() && own.back() == 0)
      own.pop_back();
    scores[row - begin].resize(own.size());
    longest = std::max(longest, int64_t(own.size()));
  }
  auto sees = [&](int64_t row, int64_t token) {
    const std::vector<double> &own = seen[row - begin];
    return token < int64_t(own.size()) && own[token] != 0;
  };
  std::vector<double> tile(tokensAtOnce * std::max(dimK, dimV)), norms(longest);
  for (int64_t first = 0; first < longest; first += tokensAtOnce) {
    int64_t last = std::min(first + tokensAtOnce, longest);
    widen(tile.data(), sequence.key.decoded(first, head), (last - first) * dimK);
    for (int64_t token = first; token < last; ++token)
      norms[token] = std::sqrt(dot(&tile[(token - first) * dimK], &tile[(token - first) * dimK], dimK));
    for (int64_t row = begin; row < end; ++row)
      for (int64_t token = first; token < last; ++token)
        if (sees(row, token))
          scores[row - begin][token] =
              problem.scale * dot(problem.query + rowIndex(row) * dimK, &tile[(token - first) * dimK], dimK);
  }

  // scores become probabilities that are not divided by their sum yet
  std::vector<double> sums(end - begin);
  for (int64_t row = begin; row < end; ++row) {
    std::vector<double> &own = scores[row - begin];
    const double *query = problem.query + rowIndex(row) * dimK;
    const double unit = problem.scale * std::sqrt(dot(query, query, dimK) / double(dimK));
    std::vector<double> reaches(own.size());
    for (size_t token = 0; token < own.size(); ++token)
      reaches[token] = unit * norms[token];
    if (problem.score)
      applyScore(problem, rowIndex(row) % problem.headsQ, position(row), own, reaches);
    double greatest = -infinity, sum = 0;
    for (size_t token = 0; token < own.size(); ++token)
      if (sees(row, int64_t(token)))
        greatest = std::max(greatest, own[token]);
    if (!problem.sinks.empty()) {
      const double sink = problem.sinks[rowIndex(row) % problem.headsQ];
      greatest = std::max(greatest, sink);
      sum = sink == -infinity ? 0 : std::exp(sink - greatest);
    }
    double reach = 0, distance = 0;
    const double ofSink = sum;
    for (size_t token = 0; token < own.size(); ++token) {
      const bool none = own[token] == -infinity || !sees(row, int64_t(token));
      const double below = greatest - own[token], p = none ? 0 : std::exp(-below); // NaN stays NaN
      own[token] = p;
      sum += p;
      if (p == 0)
        continue;
      reach += p * reaches[token];
      distance += p * below;
    }
    sums[row - begin] = sum;
    const double ofKeys = sum - ofSink;
    result.reach[rowIndex(row)] = ofKeys == 0 ? 0 : std::max(reach / ofKeys, std::min(1.0, distance / ofKeys));
    result.sinkShare[rowIndex(row)] = sum == 0 ? 0 : ofSink / sum;
    result.lse[rowIndex(row)] = sum == 0 ? -infinity : greatest + std::log(sum);
  }

  std::vector<double> squares(tokensAtOnce);
  for (int64_t first = 0; first < longest; first += tokensAtOnce) {
    int64_t last = std::min(first + tokensAtOnce, longest);
    widen(tile.data(), sequence.value.decoded(first, head), (last - first) * dimV);
    for (int64_t token = 0; token < last - first; ++token)
      squares[token] = dot(&tile[token * dimV], &tile[token * dimV], dimV);
    for (int64_t row = begin; row < end; ++row)
      for (int64_t token = first; token < last; ++token) {
        if (!sees(row, token))
          continue;
        const double p = scores[row - begin][token];
        addScaled(&result.output[rowIndex(row) * dimV], p, &tile[(token - first) * dimV], dimV);
        result.spread[rowIndex(row)] += p * p * squares[token - first];
      }
  }
  for (int64_t row = begin; row < end; ++row) {
    double &spread = result.spread[rowIndex(row)];
    spread = sums[row - begin] == 0 ? 0 : std::sqrt(spread / double(dimV)) / sums[row - begin];
    for (int64_t d = 0; d < dimV; ++d) {
      double &output = result.output[rowIndex(row) * dimV + d];
      output = sums[row - begin] == 0 ? 0 : output / sums[row - begin];
    }
  }
}

} // namespace

AttendResult attend(const Reference &sequence, const AttendProblem &problem) {
  const int64_t heads = sequence.key.heads, group = problem.headsQ / heads;
  assert(problem.headsQ % heads == 0 && problem.queries <= sequence.length());
  AttendResult result;
  result.output.resize(problem.queries * problem.headsQ * sequence.value.dim);
  result.lse.resize(problem.queries * problem.headsQ);
  result.spread.resize(problem.queries * problem.headsQ);
  result.reach.resize(problem.queries * problem.headsQ);
  result.sinkShare.resize(problem.queries * problem.headsQ);
  const int64_t rows = problem.queries * group, tiles = (rows + rowsAtOnce - 1) / rowsAtOnce;
  llvm::parallelFor(0, heads * tiles, [&](size_t index) {
    int64_t head = int64_t(index) / tiles, begin = int64_t(index) % tiles * rowsAtOnce;
    attendRows(sequence, problem, head, begin, std::min(begin + rowsAtOnce, rows), result);
  });
  return result;
}

AttendResult merge(const AttendResult &a, const AttendResult &b) {
  assert(a.lse.size() == b.lse.size() && a.output.size() == b.output.size());
  AttendResult result{a.output, a.lse};
  size_t dim = a.lse.empty() ? 0 : a.output.size() / a.lse.size();
  for (size_t row = 0; row < a.lse.size(); ++row) {
    double greatest = std::max(a.lse[row], b.lse[row]);
    double weightA = greatest == -infinity ? 0 : std::exp(a.lse[row] - greatest);
    double weightB = greatest == -infinity ? 0 : std::exp(b.lse[row] - greatest);
    double sum = weightA + weightB;
    result.lse[row] = sum == 0 ? -infinity : greatest + std::log(sum);
    for (size_t d = row * dim; d < (row + 1) * dim; ++d)
      result.output[d] = sum == 0 ? 0 : (weightA * a.output[d] + weightB * b.output[d]) / sum;
  }
  return result;
}

} // namespace kv
