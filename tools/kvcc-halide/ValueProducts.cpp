// Probabilities times values, channels along lanes.
#include "tools/kvcc-halide/AttendBlock.h"
#include "tools/kvcc-halide/Math.h"

using namespace Halide;

namespace kv::halide {

constexpr double weightLift = 0x1p24;

/// Probabilities times the scale of a group of values; nothing where a row does not see the token, whatever the scale there is.
Func AttendBlock::weighted(Func p) {
  Func w("weighted");
  Expr scale = value.scale(head, placeOf(t), g);
  if (value.multipliesBytes()) // what scales near the least numbers weigh has an inverse, too
    scale = scale * float(weightLift);
  w(t, r, g) = select(t < limits(r), p(t, r) * scale, 0.0f);
  inVectors(w.bound(t, 0, int(plan.tokens)).bound(r, 0, int(plan.rows)).store_in(MemoryType::Stack), t);
  return w;
}

/// Weights as bytes, the greatest of a row and group as the most that a byte holds.
AttendBlock::Bytes AttendBlock::packed(Func w) {
  const Type byte = plan.value.dot.ends_with("s8") ? Int(8) : UInt(8);
  const float levels = byte.is_int() ? 127 : 255;
  Bytes result{Func("packed"), Func("unit"), Func("start"), {}};
  auto place = [&](Func f) { result.parts.push_back(f); };
  // Numbers that are not negative are ordered as their bits are, and NaN is the greatest of them.
  Func bits = reduce(
      "greatest_weight", {r, g}, [&](Expr at) { return reinterpret<uint32_t>(w(at, r, g)); },
      [](Expr a, Expr b) { return max(a, b); }, place);
  Expr greatest = reinterpret<float>(bits(r, g));
  Func inverse("inverse");
  inverse(r, g) = finiteQuotient(levels, greatest);
  result.unit(r, g) =
      greatest * float(1 / double(levels) / double(plan.value.factor) / weightLift) + greatest * 0.0f; // NaN of infinity
  result.weights(t, r, g) = cast(byte, nearest(w(t, r, g) * inverse(r, g)));
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
  // Whole words of tokens that all rows see, page by page; then the rest, whose words hold tokens that are not there or that a row
  // does not see.
  Expr common = plan.spread ? max(count - int(plan.spread), 0) : Expr(count);
  Expr pagesFull = common / slots, left = count - pagesFull * slots;
  Expr wordsFull = several ? Expr(slots / together) : common / together;
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
        number = select(token + e < (plan.spread ? Expr(limits(r)) : Expr(count)), number, 0.0f);
      total = total + (scaled ? weights(token + e, r, g) : weights(token + e, r)) * number;
    }
    products(d, g, r) = total;
  };
  RDom whole(0, wordsFull, 0, several ? pagesFull : Expr(1), "whole");
  add(several ? Expr(whole.y) : Expr(0), whole.x, false);
  bool partial = several || together > 1 || plan.spread;
  RDom last(0, ((several ? left : count - wordsFull * together) + together - 1) / together, "last");
  if (partial) {
    int words = slots / together; // of a page
    bool onePage = !several || !plan.spread;
    add(several ? (onePage ? pagesFull : pagesFull + last.x / words) : Expr(0),
        several ? (onePage ? Expr(last.x) : last.x % words) : wordsFull + last.x, true);
  }
  inVectors(products, d);
  products.update(0).reorder({d, r, whole.x, whole.y, g}).vectorize(d, lanes()).unroll(d).unroll(r);
  if (plan.unroll > 1)
    products.update(0).unroll(whole.x, int(plan.unroll));
  if (partial)
    products.update(1).reorder({d, r, last.x, g}).vectorize(d, lanes()).unroll(d).unroll(r);
  return {products, scaled ? std::vector<Func>{weights} : std::vector<Func>{}, products(d, g, r)};
}

} // namespace kv::halide
