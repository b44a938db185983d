// FloatTest.cpp: rounding of every format against a search of the nearest number, and floating-point instructions.
#include "Harness.h"

#include "FloatFormats.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

using namespace kv::ptx;
using namespace kv::ptx::test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// All finite numbers of a format of at most 16 bits, ascending, decoded by the definition of IEEE 754.
struct Numbers {
  explicit Numbers(int exponentBits, int fractionBits, bool infinities) {
    const int bias = (1 << (exponentBits - 1)) - 1;
    for (uint32_t bits = 0; bits < 1u << (exponentBits + fractionBits); ++bits) {
      const uint32_t exponent = bits >> fractionBits, fraction = bits & ((1u << fractionBits) - 1);
      const bool top = exponent == (1u << exponentBits) - 1;
      if (top && (infinities || fraction == (1u << fractionBits) - 1))
        break;
      const double scale = std::pow(2.0, int(exponent ? exponent : 1) - bias);
      values.push_back(scale * ((exponent ? 1 : 0) + double(fraction) / (1u << fractionBits)));
    }
  }
  /// Bits of the positive number nearest to x >= 0, ties to even.
  uint32_t nearest(double x) const {
    const size_t above = size_t(std::lower_bound(values.begin(), values.end(), x) - values.begin());
    if (above == 0)
      return 0;
    if (above == values.size()) { // half a step beyond the largest is infinity
      const double step = values.back() - values[values.size() - 2];
      const double end = values.back() + step / 2;
      return uint32_t(x < end || (x == end && above % 2) ? above - 1 : above);
    }
    const double low = x - values[above - 1], high = values[above] - x;
    return uint32_t(low < high || (low == high && above % 2) ? above - 1 : above);
  }
  uint32_t below(double x) const { return uint32_t(std::upper_bound(values.begin(), values.end(), x) - values.begin() - 1); }
  std::vector<double> values;
};

std::vector<double> samples(const Numbers &numbers) {
  std::mt19937_64 random(5);
  std::vector<double> result = {0, 1, 0.1, 1e-30, 1e-300, 1e300, numbers.values.back()};
  for (int i = 0; i < 4000; ++i) {
    const size_t at = random() % (numbers.values.size() - 1);
    const double a = numbers.values[at], b = numbers.values[at + 1], middle = a + (b - a) / 2;
    for (double x :
         {a, middle, std::nextafter(middle, 0.0), std::nextafter(middle, infinity), a + (b - a) * double(random() % 1000) / 1000})
      result.push_back(x);
  }
  const double step = numbers.values.back() - numbers.values[numbers.values.size() - 2];
  for (double by : {0.25, 0.5, 0.75, 1.0, 2.0})
    result.push_back(numbers.values.back() + by * step);
  return result;
}

uint64_t f32(const std::string &op, const std::vector<double> &values) {
  std::vector<Source> sources;
  for (double value : values)
    sources.push_back({32, {test::bitsOf(float(value))}});
  return evaluate(op, 32, sources)[0];
}

} // namespace

TEST(Float, EncodeFindsTheNearestNumber) {
  const std::pair<Format, Numbers> formats[] = {{formatF16, Numbers(5, 10, true)},
                                                {formatBF16, Numbers(8, 7, true)},
                                                {formatE4M3, Numbers(4, 3, false)},
                                                {formatE5M2, Numbers(5, 2, true)}};
  for (const auto &[format, numbers] : formats)
    for (double x : samples(numbers)) {
      const uint32_t sign = 1u << (format.bits() - 1), top = uint32_t(numbers.values.size()) - 1;
      ASSERT_EQ(encode(format, x), numbers.nearest(x)) << x << " in " << format.fractionBits;
      ASSERT_EQ(encode(format, -x), numbers.nearest(x) | sign);
      ASSERT_EQ(encode(format, x, Rounding::nearest, true), std::min(numbers.nearest(x), top));
      ASSERT_EQ(encode(format, x, Rounding::zero), numbers.below(x));
      ASSERT_EQ(encode(format, -x, Rounding::up), numbers.below(x) | sign);
      const uint32_t up = numbers.below(x) + (numbers.values[numbers.below(x)] < x);
      ASSERT_EQ(encode(format, x, Rounding::up), up);
    }
  EXPECT_EQ(formatF16.largest(), 0x7bffu);
  EXPECT_EQ(formatE4M3.largest(), 0x7eu);
  EXPECT_EQ(encode(formatF16, infinity), 0x7c00u);
  EXPECT_EQ(encode(formatE4M3, -infinity, Rounding::nearest, true), 0xfeu);
  EXPECT_EQ(encode(formatE5M2, NAN), 0x7fu);
}

