#include "tools/kvcc/VerifyNeedles.h"
#include "compiler/reference/codecs/Scalar.h"
#include "dialect/Visible.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace kv {
namespace {

/// Row 0 of the matrix is what other keys point against; a needle has the row of its class, 1 .. classes.
constexpr int8_t other = 0;

class Needles {
public:
  Needles(SequenceData &data, const CacheSpec &cache, const KernelSpec &spec, const ScoreFunction &score, int64_t split,
          Random &random)
      : data(data), cache(cache), spec(spec), score(score), split(split), random(random), dim(cache.type.getKeyDim()),
        length(data.shape.length), first(length - data.shape.queries), group(spec.headsQ / cache.type.getHeads()),
        classes(chooseClasses()), needles(std::clamp<int64_t>(24 / (data.shape.queries * group), 4, 8) * classes),
        peak(std::max(7.0, 0.5 * std::log(10.0 * double(length)))) {
    // peak * scale of keys * ... = logit: shared between q and k, where one of them alone would leave the range of f16.
    double product = peak / (std::fabs(spec.scale) * double(dim));
    if (product > 16 || product < 1.0 / 16)
      keySize = std::exp2(std::floor(std::log2(product) / 2));
    querySize = product / keySize;
  }

  void fill();

private:
  int64_t chooseClasses() const;
  std::vector<int64_t> edges();
  void placeHead(int64_t head);
  void fillQueries(int64_t head);
  int8_t chooseClass(int64_t position, int64_t wish);
  double chooseStretch(int64_t headQ, int8_t sought);
  double quality(int64_t headQ, int8_t sought, double stretch);

  /// Rows are orthogonal over any `order` channels in turn.
  static double sign(int64_t row, int64_t channel) { return std::popcount(uint64_t(row & channel)) % 2 ? -1 : 1; }
  /// Pairs of neighbours; the last two tokens are one.
  int8_t classAt(int64_t position) const { return int8_t(1 + ((position + length) / 2 - length + 1 + classes * length) % classes); }
  bool visible(int64_t token, int64_t position) const { return sees(spec.visible, position, token); }

  SequenceData &data;
  const CacheSpec &cache;
  const KernelSpec &spec;
  const ScoreFunction &score;
  const int64_t split;
  Random &random;
  const int64_t dim, length, first; ///< first: position of the first query
  const int64_t group;              ///< query heads of a kv head
  const int64_t classes;
  const int64_t needles; ///< of a kv head, beside those along the step
  const double peak;     ///< the logit of a needle that is looked for
  double keySize = 1, querySize = 1;

