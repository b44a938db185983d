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
      : plan(plan), several(plan.pages > 1), key("keys", plan.key, "d", several ? &pages : nullptr),
        value("values", plan.value, "t", several ? &pages : nullptr) {}
  void build(const Target &target, const std::string &file);

private:
  const Block &plan;
  const bool several;
  ImageParam pages{Int(32), 2, "pages"};
  StoredStream key, value;
  ImageParam queries{Float(32), 2, "queries"}, limits{Int(32), 1, "limits"}, ahead{UInt(64), 1, "ahead"};
  ImageParam maximum{Float(32), 1, "maximum"}, sum{Float(32), 1, "sum"};
  ImageParam positions{Int(32), 1, "positions"}, heads{Int(32), 1, "heads"}, arrays{Float(32), 2, "arrays"};
  Param<int> token{"token"}, count{"count"}, head{"head"}, firstSlot{"first_slot"};
  Var t{"t"}, d{"d"}, g{"g"}, r{"r"}, x{"x"}; ///< d: channels; of values inside group g

  int lanes() const { return int(plan.lanes); }
  Place placeOf(Expr token) const;
  Func scores();
  struct Products {
    Func sums, weights;
  };
  Products accumulated(Func p);
  Func weighted(Func p);
  /// One number for each row, of all tokens, in one order for every length.
  Func reduce(const std::string &name, const std::function<Expr(Expr, Expr)> &element,
              const std::function<Expr(Expr, Expr)> &combine);
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
  Expr slot = firstSlot * int(plan.slotUnit) + token;
  if (plan.ragged) { // padding of the slots is the region's own; what lies past it is masked, but must not be read
    Expr vector = firstSlot * int(plan.slotUnit) + token / lanes() * lanes();
    slot = min(vector, int(plan.slots) - lanes()) + token % lanes();
  }
  return {0, slot};
}

Func AttendBlock::scores() {
  int pack = int(key.codes.pack()), run = int(key.groupChannels()), groups = int(key.groups());
  int together = int(elementsTogether(key.codes.layout(), run)); // elements of an iteration: one where groups end inside words
  Func dot("dot"), s("scores");
  RDom z(0, run / together, "z");
  dot(t, r, g) = 0.0f;
  Expr first = g * run + z * together, word = key.codes.word(head, placeOf(t), first);
  Expr total = dot(t, r, g);
  for (int e = 0; e < together; ++e) {
    Expr number = key.number(word, together == pack ? Expr(e) : first % pack);
    if (key.hasZero())
      number = number * key.scale(head, placeOf(t), g) + key.zero(head, placeOf(t), g);
    total = total + queries(first + e, r) * number;
  }
  dot(t, r, g) = total;
  Func decoded("decoded");
  RDom group(0, groups, "group");
  auto scaled = [&](Expr of) {
    return key.hasScale() && !key.hasZero() ? dot(t, r, of) * key.scale(head, placeOf(t), of) : dot(t, r, of);
  };
  Var to("to"), ti("ti");
  Func outer = groups > 1 ? decoded : s;
  if (groups > 1) {
    decoded(t, r) = 0.0f;
    decoded(t, r) += scaled(group);
  }
  Expr product = (groups > 1 ? Expr(decoded(t, r)) : scaled(0)) * float(plan.factor);
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
    inVectors(decoded.compute_at(s, to), t);
    decoded.update().reorder(t, r, group).vectorize(t, lanes()).unroll(t).unroll(r);
    dot.compute_at(decoded, group);
  } else {
    dot.compute_at(s, to);
  }
  inVectors(dot, t);
  dot.update().reorder(t, r, z).vectorize(t, lanes()).unroll(t).unroll(r);
  if (plan.unroll > 1)
    dot.update().unroll(z, int(plan.unroll));
  return s;
}

