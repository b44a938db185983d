// Scores: queries times keys, tokens along lanes.
#include "tools/kvcc-halide/AttendBlock.h"
#include "tools/kvcc-halide/ScoreExpression.h"

using namespace Halide;

namespace kv::halide {

/// Queries times the numbers or codes of a group; times keys where these have zeros and no sums of queries are at hand.
Func AttendBlock::dotOfKeys() {
  int pack = int(key.codes.pack()), run = int(key.groupChannels());
  Func dot("dot");
  if (key.multipliesBytes()) {
    dot(t, r, g) = 0;
    inVectors(dot, t);
    auto add = [&](const ImageParam &rows, const Expr &words) {
      RDom z({{0, 4}, {0, int(key.codesInByte())}, {0, words}}, "z");
      Expr first = g * run + z.z * pack;
      Expr code = key.operand(key.codes.byte(head, placeOf(t), first, z.x), z.y);
      dot(t, r, g) += cast<int32_t>(cast<int16_t>(code) * cast<int16_t>(rows(first + key.elementOf(z.x, z.y), r)));
      Stage stage = dot.update(dot.num_update_definitions() - 1);
      stage.reorder({z.x, t, r, z.y, z.z}).atomic().vectorize(z.x).vectorize(t, lanes()).unroll(t).unroll(r).unroll(z.y);
      return std::pair(stage, z.z);
    };
    // What rounding has left, where rows have outliers; then the rows.
    add(rest, run / pack * refined);
    RDom once(0, refined, "once");
    dot(t, r, g) = dot(t, r, g) >> (8 + 0 * once);
    dot.update(1).reorder(t, r, once).vectorize(t, lanes()).unroll(t).unroll(r);
    auto [stage, word] = add(queries, run / pack);
    if (plan.unroll > 1)
      stage.unroll(word, int(plan.unroll));
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
  if (plan.score.empty())
    s(t, r) = product;
  else
    s(t, r) =
        scoreOf(plan.score, {product * rowUnit(), positions(r), token + t, heads(r)}, [&](int array) { return arrays(r, array); });
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

} // namespace kv::halide
