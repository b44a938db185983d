// Functions of f32 as expressions of additions and products: Halide's own are calls, or differ between its backends.
#ifndef KVCC_HALIDE_MATH_H
#define KVCC_HALIDE_MATH_H

#include <Halide.h>

namespace kv::halide {

/// The nearest integer, of numbers below 2^22.
Halide::Expr nearest(const Halide::Expr &x);
/// a / b, or 0 where that is not finite.
Halide::Expr finiteQuotient(const Halide::Expr &a, const Halide::Expr &b);
/// b where either is NaN.
Halide::Expr greater(const Halide::Expr &a, const Halide::Expr &b);
/// 2^x; 0 at -127 and below, infinity from 128 on; NaN stays NaN.
Halide::Expr exp2Of(const Halide::Expr &x);
Halide::Expr expOf(const Halide::Expr &x);
/// -infinity of 0, NaN below.
Halide::Expr logOf(const Halide::Expr &x);
Halide::Expr tanhOf(const Halide::Expr &x);
Halide::Expr powOf(const Halide::Expr &base, const Halide::Expr &exponent);

} // namespace kv::halide

#endif
