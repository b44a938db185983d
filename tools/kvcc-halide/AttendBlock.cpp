// Scores, softmax and accumulation of a row tile and a block of tokens.
//
//   s(t, r)   = factor * sum over d of q(d, r) * k(d, t)                tokens along lanes
//   m'(r)     = max(m(r), max over t of s(t, r)),  c(r) = exp2Of(m(r) - m'(r))
//   p(t, r)   = exp2Of(s(t, r) - m'(r)), 0 where the row does not see the token
//   sum'(r)   = sum(r) * c(r) + sum over t of p(t, r)
//   acc(d, r) = acc(d, r) * c(r) + sum over t of p(t, r) * v(d, t)      channels along lanes
//
// Every operation is rounded as written, but for products that are added: those may be fused.
#include "tools/kvcc-halide/Functions.h"
#include "tools/kvcc-halide/Math.h"
#include "tools/kvcc-halide/ScoreExpression.h"
#include "tools/kvcc-halide/StoredStream.h"

#include <functional>

using namespace Halide;

namespace kv::halide {
namespace {

class AttendBlock {
public:
  explicit AttendBlock(const Block &plan)
      : plan(plan), several(plan.pages > 1),
        key("keys", plan.key, "d", several ? &pages : nullptr, plan.key.group ? plan.key.group : plan.key.dim),
        value("values", plan.value, "t", several ? &pages : nullptr, several ? plan.slots : plan.tokens) {}
  void build(const Target &target, const std::string &file);

private:
  const Block &plan;
  const bool several;
  ImageParam pages{Int(32), 2, "pages"};
  StoredStream key, value;
  /// Queries that the dot of keys rounds are bytes.
  const bool rounded = plan.key.dot != "f32";
  ImageParam queryScale{Float(32), 1, "query_scale"}, querySums{Float(32), 2, "query_sums"};
  ImageParam queries{rounded ? Int(8) : Float(32), 2, "queries"}, limits{Int(32), 1, "limits"}, ahead{UInt(64), 1, "ahead"};
  ImageParam maximum{Float(32), 1, "maximum"}, sum{Float(32), 1, "sum"};
  ImageParam positions{Int(32), 1, "positions"}, heads{Int(32), 1, "heads"}, arrays{Float(32), 2, "arrays"};
  Param<int> token{"token"}, count{"count"}, head{"head"}, firstSlot{"first_slot"};
  Var t{"t"}, d{"d"}, g{"g"}, r{"r"}, x{"x"}; ///< d: channels; of values inside group g

