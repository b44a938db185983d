#include "tools/kvcc/VerifyInputs.h"

#include "compiler/reference/codecs/Scalar.h"
#include "tools/kvcc/VerifyNeedles.h"
#include "tools/kvcc/VerifySpecials.h"

#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

namespace kv {

Element elementOf(kv_type type) { return static_cast<Element>(type); } // the enums agree (dialect/KvAttrs.td)

std::string Scenario::str() const {
  static const char *const kinds[] = {"normal", "outliers", "peaky"};
  std::string text = fmt::format("{} ({} inputs; length:queries", name, kinds[int(kind)]);
  for (const SequenceShape &shape : sequences)
    text += fmt::format(" {}:{}{}", shape.length, shape.queries, shape.needles ? " needles" : "");
  return text + ")";
}

//===- batches ---------------------------------------------------------------------------------------------------------------===//

namespace {

/// Elements of the longest sequence: keeps one case under about a second.
constexpr int64_t elementBudget = int64_t(12) << 20;

struct Limits {
  int64_t page, longest, leastQueries, mostQueries;

  int64_t length(int64_t wanted) const { return std::clamp<int64_t>(wanted, 0, longest); }
  /// As many queries as wanted, as the kernel takes and as there are tokens; 0 when that cannot be.
  SequenceShape shape(int64_t length, int64_t queries) const {
    length = this->length(length);
    queries = std::min(std::clamp(queries, leastQueries, mostQueries), length);
    return {length, queries < leastQueries ? 0 : queries};
  }
};

} // namespace

/// Beside each ordinary sequence one of needles; in batches of many, and where memory is short, in the place of every other one.
static void addNeedles(std::vector<SequenceShape> &sequences, bool replace) {
  const size_t count = sequences.size();
  for (size_t b = 0; b < count; ++b) {
    if (sequences[b].queries == 0)
      continue;
    SequenceShape needles = sequences[b];
    needles.needles = true;
    if (count == 1 && !replace)
      sequences.push_back(needles);
    else if (b % 2 == 1)
      sequences[b] = needles;
  }
}

std::vector<Scenario> makeScenarios(const CacheSpec &cache, const KernelSpec &spec, int64_t split, bool quick, Random &random) {
  CacheType type = cache.type;
  const bool dense = type.getLayout().getKind() == LayoutKind::dense, attends = spec.kind != KV_OP_APPEND;
  const int64_t slots = type.getLayout().getSlots();
  const int64_t perToken = type.getHeads() * (type.getKeyDim() + type.getValueDim());
  const int64_t affordable = (quick ? elementBudget / 4 : elementBudget) / perToken;
  // One more than kernels take at a time, of most numbers of heads.
  const int64_t many = 65;
  Limits limits{slots, dense ? slots : INT32_MAX, attends ? spec.minQueries : 1,
                attends ? std::min<int64_t>(spec.maxQueries, many) : many};
  // Big dense pages: nothing is gained from being close to their end more than once.
  const int64_t page = slots <= affordable ? slots : 61;
  const InputKind kinds[] = {InputKind::normal, InputKind::outliers, InputKind::peaky};
  size_t turn = size_t(random.below(3));
  std::vector<Scenario> all;
  auto add = [&](std::string name, std::vector<SequenceShape> sequences) -> Scenario & {
    Scenario scenario;
    scenario.name = std::move(name);
    scenario.kind = kinds[turn++ % 3];
    scenario.sequences = std::move(sequences);
    all.push_back(std::move(scenario));
    return all.back();
  };
  // Few queries most of the time, the corners of the range now and then.
  auto queries = [&]() -> int64_t {
    switch (random.below(4)) {
    case 0:
      return limits.leastQueries;
    case 1:
      return 2;
    case 2:
      return limits.mostQueries;
    default:
      return random.between(limits.leastQueries, std::max(limits.leastQueries, std::min<int64_t>(limits.mostQueries, 9)));
    }
  };

  std::vector<int64_t> lengths = {1, page - 1, page, page + 1, 7, 61, 127, 257};
  if (!quick)
    lengths.insert(lengths.end(), {2, 3, 13, 2 * page + 1, 521});
  std::sort(lengths.begin(), lengths.end());
  lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  for (int64_t length : lengths) {
    SequenceShape shape = limits.shape(length, queries());
    if (shape.length == length && shape.queries)
      add("one sequence", {shape});
  }

  // Both ends of the range of queries, with nothing and with something before them.
  std::vector<int64_t> counts = {limits.leastQueries, std::clamp<int64_t>(2, limits.leastQueries, limits.mostQueries),
                                 limits.mostQueries};
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  for (int64_t count : counts)
    for (int64_t before : {int64_t(0), page + 3})
      if (limits.length(count + before) == count + before)
        add("queries", {{count + before, count}});

  // A ragged batch: empty ones, ones without new tokens, all lengths. As many as fit in memory that may be poisoned.
  for (int64_t round = 0; round < (quick ? 1 : 2); ++round) {
    std::vector<SequenceShape> ragged = {limits.shape(page + 1, queries()),
                                         {0, 0},
                                         {limits.length(31), 0},
                                         limits.shape(random.between(1, 300), queries()),
                                         limits.shape(page, queries()),
                                         limits.shape(1, 1),
                                         limits.shape(page - 1, queries()),
                                         limits.shape(random.between(200, 400), queries())};
    int64_t afford = dense ? std::max<int64_t>(3, (int64_t(64) << 20) / cache.map.bytes) : int64_t(ragged.size());
    ragged.resize(size_t(std::min<int64_t>(afford, int64_t(ragged.size()))));
    random.shuffle(ragged);
    Scenario &scenario = add("ragged batch", ragged);
    scenario.neighbours = true;
    scenario.otherLayouts = round == 0;
    scenario.pool = true;
  }

  Scenario &specials = add("specials", {limits.shape(37, 3), limits.shape(page + 5, 1), limits.shape(61, 4)});
  specials.content = Content::specials;
  specials.kind = InputKind::normal;

  add("corners of codecs", {limits.shape(page + 9, 1), limits.shape(45, 1)}).content = Content::corners;
  Scenario &codes = add("every code", std::vector<SequenceShape>(quick ? 4 : 9, limits.shape(limits.leastQueries, 1)));
  codes.content = Content::codes;
  codes.kind = InputKind::normal;

  // Long enough for several splits.
  int64_t wanted = std::clamp<int64_t>(2 * split + 77, quick ? 600 : 1500, 9001);
  int64_t longest = limits.length(std::min(wanted, std::max(affordable, std::min<int64_t>(split + 77, 3000))));
  add("long", {limits.shape(longest, limits.leastQueries)}).pool = true;
  if (limits.mostQueries > limits.leastQueries && !quick)
    add("long", {limits.shape(longest - 13, 5)});
  for (Scenario &scenario : all)
    if (!attends)
      scenario.kind = InputKind::outliers;
    else if (scenario.content == Content::ordinary)
      addNeedles(scenario.sequences, dense && cache.map.bytes > (1 << 24));
  return all;
}

//===- numbers ---------------------------------------------------------------------------------------------------------------===//

static void roundAll(std::vector<float> &values, Element type) {
  if (type != Element::f32)
    for (float &value : values)
      value = roundTo(type, value);
}

/// In most rows one to four channels 10 to 1000 times the others; then the row is half as long as it was: one channel makes the
/// most of its logits, and their errors do not average.
static void plantOutliers(std::vector<float> &queries, int64_t dim, Random &random) {
  for (size_t first = 0; first < queries.size(); first += size_t(dim)) {
    float *row = &queries[first];
    auto length = [&] {
      double sum = 0;
      for (int64_t d = 0; d < dim; ++d)
        sum += double(row[d]) * row[d];
      return std::sqrt(sum);
    };
    double before = length(), factor = std::pow(10, 1 + 2 * random.unit());
    const int64_t planted = random.below(5);
    for (int64_t n = 0; n < planted; ++n)
      row[random.below(dim)] *= float(factor);
    const double shorten = planted ? before / length() / 2 : 1;
    for (int64_t d = 0; d < dim; ++d)
      row[d] = float(row[d] * shorten);
  }
}

static void fillNormal(SequenceData &data, CacheType type, InputKind kind, Random &random) {
  const int64_t heads = type.getHeads(), dim = type.getKeyDim();
  for (float &value : data.k)
    value = random.normal();
  for (float &value : data.v)
    value = random.normal();
  if (kind != InputKind::outliers)
    return;
  // The same channels in every token, as real keys have them.
  for (int64_t head = 0; head < heads; ++head)
    for (int64_t n = 0; n < dim / 32 + 1; ++n) {
      int64_t channel = random.below(dim);
      float factor = random.chance(2) ? 10.0f : -8.0f;
      for (int64_t token = 0; token < data.shape.length; ++token)
        data.k[size_t((token * heads + head) * dim + channel)] *= factor;
    }
}

/// Leaves one channel of every other row of q. Where rows see several tokens, of keys of all magnitudes, none: all keys score alike.
static void pickChannels(SequenceData &data, int64_t headsQ, int64_t dim, Random &random) {
  for (int64_t row = 0; row < data.shape.queries * headsQ; ++row) {
    float *q = &data.q[size_t(row * dim)];
    const int64_t channel = random.below(dim);
    for (int64_t d = 0; d < dim; ++d)
      if (data.shape.length > 1 || (row % 2 && d != channel))
        q[d] = 0;
  }
}

SequenceData makeSequence(const CacheSpec &cache, const KernelSpec &spec, const Scenario &scenario, SequenceShape shape,
                          const ScoreFunction &score, int64_t split, Random &random) {
  CacheType type = cache.type;
  SequenceData data(type, shape);
  const int64_t heads = type.getHeads(), dim = type.getKeyDim();
  data.k.resize(size_t(shape.length * heads * dim));
  data.v.resize(size_t(shape.length * heads * type.getValueDim()));
  data.q.resize(size_t(shape.queries * spec.headsQ * dim));
  const Element input = elementOf(spec.qType);
  switch (scenario.content) {
  case Content::corners:
    fillCorners(data.k, random);
    fillCorners(data.v, random);
    break;
  case Content::codes:
    // Score expressions are for logits of moderate size, and a sink is one beside which keys count.
    fillCodes(data.k, type.getKey(), dim, input, score || spec.has(ArgumentRole::sinks) ? Exponents{-20, -4} : Exponents{-100, 60},
              random);
    // What o cannot hold would not be seen; scalars are safe from 1e-36 on.
    fillCodes(data.v, type.getValue(), type.getValueDim(), input,
              elementOf(spec.oType) == Element::f16 ? Exponents{-20, 5} : Exponents{type.getValue().isInteger() ? -149 : -119, 60},
              random);
    break;
  default:
    fillNormal(data, type, scenario.kind, random);
  }
  // Logits have the deviation meant, whatever the scale is.
  double usual = 1 / std::sqrt(double(dim)), scale = std::fabs(spec.scale) > 1e-6 ? std::fabs(spec.scale) : usual;
  float factor = float(usual / scale * (scenario.kind == InputKind::peaky ? 4 : 1));
  for (float &value : data.q)
    value = random.normal() * factor;
  if (scenario.content == Content::codes)
    pickChannels(data, spec.headsQ, dim, random);
  else if (shape.needles)
    fillNeedles(data, cache, spec, score, split, random);
  else if (scenario.kind == InputKind::peaky)
    plantOutliers(data.q, dim, random);
  if (scenario.content == Content::specials)
    plantSpecials(data, cache, spec, /*infinities=*/!score, random);
  roundAll(data.q, input);
  roundAll(data.k, input);
  roundAll(data.v, input);
  data.reference.append(shape.length, data.k.data(), data.v.data());
  return data;
}

std::vector<float> makeParameter(int64_t heads, int64_t longest, Random &random) {
  const double most = random.chance(2) ? 4.0 / double(std::max<int64_t>(1, longest)) : 1.0;
  std::vector<float> values;
  for (int64_t head = 0; head < heads; ++head)
    values.push_back(float(std::min(most, std::exp2(-8.0 * double(head + 1) / double(heads))) * (0.75 + 0.5 * random.unit())));
  return values;
}

} // namespace kv
