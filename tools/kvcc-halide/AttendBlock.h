// A function that takes a row tile through a block: see Block in compiler/halide/Plan.h.
//
//   s(t, r)   = sum over d of q(d, r) * k(d, t), or a score of that     tokens along lanes     KeyScores.cpp
//   m'(r)     = max(m(r), max over t of s(t, r)),  c(r) = exp2Of((m(r) - m'(r)) * u(r))        AttendBlock.cpp
//   p(t, r)   = exp2Of((s(t, r) - m'(r)) * u(r)), 0 where the row does not see the token       u: a unit of s in those of log2
//   sum'(r)   = sum(r) * c(r) + sum over t of p(t, r)
//   acc(d, r) = acc(d, r) * c(r) + sum over t of p(t, r) * v(d, t)      channels along lanes   ValueProducts.cpp
//
// Every operation is rounded as written, but for products that are added: those may be fused.
#ifndef KVCC_HALIDE_ATTEND_BLOCK_H
#define KVCC_HALIDE_ATTEND_BLOCK_H

#include "tools/kvcc-halide/StoredStream.h"

#include <functional>

namespace kv::halide {

class AttendBlock {
public:
  explicit AttendBlock(const Block &plan)
      : plan(plan), several(plan.pages > 1),
        key("keys", plan.key, "d", several ? &pages : nullptr, plan.key.group ? plan.key.group : plan.key.dim),
        value("values", plan.value, "t", several ? &pages : nullptr, several ? plan.slots : plan.tokens) {}
  void build(const Halide::Target &target, const std::string &file);

private:
  const Block &plan;
  const bool several;
  Halide::ImageParam pages{Halide::Int(32), 2, "pages"};
  StoredStream key, value;
  /// Queries that the dot of keys rounds are bytes.
  const bool rounded = plan.key.dot != "f32";
  Halide::ImageParam queryScale{Halide::Float(32), 1, "query_scale"}, querySums{Halide::Float(32), 2, "query_sums"};
  Halide::ImageParam queries{rounded ? Halide::Int(8) : Halide::Float(32), 2, "queries"}, limits{Halide::Int(32), 1, "limits"},
      ahead{Halide::UInt(64), 1, "ahead"}, rest{Halide::Int(8), 2, "rest"};
  Halide::ImageParam maximum{Halide::Float(32), 1, "maximum"}, sum{Halide::Float(32), 1, "sum"};
  Halide::ImageParam positions{Halide::Int(32), 1, "positions"}, heads{Halide::Int(32), 1, "heads"},
      arrays{Halide::Float(32), 2, "arrays"};
  Halide::Param<int> token{"token"}, count{"count"}, head{"head"}, firstSlot{"first_slot"}, refined{"refined"};
  Halide::Var t{"t"}, d{"d"}, g{"g"}, r{"r"}, x{"x"}; ///< d: channels; of values inside group g

  int lanes() const { return int(plan.lanes); }
  Place placeOf(Halide::Expr token) const;
  /// A product of row r as a score, in units of log2 where there is no expression.
  Halide::Expr rowUnit() const { return rounded ? Halide::Expr(queryScale(r)) : Halide::Expr(float(plan.factor)); }
  Halide::Expr middleOf(const StoredStream &stream, const Place &place, const Halide::Expr &group) const;

  // KeyScores.cpp
  bool hasSums() const { return rounded && (plan.key.shift || key.hasZero()); }
  Halide::Func dotOfKeys();
  Halide::Expr decoded(Halide::Expr dot, const Halide::Expr &group) const;
  Halide::Func scores();

  // ValueProducts.cpp
  struct Products {
    Halide::Func sums;
    std::vector<Halide::Func> ofGroup; ///< computed for a group of channels
    Halide::Expr added;                ///< to the accumulator of d, g, r
  };
  struct Bytes {
    Halide::Func weights, unit, start; ///< unit: of a product; start: of a sum
    std::vector<Halide::Func> parts;   ///< all there is to compute
  };
  Bytes packed(Halide::Func weights);
  Products accumulatedBytes(Halide::Func p);
  Products accumulated(Halide::Func p);
  Halide::Func weighted(Halide::Func p);

  /// One number of all tokens for each `of`, in one order for every length.
  Halide::Func reduce(const std::string &name, const std::vector<Halide::Var> &of,
                      const std::function<Halide::Expr(Halide::Expr)> &element,
                      const std::function<Halide::Expr(Halide::Expr, Halide::Expr)> &combine,
                      const std::function<void(Halide::Func)> &place);
  /// All of a Func's first dimension in vectors, unrolled, and all rows.
  Halide::Func inVectors(Halide::Func f, Halide::Var along);
};

} // namespace kv::halide

#endif