TEST(Float, DecodeIsTheDefinition) {
  const Numbers half(5, 10, true), small(4, 3, false);
  for (uint32_t bits = 0; bits < half.values.size(); ++bits) {
    ASSERT_EQ(halfToDouble(Type::f16, bits), half.values[bits]);
    ASSERT_EQ(halfToDouble(Type::f16, bits | 0x8000), -half.values[bits]);
    ASSERT_EQ(decode(formatF16, bits), half.values[bits]);
  }
  for (uint32_t bits = 0; bits < small.values.size(); ++bits)
    ASSERT_EQ(decode(formatE4M3, bits), small.values[bits]);
  EXPECT_TRUE(std::isnan(halfToDouble(Type::f16, 0x7c01)));
  EXPECT_EQ(halfToDouble(Type::f16, 0xfc00), -infinity);
}

TEST(Float, HostRoundingAgreesForF32) {
  std::mt19937_64 random(9);
  for (int i = 0; i < 100000; ++i) {
    const double x = std::bit_cast<double>((random() & 0x800fffffffffffff) | uint64_t(1023 - 160 + random() % 300) << 52);
    ASSERT_EQ(encode(formatF32, x), std::bit_cast<uint32_t>(float(x))) << x;
  }
}

TEST(Float, FusedHalvesRoundOnce) {
  // (1 + 2^-10)^2 = 1 + 2^-9 + 2^-20: less 1 + 2^-9 only the last term is left.
  const uint64_t a = 0x3c01; // 1 + 2^-10
  EXPECT_EQ(evaluate("fma.rn.f16", 16, {{16, {a}}, {16, {a}}, {16, {0xbc02}}})[0], 0x0010u);
  EXPECT_EQ(evaluate("fma.rn.f16", 16, {{16, {0x3c00}}, {16, {0x0001}}, {16, {0x6800}}})[0], 0x6800u);
  EXPECT_EQ(evaluate("fma.rn.f16", 16, {{16, {0x6801}}, {16, {0x3c00}}, {16, {0x0001}}})[0], 0x6801u);
  EXPECT_EQ(evaluate("add.f16", 16, {{16, {0x6800}}, {16, {0x3c00}}})[0], 0x6800u); // 2048 + 1: to even
  EXPECT_EQ(evaluate("add.rn.f16x2", 32, {{32, {0x3c006801}}, {32, {0x40003c00}}})[0], 0x42006802u);
  EXPECT_EQ(evaluate("mul.bf16", 16, {{16, {0x3fc0}}, {16, {0x3fc0}}})[0], 0x4010u);
  EXPECT_EQ(evaluate("fma.rn.relu.f16", 16, {{16, {0x3c00}}, {16, {0xbc00}}, {16, {0}}})[0], 0u);
  EXPECT_EQ(evaluate("max.f16", 16, {{16, {0x7e00}}, {16, {0x3c00}}})[0], 0x3c00u);
  EXPECT_EQ(evaluate("max.NaN.f16", 16, {{16, {0x7e00}}, {16, {0x3c00}}})[0], 0x7fffu);
  EXPECT_EQ(evaluate("neg.f16x2", 32, {{32, {0x3c00bc00}}})[0], 0xbc003c00u);
  EXPECT_EQ(evaluate("ex2.approx.f16", 16, {{16, {0x4000}}})[0], 0x4400u);
}

TEST(Float, MixedPrecisionRoundsOnceToF32) {
  const uint64_t half = test::bitsOf(0.5f), tiny = test::bitsOf(0x1p-24f);
  EXPECT_EQ(evaluate("add.rn.f32.f16", 32, {{16, {0x3c00}}, {32, {half}}})[0], test::bitsOf(1.5f));
  EXPECT_EQ(evaluate("add.rp.f32.f16", 32, {{16, {0x3c00}}, {32, {tiny}}})[0], test::bitsOf(std::nextafter(1.0f, 2.0f)));
  EXPECT_EQ(evaluate("sub.rn.f32.f16", 32, {{16, {0x3c00}}, {32, {half}}})[0], test::bitsOf(0.5f));
  EXPECT_EQ(evaluate("add.rn.f32.bf16", 32, {{16, {0x4040}}, {32, {half}}})[0], test::bitsOf(3.5f));
  EXPECT_EQ(evaluate("fma.rn.f32.f16", 32, {{16, {0x4200}}, {16, {0xc000}}, {32, {half}}})[0], test::bitsOf(-5.5f));
}