  // For one kv head:
  std::vector<int8_t> kind;  ///< of each token: its class, or `other`
  std::vector<float> weight; ///< of its key
};

/// As many as the rows of a kv head look for, and as the matrix has rows. An odd number, so that edges of pages are of all classes.
int64_t Needles::chooseClasses() const {
  const int64_t rows = data.shape.queries * group, order = std::min<int64_t>(dim & -dim, 16);
  return std::min(order - 1, rows / 2 | 1);
}

/// Tokens on both sides of what kernels work through in pieces, and some at random; the first ones matter most.
std::vector<int64_t> Needles::edges() {
  const LayoutAttr layout = cache.type.getLayout();
  std::vector<int64_t> last, all;
  auto addEdge = [&](std::vector<int64_t> &list, int64_t edge) {
    for (int64_t token : {edge, edge - 1})
      if (token > 0 && token < length)
        list.push_back(token);
  };
  for (int64_t size : {layout.getSlots(), split, layout.getTile(), int64_t(16), int64_t(64), int64_t(128), int64_t(256)}) {
    const int64_t count = size > 0 ? (length - 1) / size : 0;
    if (count == 0)
      continue;
    addEdge(last, count * size);
    addEdge(all, size);
    addEdge(all, random.between(1, count) * size);
  }
  for (int64_t token : {length / 3, 2 * length / 3})
    all.push_back(token);
  for (int64_t i = 0; i < needles / 2; ++i)
    all.push_back(random.below(length));
  random.shuffle(all);
  last.insert(last.begin(), {0, length / 2});
  last.insert(last.end(), all.begin(), all.end());
  return last;
}

void Needles::placeHead(int64_t head) {
  kind.assign(size_t(length), other);
  weight.assign(size_t(length), 1.0f);
  // Neighbours get unequal shares, or two of them could be swapped unseen. Sixty-fourths are exact in bf16.
  static constexpr int64_t steps[] = {0, 2, 1, 3};
  const double step = std::ceil(64 * 0.25 / peak) / 64;
  auto place = [&](int64_t token) {
    kind[size_t(token)] = classAt(token);
    weight[size_t(token)] = float(1 - step * double(steps[token % 4]));
  };
  int64_t room = needles;
  for (int64_t token : edges())
    if (kind[size_t(token)] == other && room-- > 0)
      place(token);
  for (int64_t token = std::max<int64_t>(0, first - 1); token < length; ++token)
    place(token);

  for (int64_t token = 0; token < length; ++token) {
    float *key = &data.k[size_t((token * cache.type.getHeads() + head) * dim)];
    const int8_t what = kind[size_t(token)];
    for (int64_t d = 0; d < dim; ++d)
      key[d] = float(keySize * (what == other ? 0.1 * random.normal() - sign(other, d) : weight[size_t(token)] * sign(what, d)));
  }
}

/// The class wished for, where the query sees a token of it, or that of the query's own token.
int8_t Needles::chooseClass(int64_t position, int64_t wish) {
  const int8_t wanted = int8_t(1 + wish % classes);
  for (int64_t token = 0; token < length && visible(token, position); ++token)
    if (kind[size_t(token)] == wanted)
      return wanted;
  return classAt(position);
}

/// How much of the probability the class has, when scores are `stretch` times those meant; what one token has beyond a half does
/// not count.
double Needles::quality(int64_t headQ, int8_t sought, double stretch) {
  const int64_t position = length - 1;
  std::vector<double> scores(static_cast<size_t>(length));
  for (int64_t token = 0; token < length; ++token) {
    const int8_t what = kind[size_t(token)];
    scores[size_t(token)] = stretch * peak * (what == sought ? weight[size_t(token)] : what == other ? -1 : 0);
  }
  score(headQ, position, scores);
  const double greatest = *std::max_element(scores.begin(), scores.end());
  double sum = 0, good = 0;
  for (double &s : scores)
    sum += s = s == greatest ? 1 : std::exp(s - greatest);
  for (int64_t token = 0; token < length; ++token)
    if (kind[size_t(token)] == sought)
      good += std::min(0.5, scores[size_t(token)] / sum);
  return good; // NaN is no better than anything
}

/// Scores may bend, cap, damp or turn what they get: the first factor that brings out the needles.
double Needles::chooseStretch(int64_t headQ, int8_t sought) {
  if (!score)
    return 1;
  double best = 1, most = -1;
  for (double stretch : {1.0, 1.5, 2.25, 0.5, 3.5, -1.0, 0.2, -3.0, 8.0}) {
    const double now = quality(headQ, sought, stretch);
    if (now > most) {
      most = now;
      best = stretch;
    }
    if (most > 0.7)
      break;
  }
  return best;
}

void Needles::fillQueries(int64_t head) {
  const int64_t queries = data.shape.queries;
  int64_t wish = 1; // that of the last token is 0
  for (int64_t headQ = head * group; headQ < (head + 1) * group; ++headQ) {
    // One query of several, or of one sequence in four, looks for nothing: all keys score alike, and lse counts them.
    const int64_t counting = spec.hasLse ? random.below(queries > 2 ? queries - 2 : 4) : -1;
    const float size = roundTo(Element::bf16, float(querySize * chooseStretch(headQ, classAt(length - 1))));
    for (int64_t query = 0; query < queries; ++query) {
      float *row = &data.q[size_t((query * spec.headsQ + headQ) * dim)];
      if (query == counting) {
        std::fill(row, row + dim, 0.0f);
        continue;
      }
      // The last query looks for the last two tokens and the one before it for the same class, of which it must see one less. A
      // third of the others look for the token after their own; the rest for one class after another.
      const int64_t position = first + query, inGroup = headQ - head * group;
      const int8_t sought = inGroup == 0 && query >= queries - 2        ? classAt(length - 1)
                            : queries > 2 && (query + inGroup) % 3 == 0 ? chooseClass(position, classAt(position + 1) - 1)
                                                                        : chooseClass(position, wish++);
      for (int64_t d = 0; d < dim; ++d)
        row[d] = size * float(sign(sought, d) + sign(other, d));
    }
  }
}

void Needles::fill() {
  for (int64_t head = 0; head < cache.type.getHeads() && length > 0; ++head) {
    placeHead(head);
    fillQueries(head);
  }
}

} // namespace

void fillNeedles(SequenceData &data, const CacheSpec &cache, const KernelSpec &spec, const ScoreFunction &score, int64_t split,
                 Random &random) {
  Needles(data, cache, spec, score, split, random).fill();
}

} // namespace kv
