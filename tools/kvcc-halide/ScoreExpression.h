// The score expression of an attend, from a plan's list of operations.
#ifndef KVCC_HALIDE_SCORE_EXPRESSION_H
#define KVCC_HALIDE_SCORE_EXPRESSION_H

#include "compiler/halide/Plan.h"

#include <Halide.h>
#include <functional>

namespace kv::halide {

/// `known`: the score, the positions of query and key, the head; `array`: the row's number in a declared array.
Halide::Expr scoreOf(const std::vector<ScoreOp> &ops, std::vector<Halide::Expr> known,
                     const std::function<Halide::Expr(int)> &array);

} // namespace kv::halide

#endif
