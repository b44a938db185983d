// Softmax of a block, and what scores and products are put together to.
#include "tools/kvcc-halide/AttendBlock.h"

#include "tools/kvcc-halide/Functions.h"
#include "tools/kvcc-halide/Math.h"

using namespace Halide;

namespace kv::halide {

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
  // A vector that starts at a slot is the region's own; what lies past it is masked, but must not be read.
  Expr vector = firstSlot * int(plan.slotUnit) + token / lanes() * lanes();
  return {0, min(vector, int(plan.slots - plan.lanes)) + token % lanes()};
}

/// The number that stands for the middle of the codes: sums of codes from there do not cancel with what zeros add.
Expr AttendBlock::middleOf(const StoredStream &stream, const Place &place, const Expr &group) const {
  return stream.zero(head, place, group) + stream.scale(head, place, group) * float(stream.middle());
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

void AttendBlock::build(const Target &target, const std::string &file) {
  int rows = int(plan.rows), tokens = int(plan.tokens);
  for (ImageParam *perChannel : {&queries, &rest}) {
    perChannel->dim(0).set_bounds(0, int(plan.key.dim)).set_stride(1);
    perChannel->dim(1).set_bounds(0, rows).set_stride(int(plan.key.dim));
  }
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
  // Finite, so that a row without keys gives exp2Of(-inf), not exp2Of(NaN).
  reference(r) = greater(greatest(r), -std::numeric_limits<float>::max());
  Expr unit = plan.score.empty() ? rowUnit() : Expr(1.44269504f); // log2 e
  correction(r) = exp2Of((maximum(r) - reference(r)) * unit);
  p(t, r) = select(t < limits(r), exp2Of((s(t, r) - reference(r)) * unit), 0.0f);
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
  if (rounded)
    arguments.push_back(rest);
  if (!plan.score.empty())
    arguments.insert(arguments.end(), {positions, heads, arrays});
  for (const StoredStream *stream : {&key, &value})
    for (const Argument &argument : stream->arguments())
      arguments.push_back(argument);
  if (several)
    arguments.push_back(pages);
  arguments.insert(arguments.end(), {maximum, sum, count, head, firstSlot});
  if (rounded)
    arguments.push_back(refined);
  if (!plan.score.empty())
    arguments.push_back(token);
  if (plan.aheadBytes)
    arguments.push_back(ahead);
  Pipeline({newMaximum, newSum, accumulator}).compile_to_bitcode(file, arguments, plan.name, target);
}

void buildBlock(const Block &plan, const Target &target, const std::string &file) { AttendBlock(plan).build(target, file); }

} // namespace kv::halide