Func AttendBlock::reduce(const std::string &name, const std::function<Expr(Expr, Expr)> &element,
                         const std::function<Expr(Expr, Expr)> &combine) {
  std::vector<Expr> vectors;
  for (int64_t first = 0; first < plan.tokens; first += plan.lanes)
    vectors.push_back(element(x + int(first), r));
  while (vectors.size() > 1) {
    std::vector<Expr> joined;
    for (size_t i = 0; i < vectors.size(); i += 2)
      joined.push_back(i + 1 < vectors.size() ? combine(vectors[i], vectors[i + 1]) : vectors[i]);
    vectors = joined;
  }
  Func part(name + "_lanes");
  part(x, r) = vectors[0];
  part.compute_root().bound(x, 0, lanes()).vectorize(x).unroll(r);
  for (int width = lanes() / 2; width >= 1; width /= 2) {
    Func half(name + "_" + std::to_string(width));
    half(x, r) = combine(part(x, r), part(x + width, r));
    half.compute_root().bound(x, 0, width).vectorize(x).unroll(r);
    part = half;
  }
  Func total(name);
  total(r) = part(0, r);
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

AttendBlock::Products AttendBlock::accumulated(Func p) {
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
    Place place = several ? Place{page, inPage} : Place{0, firstSlot * int(plan.slotUnit) + inPage};
    Expr stored = value.codes.word(head, place, g * width + d), total = products(d, g, r);
    for (int e = 0; e < together; ++e) {
      Expr number = value.number(stored, together == pack ? Expr(e) : place.slot % pack);
      if (value.hasZero()) {
        Place own{place.page, place.slot + e};
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
  return {products, weights};
}

void AttendBlock::build(const Target &target, const std::string &file) {
  int rows = int(plan.rows), tokens = int(plan.tokens);
  queries.dim(0).set_bounds(0, int(plan.key.dim)).set_stride(1);
  queries.dim(1).set_bounds(0, rows).set_stride(int(plan.key.dim));
  for (ImageParam *perRow : {&limits, &positions, &heads, &maximum, &sum})
    perRow->dim(0).set_bounds(0, rows).set_stride(1);
  arrays.dim(0).set_bounds(0, rows).set_stride(1);
  arrays.dim(1).set_min(0).set_stride(rows);
  pages.dim(0).set_bounds(0, 2).set_stride(1);
  pages.dim(1).set_bounds(0, int(plan.pages)).set_stride(2);

  Func s = scores(), greatest("greatest"), reference("reference"), correction("correction"), p("p");
  s.bound(t, 0, tokens).bound(r, 0, rows);
  Expr lowest = -Expr(std::numeric_limits<float>::infinity());
  Func blockMax = reduce(
      "block_max", [&](Expr at, Expr row) { return select(at < limits(row), s(at, row), lowest); }, greater);
  greatest(r) = greater(blockMax(r), maximum(r));
  reference(r) = greater(greatest(r), -1e38f); // finite, so that a row without keys gives exp2Of(-inf), not exp2Of(NaN)
  correction(r) = exp2Of(maximum(r) - reference(r));
  p(t, r) = select(t < limits(r), exp2Of(s(t, r) - reference(r)), 0.0f);
  for (Func f : {greatest, reference, correction})
    f.compute_root().bound(r, 0, rows).unroll(r);
  inVectors(p.compute_root().store_in(MemoryType::Stack).bound(t, 0, tokens).bound(r, 0, rows), t);
  Func added = reduce(
      "added", [&](Expr at, Expr row) { return p(at, row); }, [](Expr a, Expr b) { return a + b; });

  Func newMaximum("new_maximum"), newSum("new_sum"), accumulator("accumulator");
  newMaximum(r) = greatest(r);
  newSum(r) = sum(r) * correction(r) + added(r);
  Products products = accumulated(p);
  accumulator(d, g, r) = undef<float>();
  accumulator(d, g, r) = accumulator(d, g, r) * correction(r) + products.sums(d, g, r);
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
  if (value.hasScale() && !value.hasZero())
    products.weights.compute_at(accumulator, g);
  accumulator.output_buffer().dim(0).set_bounds(0, width).set_stride(1);
  accumulator.output_buffer().dim(1).set_bounds(0, groups).set_stride(width);
  accumulator.output_buffer().dim(2).set_bounds(0, rows).set_stride(int(plan.value.dim));

  std::vector<Argument> arguments = {queries, limits};
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