TEST(Float, F32Arithmetic) {
  EXPECT_EQ(f32("add.rn.f32", {1, 0x1p-24}), test::bitsOf(1.0f));
  EXPECT_EQ(f32("add.rp.f32", {1, 0x1p-24}), test::bitsOf(std::nextafter(1.0f, 2.0f)));
  EXPECT_EQ(f32("add.rz.f32", {-1, -0x1.8p-24}), test::bitsOf(-1.0f));
  EXPECT_EQ(f32("add.rm.f32", {-1, -0x1p-60}), test::bitsOf(std::nextafter(-1.0f, -2.0f)));
  EXPECT_EQ(f32("sub.f32", {1, 3}), test::bitsOf(-2.0f));
  EXPECT_EQ(f32("mul.rz.f32", {1.1f, 1.1f}), test::bitsOf(1.21f) - (double(1.21f) > double(1.1f) * double(1.1f)));
  EXPECT_EQ(f32("fma.rn.f32", {1 + 0x1p-23, 1 + 0x1p-23, -1}), test::bitsOf(float(0x1p-22 + 0x1p-46)));
  EXPECT_EQ(f32("div.rn.f32", {1, 3}), test::bitsOf(1.0f / 3));
  EXPECT_EQ(f32("div.rp.f32", {1, 3}), test::bitsOf(1.0f / 3));
  EXPECT_EQ(f32("div.rm.f32", {1, 3}), test::bitsOf(1.0f / 3) - 1);
  EXPECT_EQ(f32("rcp.approx.ftz.f32", {4}), test::bitsOf(0.25f));
  EXPECT_EQ(f32("sqrt.rm.f32", {2}), test::bitsOf(std::sqrt(2.0f)));
  EXPECT_EQ(f32("sqrt.rp.f32", {2}), test::bitsOf(std::sqrt(2.0f)) + 1);
  EXPECT_EQ(f32("rsqrt.approx.f32", {4}), test::bitsOf(0.5f));
  EXPECT_EQ(f32("ex2.approx.ftz.f32", {-3}), test::bitsOf(0.125f));
  EXPECT_EQ(f32("ex2.approx.f32", {-infinity}), 0u);
  EXPECT_EQ(f32("ex2.approx.f32", {-140}), test::bitsOf(0x1p-140f));
  EXPECT_EQ(f32("ex2.approx.ftz.f32", {-140}), 0u);
  EXPECT_EQ(f32("lg2.approx.f32", {8}), test::bitsOf(3.0f));
  EXPECT_EQ(f32("tanh.approx.f32", {0}), 0u);
  EXPECT_EQ(f32("mul.ftz.f32", {-0x1p-100, 0x1p-40}), 0x80000000u);
  EXPECT_EQ(f32("add.sat.f32", {3, 4}), test::bitsOf(1.0f));
  EXPECT_EQ(f32("min.f32", {NAN, 4}), test::bitsOf(4.0f));
  EXPECT_EQ(f32("min.NaN.f32", {NAN, 4}), 0x7fffffffu);
  EXPECT_EQ(f32("max.f32", {-0.0, 0.0}), 0u);
  EXPECT_EQ(f32("min.f32", {0.0, -0.0}), 0x80000000u);
  EXPECT_EQ(f32("copysign.f32", {-1, 5}), test::bitsOf(-5.0f));
  EXPECT_EQ(f32("mul.rn.f32", {0, infinity}), 0x7fffffffu);
  EXPECT_EQ(evaluate("fma.rn.f32x2", 64, {{64, {0x400000003f800000}}, {64, {0x4040000040400000}}, {64, {0x3f8000003f800000}}})[0],
            0x40e0000040800000u);
  const auto doubles =
      evaluate("fma.rn.f64", 64, {{64, {test::bitsOf(3.0)}}, {64, {test::bitsOf(4.0)}}, {64, {test::bitsOf(5.0)}}});
  EXPECT_EQ(doubles[0], test::bitsOf(17.0));
}

