#include "tools/kvcc/VerifySpecials.h"
#include "dialect/Visible.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kv {

static constexpr float infinity = std::numeric_limits<float>::infinity(), notANumber = std::numeric_limits<float>::quiet_NaN();

void fillCorners(std::vector<float> &values, Random &random) {
  for (size_t first = 0; first < values.size(); first += 8) {
    int64_t pattern = random.below(12);
    for (size_t i = first; i < std::min(first + 8, values.size()); ++i) {
      float normal = random.normal();
      switch (pattern) {
      case 0: // all zero, of both signs
        values[i] = random.chance(2) ? 0.0f : -0.0f;
        break;
      case 1: // subnormal
        values[i] = normal * 1e-40f;
        break;
      case 2: // scales that f16 cannot hold, or only as a subnormal
        values[i] = normal * 1e-7f;
        break;
      case 3:
        values[i] = normal * 1e30f;
        break;
      case 4:
        values[i] = normal * 3e4f;
        break;
      case 5: // halves of steps
        values[i] = i == first ? 127.0f : float(random.between(-254, 254)) * 0.5f;
        break;
      case 6: // constant
        values[i] = i == first ? normal : values[first];
        break;
      case 7:
        values[i] = random.chance(30) ? notANumber : normal;
        break;
      case 8:
        values[i] = random.chance(30) ? (random.chance(2) ? infinity : -infinity) : normal;
        break;
      case 9: // far from zero: asym takes its zero from there
        values[i] = 1000.0f + normal;
        break;
      default:
        values[i] = normal;
      }
    }
  }
}

/// Exponents of two that integers of `digits` binary digits can be scaled by in `type`.
static Exponents exponentsOf(Element type, int digits) {
  switch (type) {
  case Element::f16:
    return {-24, 16 - digits};
  case Element::bf16:
    return {-133, 128 - digits};
  case Element::f8e4m3: // and half the least, which is a tie
    return {-10, 9 - digits};
  default:
    return {-149, 128 - digits};
  }
}

static Exponents both(Exponents a, Exponents b) { return {std::max(a.least, b.least), std::min(a.most, b.most)}; }

/// Zero and the greatest code of a group are those of some channels, so that appending finds this scale.
static void fillGroup(float *group, CodecAttr codec, int exponent, Random &random) {
  const int64_t count = codec.getGroup(), bits = codec.bits();
  const int64_t levels = codec.hasZero() ? (int64_t(1) << bits) - 1 : (int64_t(1) << (bits - 1)) - 1;
  // In units of the scale; the sum of zero and any code has no more digits than the codec.
  const int64_t zero = codec.hasZero() ? -random.of(std::vector<int64_t>{0, 1, levels / 2, levels, levels + 1}) : 0;
  auto put = [&](int64_t channel, int64_t code) { group[channel] = float(std::ldexp(double(zero + code), exponent)); };
  for (int64_t i = 0; i < count; ++i)
    put(i, random.between(codec.hasZero() ? 0 : -levels, levels));
  const int64_t first = random.below(count);
  put(first, levels);
  if (codec.hasZero()) // a group of one channel is its zero
    put(count > 1 ? (first + 1 + random.below(count - 1)) % count : first, 0);
}

void fillCodes(std::vector<float> &values, CodecAttr codec, int64_t dim, Element input, Exponents range, Random &random) {
  const bool integer = codec.isInteger();
  // f8e4m3 gets a digit more than it keeps: ties, and numbers that saturate.
  const int digits = integer ? int(codec.bits()) + 1 : codec.getElement() == Element::f8e4m3 ? 5 : 11;
  range = both(range, exponentsOf(input, digits));
  range =
      both(range, !integer ? exponentsOf(codec.getElement(), digits) : exponentsOf(codec.getScale(), codec.hasZero() ? digits : 1));
  if (integer) // of scales below, the reciprocals are infinite and all codes 0
    range = both(range, {-127, 127});
  for (size_t row = 0; row < values.size(); row += size_t(dim)) {
    const int exponent = int(random.between(range.least, range.most));
    auto near = [&] { return std::max(range.least, exponent - int(random.below(4))); };
    for (int64_t i = 0; integer && i < dim; i += codec.getGroup())
      fillGroup(&values[row + size_t(i)], codec, near(), random);
    for (int64_t i = 0; !integer && i < dim; ++i)
      values[row + size_t(i)] = float(std::ldexp(double(random.between(1 - (1 << digits), (1 << digits) - 1)), near()));
  }
}

namespace {

/// Plants into the tensors of one sequence.
class Specials {
public:
  Specials(SequenceData &data, const CacheSpec &cache, const KernelSpec &spec, bool infinities, Random &random)
      : data(data), type(cache.type), spec(spec), infinities(infinities), random(random) {}

  void plant() {
    const int64_t length = data.shape.length, queries = data.shape.queries;
    data.mayBeNan.assign(size_t(queries * spec.headsQ), false);
    const int64_t page = type.getLayout().getSlots();
    // Half of the sequences are spoiled from somewhere on, the others for the last query alone.
    if (random.chance(2))
      plantToken(std::clamp<int64_t>(random.of(std::vector<int64_t>{0, 15, 16, page - 1, page, random.below(length)}), 0, length - 1));
    if (queries > 1)
      plantToken(length - 1);
    if (spec.headsQ == 0) // an append has no query
      return;
    const int64_t row = random.below(queries * spec.headsQ), dim = type.getKeyDim();
    const float number = draw();
    data.q[size_t(row * dim + random.below(dim))] = number;
    if (std::isinf(number))
      data.mayBeNan[size_t(row)] = true;
  }

private:
  float draw() {
    switch (random.below(infinities ? 4 : 2)) {
    case 0:
      return 1e-40f * random.normal();
    case 1:
      return notANumber;
    case 2:
      return infinity;
    default:
      return -infinity;
    }
  }

  void plantToken(int64_t token) {
    const int64_t head = random.below(type.getHeads());
    const bool key = random.chance(2);
    const int64_t dim = key ? type.getKeyDim() : type.getValueDim();
    const float number = draw();
    (key ? data.k : data.v)[size_t((token * type.getHeads() + head) * dim + random.below(dim))] = number;
    // A NaN in a key that weighs nothing, which a score expression may make of any, is multiplied by 0.
    if (std::isfinite(number) || (infinities && (!key || !std::isinf(number))))
      return;
    const int64_t group = spec.headsQ / type.getHeads();
    for (int64_t query = 0; query < data.shape.queries; ++query)
      for (int64_t headQ = head * group; headQ < (head + 1) * group; ++headQ)
        if (sees(spec.visible, data.shape.length - data.shape.queries + query, token))
          data.mayBeNan[size_t(query * spec.headsQ + headQ)] = true;
  }

  SequenceData &data;
  CacheType type;
  const KernelSpec &spec;
  const bool infinities;
  Random &random;
};

} // namespace

void plantSpecials(SequenceData &data, const CacheSpec &cache, const KernelSpec &spec, bool infinities, Random &random) {
  if (data.shape.queries > 0)
    Specials(data, cache, spec, infinities, random).plant();
}

} // namespace kv