  int lanes() const { return int(plan.lanes); }
  Place placeOf(Expr token) const;
  bool hasSums() const { return rounded && (plan.key.shift || key.hasZero()); }
  Func dotOfKeys();
  Expr decoded(Expr dot, const Expr &group) const;
  Expr middleOf(const StoredStream &stream, const Place &place, const Expr &group) const;
  Func scores();
  struct Products {
    Func sums;
    std::vector<Func> ofGroup; ///< computed for a group of channels
    Expr added;                ///< to the accumulator of d, g, r
  };
  struct Bytes {
    Func weights, unit, start; ///< unit: of a product; start: of a sum
    std::vector<Func> parts;   ///< all there is to compute
  };
  Bytes packed(Func weights);
  Products accumulatedBytes(Func p);
  Products accumulated(Func p);
  Func weighted(Func p);
  /// One number of all tokens for each `of`, in one order for every length.
  Func reduce(const std::string &name, const std::vector<Var> &of, const std::function<Expr(Expr)> &element,
              const std::function<Expr(Expr, Expr)> &combine, const std::function<void(Func)> &place);
  /// All of a Func's first dimension in vectors, unrolled, and all rows.
  Func inVectors(Func f, Var along);
};

Func AttendBlock::inVectors(Func f, Var along) {
  f.vectorize(along, lanes()).unroll(along).unroll(r);
  return f;
}

/// Tokens of a vector are in one page, or one after another in it, as far as the simplifier can see.
Place AttendBlock::placeOf(Expr token) const {
  if (several)
    return {token / int(plan.slots), token % int(plan.slots)};
  if (!plan.ragged)
    return {0, token, firstSlot, plan.slotUnit};
  // Padding of the slots is the region's own; what lies past it is masked, but must not be read.
  Expr vector = firstSlot * int(plan.slotUnit) + token / lanes() * lanes();
  return {0, min(vector, int(plan.slots) - lanes()) + token % lanes()};
}

/// Queries times the numbers or codes of a group; times keys where these have zeros and no sums of queries are at hand.
Func AttendBlock::dotOfKeys() {
  int pack = int(key.codes.pack()), run = int(key.groupChannels());
  Func dot("dot");
  if (key.multipliesBytes()) {
    RDom z(0, 4, 0, int(key.codesInByte()), 0, run / pack, "z");
    Expr first = g * run + z.z * pack;
    Expr code = key.operand(key.codes.byte(head, placeOf(t), first, z.x), z.y);
    dot(t, r, g) = 0;
    dot(t, r, g) += cast<int32_t>(cast<int16_t>(code) * cast<int16_t>(queries(first + key.elementOf(z.x, z.y), r)));
    inVectors(dot, t);
    dot.update().reorder({z.x, t, r, z.y, z.z}).atomic().vectorize(z.x).vectorize(t, lanes()).unroll(t).unroll(r).unroll(z.y);
    if (plan.unroll > 1)
      dot.update().unroll(z.z, int(plan.unroll));
    return dot;
  }
  int together = int(elementsTogether(key.codes.layout(), run)); // elements of an iteration: one where groups end inside words
  RDom z(0, run / together, "z");
  Expr first = g * run + z * together, word = key.codes.word(head, placeOf(t), first);
  dot(t, r, g) = 0.0f;
  Expr total = dot(t, r, g);
  for (int e = 0; e < together; ++e) {
    Expr number = key.number(word, together == pack ? Expr(e) : first % pack);
    if (key.hasZero() && !rounded)
      number = number * key.scale(head, placeOf(t), g) + key.zero(head, placeOf(t), g);
    total = total + cast<float>(queries(first + e, r)) * number;
  }
  dot(t, r, g) = total;
  inVectors(dot, t);
  dot.update().reorder(t, r, z).vectorize(t, lanes()).unroll(t).unroll(r);
  if (plan.unroll > 1)
    dot.update().unroll(z, int(plan.unroll));
  return dot;
}

/// Of a group, queries times keys.
Expr AttendBlock::decoded(Expr dot, const Expr &group) const {
  if (!key.hasScale() || (key.hasZero() && !rounded))
    return dot;
  if (key.multipliesBytes())
    dot = cast<float>(dot);
  if (key.multipliesBytes() && plan.key.shift)
    dot = dot - querySums(r, group) * float(plan.key.shift);
  Expr product = dot * key.scale(head, placeOf(t), group);
  if (!key.hasZero())
    return product;
  Expr start = key.multipliesBytes() ? middleOf(key, placeOf(t), group) : key.zero(head, placeOf(t), group);
  return product + start * querySums(r, group);
}

/// The number that stands for the middle of the codes: sums of codes from there do not cancel with what zeros add.
Expr AttendBlock::middleOf(const StoredStream &stream, const Place &place, const Expr &group) const {
  return stream.zero(head, place, group) + stream.scale(head, place, group) * float(stream.middle());
}

Func AttendBlock::scores() {
  int groups = int(key.groups());
  Func dot = dotOfKeys(), s("scores"), sum("decoded");
  RDom group(0, groups, "group");
  Var to("to"), ti("ti");
  if (groups > 1) {
    sum(t, r) = 0.0f;
    sum(t, r) += decoded(dot(t, r, group), group);
  }
  Expr product = groups > 1 ? Expr(sum(t, r)) : decoded(dot(t, r, 0), 0);
  product = product * (rounded ? Expr(queryScale(r)) : Expr(float(plan.factor)));
  if (plan.score.empty())
    s(t, r) = product;
  else
    s(t, r) = scoreOf(plan.score, {product, positions(r), token + t, heads(r)}, [&](int array) { return arrays(r, array); }) *
              1.44269504f; // log2 e
  s.compute_root()
      .store_in(MemoryType::Stack)
      .split(t, to, ti, int(plan.keySlice))
      .reorder(ti, r, to)
      .vectorize(ti, lanes())
      .unroll(ti)
      .unroll(r);
  if (groups > 1) {
    inVectors(sum.compute_at(s, to), t);
    sum.update().reorder(t, r, group).vectorize(t, lanes()).unroll(t).unroll(r);
    dot.compute_at(sum, group);
  } else {
    dot.compute_at(s, to);
  }
  return s;
}

Func AttendBlock::reduce(const std::string &name, const std::vector<Var> &of, const std::function<Expr(Expr)> &element,
                         const std::function<Expr(Expr, Expr)> &combine, const std::function<void(Func)> &place) {
  std::vector<Expr> vectors;
  for (int64_t first = 0; first < plan.tokens; first += plan.lanes)
    vectors.push_back(element(x + int(first)));
  while (vectors.size() > 1) {
    std::vector<Expr> joined;
    for (size_t i = 0; i < vectors.size(); i += 2)
      joined.push_back(i + 1 < vectors.size() ? combine(vectors[i], vectors[i + 1]) : vectors[i]);
    vectors = joined;
  }
  auto at = [&](const Expr &lane) {
    std::vector<Expr> all(of.begin(), of.end());
    all.insert(all.begin(), lane);
    return all;
  };
  std::vector<Var> lanesAnd(of);
  lanesAnd.insert(lanesAnd.begin(), x);
  Func part(name + "_lanes");
  part(lanesAnd) = vectors[0];
  for (int width = lanes();; width /= 2) {
    place(part);
    part.bound(x, 0, width).vectorize(x).unroll(r);
    if (width == 1)
      break;
    Func half(name + "_" + std::to_string(width / 2));
    half(lanesAnd) = combine(part(at(x)), part(at(x + width / 2)));
    part = half;
  }
  Func total(name);
  total(of) = part(at(0));
  return total;
}

/// Probabilities times the scale of a group of values; nothing where a row does not see the token, whatever the scale there is.
Func AttendBlock::weighted(Func p) {
  Func w("weighted");
  Expr scale = value.scale(head, placeOf(t), g);
  w(t, r, g) = select(t < limits(r), p(t, r) * scale, 0.0f);
  inVectors(w.bound(t, 0, int(plan.tokens)).bound(r, 0, int(plan.rows)).store_in(MemoryType::Stack), t);
  return w;
}

/// Weights as bytes, the greatest of a row and group as the most that a byte holds.
AttendBlock::Bytes AttendBlock::packed(Func w) {
  constexpr float levels = 255, magic = 12582912; // 1.5 * 2^23: what is added to it is rounded to an integer
  Bytes result{Func("packed"), Func("unit"), Func("start"), {}};
  auto place = [&](Func f) { result.parts.push_back(f); };
  // Numbers that are not negative are ordered as their bits are, and NaN is the greatest of them.
  Func bits = reduce(
      "greatest_weight", {r, g}, [&](Expr at) { return reinterpret<uint32_t>(w(at, r, g)); },
      [](Expr a, Expr b) { return max(a, b); }, place);
  Expr greatest = reinterpret<float>(bits(r, g)), perUnit = levels / greatest;
  Func inverse("inverse");
  inverse(r, g) = select(perUnit <= std::numeric_limits<float>::max(), perUnit, 0.0f);
  result.unit(r, g) = greatest * float(1 / levels / double(plan.value.factor)) + greatest * 0.0f; // NaN of infinity
  result.weights(t, r, g) = cast<uint8_t>(reinterpret<uint32_t>(w(t, r, g) * inverse(r, g) + magic) & 255);
  if (plan.value.shift) {
    Func sum = reduce(
        "weights_sum", {r, g}, [&](Expr at) { return cast<int32_t>(result.weights(at, r, g)); },
        [](Expr a, Expr b) { return a + b; }, place);
    result.start(r, g) = sum(r, g) * int(-plan.value.shift);
  } else {
    result.start(r, g) = 0;
  }
  for (Func f : {inverse, result.unit, result.start}) {
    f.bound(r, 0, int(plan.rows)).unroll(r);
    place(f);
  }
  inVectors(result.weights.bound(t, 0, int(plan.tokens)).bound(r, 0, int(plan.rows)).store_in(MemoryType::Stack), t);
  place(result.weights);
  return result;
}

/// Weights times codes, words of four bytes at a time. Tokens of the last word or page that are not there weigh nothing.
AttendBlock::Products AttendBlock::accumulatedBytes(Func p) {
  int pack = int(value.codes.pack()), slots = several ? int(plan.slots) : int(plan.tokens), width = int(value.groupChannels());
  Func w = weighted(p), sums("products");
  Bytes bytes = packed(w);
  Expr perPage = several ? Expr(slots / pack) : (count + pack - 1) / pack, inUse = several ? (count + slots - 1) / slots : Expr(1);
  RDom z({{0, 4}, {0, int(value.codesInByte())}, {0, perPage}, {0, inUse}}, "z");
  Expr inPage = z[2] * pack, token = z[3] * slots + inPage + value.elementOf(z[0], z[1]);
  Place place = several ? Place{z[3], inPage} : Place{0, inPage, firstSlot, plan.slotUnit};
  Expr code = value.operand(value.codes.byte(head, place, g * width + d, z[0]), z[1]);
  // In 16 bits both operands are signed, whatever they were.
  sums(d, g, r) = bytes.start(r, g);
  sums(d, g, r) += cast<int32_t>(code) * cast<int32_t>(bytes.weights(token, r, g));
  inVectors(sums, d);
  sums.update().reorder({z[0], d, r, z[1], z[2], z[3], g}).atomic().vectorize(z[0]).vectorize(d, lanes()).unroll(d).unroll(r);
  sums.update().unroll(z[1]);
  if (plan.unroll > 1)
    sums.update().unroll(z[2], int(plan.unroll));
  std::vector<Func> parts = bytes.parts;
  parts.push_back(w);
  Expr added = cast<float>(sums(d, g, r)) * bytes.unit(r, g);
  if (value.hasZero()) { // what codes are from their middle is in the sums, the middle is the same for all channels of a group
    auto middle = [&](Expr at) { return middleOf(value, placeOf(at), g); };
    Func bias = reduce(
        "bias", {r, g}, [&](Expr at) { return select(at < limits(r), p(at, r) * middle(at), 0.0f); },
        [](Expr a, Expr b) { return a + b; }, [&](Func f) { parts.push_back(f); });
    added = added + bias(r, g);
  }
  return {sums, parts, added};
}

AttendBlock::Products AttendBlock::accumulated(Func p) {
  if (value.multipliesBytes())
    return accumulatedBytes(p);
  int pack = int(value.codes.pack()), slots = several ? int(plan.slots) : int(plan.tokens), width = int(value.groupChannels());
  int together = int(elementsTogether(value.codes.layout(), slots)); // tokens of an iteration: one where pages end inside words
  bool scaled = value.hasScale() && !value.hasZero();
  Func weights = scaled ? weighted(p) : p, products("products");
  // Whole words of tokens, page by page; then the rest, whose words hold tokens that are not there.
  Expr pagesFull = count / slots, rest = count - pagesFull * slots;
  Expr wordsFull = several ? Expr(slots / together) : count / together;
  products(d, g, r) = 0.0f;
  auto add = [&](Expr page, Expr word, bool partial) {
    Expr token = page * slots + word * together, inPage = word * together;
    Place place = several ? Place{page, inPage} : Place{0, inPage, firstSlot, plan.slotUnit};
    Expr stored = value.codes.word(head, place, g * width + d), total = products(d, g, r);
    for (int e = 0; e < together; ++e) {
      Expr number = value.number(stored, together == pack ? Expr(e) : place.slot % pack);
      if (value.hasZero()) {
        Place own = place;
        own.slot = own.slot + e;
        number = number * value.scale(head, own, g) + value.zero(head, own, g);
      }
      if (partial && (value.isScalar() || value.hasZero()))
        number = select(token + e < count, number, 0.0f);
      total = total + (scaled ? weights(token + e, r, g) : weights(token + e, r)) * number;
    }
    products(d, g, r) = total;
  };
  RDom whole(0, wordsFull, 0, several ? pagesFull : Expr(1), "whole");
  add(several ? Expr(whole.y) : Expr(0), whole.x, false);
  bool partial = several || together > 1;
  RDom last(0, ((several ? rest : count - wordsFull * together) + together - 1) / together, "last");
  if (partial)
    add(several ? pagesFull : Expr(0), several ? Expr(last.x) : wordsFull + last.x, true);
  inVectors(products, d);
  products.update(0).reorder({d, r, whole.x, whole.y, g}).vectorize(d, lanes()).unroll(d).unroll(r);
  if (plan.unroll > 1)
    products.update(0).unroll(whole.x, int(plan.unroll));
  if (partial)
    products.update(1).reorder({d, r, last.x, g}).vectorize(d, lanes()).unroll(d).unroll(r);
  return {products, scaled ? std::vector<Func>{weights} : std::vector<Func>{}, products(d, g, r)};
}

void AttendBlock::build(const Target &target, const std::string &file) {
  int rows = int(plan.rows), tokens = int(plan.tokens);
  queries.dim(0).set_bounds(0, int(plan.key.dim)).set_stride(1);
  queries.dim(1).set_bounds(0, rows).set_stride(int(plan.key.dim));
  querySums.dim(0).set_bounds(0, rows).set_stride(1);
  querySums.dim(1).set_min(0).set_stride(int(plan.rowsOfSums));
  for (ImageParam *perRow : {&limits, &queryScale, &positions, &heads, &maximum, &sum})
    perRow->dim(0).set_bounds(0, rows).set_stride(1);
  arrays.dim(0).set_bounds(0, rows).set_stride(1);
  arrays.dim(1).set_min(0).set_stride(rows);
  pages.dim(0).set_bounds(0, 2).set_stride(1);
  pages.dim(1).set_bounds(0, int(plan.pages)).set_stride(2);

  Func s = scores(), greatest("greatest"), reference("reference"), correction("correction"), p("p");
  s.bound(t, 0, tokens).bound(r, 0, rows);
  auto atRoot = [](Func f) { f.compute_root(); };
  Expr lowest = -Expr(std::numeric_limits<float>::infinity());
  Func blockMax = reduce(
      "block_max", {r}, [&](Expr at) { return select(at < limits(r), s(at, r), lowest); }, greater, atRoot);
  greatest(r) = greater(blockMax(r), maximum(r));
  reference(r) = greater(greatest(r), -1e38f); // finite, so that a row without keys gives exp2Of(-inf), not exp2Of(NaN)
  correction(r) = exp2Of(maximum(r) - reference(r));
  p(t, r) = select(t < limits(r), exp2Of(s(t, r) - reference(r)), 0.0f);
  for (Func f : {greatest, reference, correction})
    f.compute_root().bound(r, 0, rows).unroll(r);
  inVectors(p.compute_root().store_in(MemoryType::Stack).bound(t, 0, tokens).bound(r, 0, rows), t);
  Func added = reduce(
      "added", {r}, [&](Expr at) { return p(at, r); }, [](Expr a, Expr b) { return a + b; }, atRoot);

  Func newMaximum("new_maximum"), newSum("new_sum"), accumulator("accumulator");
  newMaximum(r) = greatest(r);
  newSum(r) = sum(r) * correction(r) + added(r);
  Products products = accumulated(p);
  accumulator(d, g, r) = undef<float>();
  accumulator(d, g, r) = accumulator(d, g, r) * correction(r) + products.added;
  for (Func f : {newMaximum, newSum}) {
    f.bound(r, 0, rows).unroll(r);
    f.output_buffer().dim(0).set_bounds(0, rows).set_stride(1);
  }
  Var outer("do"), inner("di");
  int width = int(value.groupChannels()), groups = int(value.groups());
  accumulator.bound(d, 0, width).bound(g, 0, groups).bound(r, 0, rows);
  accumulator.update().split(d, outer, inner, int(plan.valueSlice)).reorder(inner, r, outer, g);
  accumulator.update().vectorize(inner, lanes()).unroll(inner).unroll(r);
  products.sums.compute_at(accumulator, outer);
  for (Func f : products.ofGroup)
    f.compute_at(accumulator, g);
  accumulator.output_buffer().dim(0).set_bounds(0, width).set_stride(1);
  accumulator.output_buffer().dim(1).set_bounds(0, groups).set_stride(width);
  accumulator.output_buffer().dim(2).set_bounds(0, rows).set_stride(int(plan.value.dim));

  std::vector<Argument> arguments = {queries, limits};
  if (rounded)
    arguments.push_back(queryScale);
  if (hasSums())
    arguments.push_back(querySums);
  if (!plan.score.empty())
    arguments.insert(arguments.end(), {positions, heads, arrays});
  for (const StoredStream *stream : {&key, &value})
    for (const Argument &argument : stream->arguments())
      arguments.push_back(argument);
  if (several)
    arguments.push_back(pages);
  arguments.insert(arguments.end(), {maximum, sum, count, head, firstSlot});
  if (!plan.score.empty())
    arguments.push_back(token);
  if (plan.aheadBytes)
    arguments.push_back(ahead);
  Pipeline({newMaximum, newSum, accumulator}).compile_to_bitcode(file, arguments, plan.name, target);
}

} // namespace

void buildBlock(const Block &plan, const Target &target, const std::string &file) { AttendBlock(plan).build(target, file); }

} // namespace kv::halide