TEST(Float, Comparisons) {
  auto compare = [](const std::string &op, double a, double b) {
    return evaluate("setp." + op + ".f32", 1, {{32, {test::bitsOf(float(a))}}, {32, {test::bitsOf(float(b))}}})[0] != 0;
  };
  EXPECT_TRUE(compare("lt", 1, 2));
  EXPECT_FALSE(compare("lt", NAN, 2));
  EXPECT_TRUE(compare("ltu", NAN, 2));
  EXPECT_FALSE(compare("ne", NAN, 2));
  EXPECT_TRUE(compare("neu", NAN, 2));
  EXPECT_FALSE(compare("equ", 1, 2));
  EXPECT_TRUE(compare("eq", -0.0, 0.0));
  EXPECT_TRUE(compare("num", 1, 2));
  EXPECT_TRUE(compare("nan", 1, NAN));
  EXPECT_EQ(evaluate("setp.gt.f16x2", 1, {{32, {0x3c004000}}, {32, {0x40003c00}}})[0], 1u);
  EXPECT_EQ(evaluate("testp.infinite.f32", 1, {{32, {0xff800000}}})[0], 1u);
}

TEST(Float, Conversions) {
  auto to32 = [](const std::string &op, unsigned bits, uint64_t value) { return evaluate(op, 32, {{bits, {value}}})[0]; };
  auto f = [](double x) { return test::bitsOf(float(x)); };
  EXPECT_EQ(to32("cvt.rni.s32.f32", 32, f(2.5)), 2u);
  EXPECT_EQ(to32("cvt.rzi.s32.f32", 32, f(-2.7)), uint32_t(-2));
  EXPECT_EQ(to32("cvt.rmi.s32.f32", 32, f(-2.2)), uint32_t(-3));
  EXPECT_EQ(to32("cvt.rzi.u32.f32", 32, f(-5)), 0u);
  EXPECT_EQ(to32("cvt.rni.s32.f32", 32, f(1e20)), 0x7fffffffu);
  EXPECT_EQ(to32("cvt.rni.s8.f32", 32, f(-200)), 0xffffff80u);
  EXPECT_EQ(to32("cvt.rni.s32.f32", 32, f(NAN)), 0u);
  EXPECT_EQ(to32("cvt.rni.f32.f32", 32, f(3.5)), f(4));
  EXPECT_EQ(to32("cvt.rn.f32.s32", 32, uint32_t(-16777217)), f(-16777216));
  EXPECT_EQ(to32("cvt.rz.f32.u64", 64, ~uint64_t(0)), f(0x1.fffffep63));
  EXPECT_EQ(to32("cvt.rn.f32.u64", 64, ~uint64_t(0)), f(0x1p64));
  EXPECT_EQ(to32("cvt.f32.f16", 16, 0x3555), f(0x1.554p-2));
  EXPECT_EQ(to32("cvt.f32.bf16", 16, 0x4049), f(3.140625));
  EXPECT_EQ(to32("cvt.sat.f32.f32", 32, f(-2)), 0u);
  EXPECT_EQ(to32("cvt.rna.tf32.f32", 32, 0x3f801000), 0x3f802000u);
  EXPECT_EQ(evaluate("cvt.rn.f16.f32", 16, {{32, {f(65520)}}})[0], 0x7c00u);
  EXPECT_EQ(evaluate("cvt.rz.f16.f32", 16, {{32, {f(65520)}}})[0], 0x7bffu);
  EXPECT_EQ(evaluate("cvt.rn.f16.s32", 16, {{32, {2049}}})[0], 0x6800u);
  EXPECT_EQ(evaluate("cvt.rn.f16x2.f32", 32, {{32, {f(1)}}, {32, {f(2)}}})[0], 0x3c004000u);
  EXPECT_EQ(evaluate("cvt.rn.relu.bf16x2.f32", 32, {{32, {f(-1)}}, {32, {f(2)}}})[0], 0x00004000u);
  EXPECT_EQ(evaluate("cvt.rn.satfinite.e4m3x2.f32", 16, {{32, {f(1000)}}, {32, {f(-1)}}})[0], 0x7eb8u);
  EXPECT_EQ(evaluate("cvt.rn.satfinite.e5m2x2.f32", 16, {{32, {f(1)}}, {32, {f(1e9)}}})[0], 0x3c7bu);
  EXPECT_EQ(evaluate("cvt.rn.f16x2.e4m3x2", 32, {{16, {0x38b8}}})[0], 0x3c00bc00u);
  EXPECT_EQ(evaluate("cvt.rn.satfinite.e4m3x2.f16x2", 16, {{32, {0x3c00bc00}}})[0], 0x38b8u);
  EXPECT_EQ(evaluate("cvt.f64.f32", 64, {{32, {f(0.1)}}})[0], test::bitsOf(double(0.1f)));
  EXPECT_EQ(evaluate("cvt.rn.f32.f64", 32, {{64, {test::bitsOf(0.1)}}})[0], f(0.1));
}
