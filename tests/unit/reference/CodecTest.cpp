// The codecs' rounding: conversions against the compiler's own types, groups against the definition's corners.
#include "compiler/reference/codecs/Integer.h"
#include "compiler/reference/codecs/Scalar.h"

#include "gtest/gtest.h"

#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace kv;

namespace {

Codec makeCodec(Element element, bool asym, Element scale, int64_t group = 8) {
  Codec codec;
  codec.element = element;
  codec.integer = true;
  codec.asym = asym;
  codec.scale = scale;
  codec.group = group;
  codec.bits = element == Element::i8 || element == Element::u8 ? 8 : 4;
  int64_t half = int64_t(1) << (codec.bits - 1);
  bool isUnsigned = element == Element::u8 || element == Element::u4;
  codec.bias = asym ? (isUnsigned ? 0 : -half) : (isUnsigned ? half : 0);
  return codec;
}

struct Encoded {
  std::vector<uint32_t> codes;
  GroupParameters parameters;
  std::vector<float> values;
};

Encoded encode(const Codec &codec, const std::vector<float> &values) {
  Encoded result{std::vector<uint32_t>(values.size()), {}, std::vector<float>(values.size())};
  result.parameters = encodeGroup(codec, values, result.codes);
  decodeGroup(codec, result.codes, result.parameters, result.values);
  return result;
}

float scaleOf(const Codec &codec, const Encoded &encoded) { return decodeScalar(codec.scale, encoded.parameters.scale); }

std::vector<Codec> allCodecs() {
  std::vector<Codec> codecs;
  for (Element element : {Element::i8, Element::u8, Element::i4, Element::u4})
    for (bool asym : {false, true})
      for (Element scale : {Element::f32, Element::f16})
        codecs.push_back(makeCodec(element, asym, scale));
  return codecs;
}

} // namespace

TEST(Codec, F16WideningIsExactForAllBits) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    uint32_t seen = std::bit_cast<uint32_t>(floatFromF16(uint16_t(bits)));
    if ((bits & 0x7fff) > 0x7c00) {
      ASSERT_GT(seen & 0x7fffffff, 0x7f800000u) << bits;
      continue;
    }
    ASSERT_EQ(f16FromFloat(floatFromF16(uint16_t(bits))), bits);
#ifdef __FLT16_MANT_DIG__
    ASSERT_EQ(seen, std::bit_cast<uint32_t>(float(std::bit_cast<_Float16>(uint16_t(bits))))) << bits;
#endif
  }
}

#ifdef __FLT16_MANT_DIG__
TEST(Codec, F16RoundingAgreesWithTheCompiler) {
  // All exponents and signs, and the fractions around every tie.
  for (uint32_t high = 0; high < 0x10000; ++high)
    for (uint32_t low : {0x0000u, 0x0001u, 0x0fffu, 0x1000u, 0x1001u, 0x2000u, 0x3000u, 0x7fffu, 0x8000u, 0x8001u, 0xefffu, 0xf000u,
                         0xf001u, 0xffffu}) {
      float value = std::bit_cast<float>(high << 16 | low);
      uint16_t want = std::bit_cast<uint16_t>(static_cast<_Float16>(value)), seen = f16FromFloat(value);
      if (std::isnan(value)) {
        ASSERT_TRUE(std::isnan(floatFromF16(seen))) << high << " " << low;
        ASSERT_TRUE(seen & 0x200);
      } else {
        ASSERT_EQ(seen, want) << high << " " << low;
      }
    }
}
#endif

TEST(Codec, Bf16RoundsHalvesToEven) {
  EXPECT_EQ(bf16FromFloat(1.0f), 0x3f80);
  EXPECT_EQ(bf16FromFloat(std::bit_cast<float>(0x3f808000u)), 0x3f80); // tie, even below
  EXPECT_EQ(bf16FromFloat(std::bit_cast<float>(0x3f818000u)), 0x3f82); // tie, even above
  EXPECT_EQ(bf16FromFloat(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(bf16FromFloat(FLT_MAX), 0x7f80);
  EXPECT_EQ(bf16FromFloat(std::bit_cast<float>(0x00008001u)), 0x0001); // subnormals are kept
  EXPECT_TRUE(std::isnan(floatFromBf16(bf16FromFloat(std::bit_cast<float>(0x7f800001u)))));
  for (uint32_t bits = 0; bits < 0x10000; ++bits)
    if (!std::isnan(floatFromBf16(uint16_t(bits))))
      ASSERT_EQ(bf16FromFloat(floatFromBf16(uint16_t(bits))), bits);
}

/// The finite magnitudes of f8e4m3, by their codes.
static std::vector<float> magnitudesOfBytes() {
  std::vector<float> all;
  for (int code = 0; code < 0x7f; ++code)
    all.push_back(std::ldexp(code < 8 ? float(code) : float(8 + code % 8), code < 8 ? -9 : code / 8 - 10));
  return all;
}

TEST(Codec, F8e4m3DecodesEveryCode) {
  const std::vector<float> table = magnitudesOfBytes();
  EXPECT_EQ(table[1], 0x1p-9f);
  EXPECT_EQ(table[7], 7 * 0x1p-9f);
  EXPECT_EQ(table[8], 0x1p-6f);
  EXPECT_EQ(table[0x38], 1.0f);
  EXPECT_EQ(table[0x7e], 448.0f);
  for (uint32_t code = 0; code < 256; ++code) {
    float value = decodeScalar(Element::f8e4m3, code);
    if ((code & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(value)) << code;
      continue;
    }
    EXPECT_EQ(std::bit_cast<uint32_t>(value), std::bit_cast<uint32_t>(table[code & 0x7f]) | (code & 0x80) << 24) << code;
    EXPECT_EQ(encodeScalar(Element::f8e4m3, value), code);
  }
}

TEST(Codec, F8e4m3RoundsToTheNearestCode) {
  const std::vector<float> table = magnitudesOfBytes();
  for (uint32_t code = 0; code + 1 < table.size(); ++code)
    for (uint32_t sign : {0u, 0x80u}) {
      auto encode = [&](float magnitude) { return encodeScalar(Element::f8e4m3, sign ? -magnitude : magnitude); };
      const float tie = (table[code] + table[code + 1]) / 2; // exact
      EXPECT_EQ(encode(tie), sign | (code % 2 ? code + 1 : code)) << tie;
      EXPECT_EQ(encode(std::nextafter(tie, 0.0f)), sign | code) << tie;
      EXPECT_EQ(encode(std::nextafter(tie, 1000.0f)), sign | (code + 1)) << tie;
      EXPECT_EQ(encode(std::nextafter(table[code + 1], 0.0f)), sign | (code + 1));
      EXPECT_EQ(encode(std::nextafter(table[code + 1], 1000.0f)), sign | (code + 1));
    }
}

TEST(Codec, F8e4m3SaturatesAndKeepsNaN) {
  for (float great : {449.0f, 464.0f, std::nextafter(464.0f, 500.0f), 480.0f, 1e9f, FLT_MAX}) {
    EXPECT_EQ(encodeScalar(Element::f8e4m3, great), 0x7eu) << great;
    EXPECT_EQ(encodeScalar(Element::f8e4m3, -great), 0xfeu) << great;
  }
  for (float small : {0.0f, 0x1p-149f, FLT_MIN, 0x1p-11f, 0x1p-10f}) {
    EXPECT_EQ(encodeScalar(Element::f8e4m3, small), 0u) << small;
    EXPECT_EQ(encodeScalar(Element::f8e4m3, -small), 0x80u) << small;
  }
  const float infinity = std::numeric_limits<float>::infinity();
  for (uint32_t bits :
       {std::bit_cast<uint32_t>(infinity), std::bit_cast<uint32_t>(-infinity), 0x7fc00000u, 0xffc00000u, 0x7f800001u, 0xffffffffu})
    EXPECT_EQ(encodeScalar(Element::f8e4m3, std::bit_cast<float>(bits)), 0x7fu) << bits;
}

TEST(Codec, SymKnownGroup) {
  Codec codec = makeCodec(Element::i8, false, Element::f32, 4);
  Encoded e = encode(codec, {127, -127, 0.5f, 1.5f}); // scale 1: halves go to even
  EXPECT_EQ(scaleOf(codec, e), 1.0f);
  EXPECT_EQ(e.codes, (std::vector<uint32_t>{127, 0x81, 0, 2}));
  Encoded u = encode(makeCodec(Element::u8, false, Element::f32, 4), {127, -127, 0.5f, 1.5f});
  EXPECT_EQ(u.codes, (std::vector<uint32_t>{255, 1, 128, 130}));
  EXPECT_EQ(u.values, e.values);
}

TEST(Codec, AsymKnownGroup) {
  Codec codec = makeCodec(Element::u4, true, Element::f32, 4);
  Encoded e = encode(codec, {-3, 12, 0, 4.5f}); // range 15: scale 1, zero -3
  EXPECT_EQ(scaleOf(codec, e), 1.0f);
  EXPECT_EQ(decodeScalar(codec.scale, e.parameters.zero), -3.0f);
  EXPECT_EQ(e.codes, (std::vector<uint32_t>{0, 15, 3, 8})); // 7.5 to even
  Encoded i = encode(makeCodec(Element::i4, true, Element::f32, 4), {-3, 12, 0, 4.5f});
  EXPECT_EQ(i.codes, (std::vector<uint32_t>{8, 7, 0xb, 0}));
  EXPECT_EQ(i.values, e.values);
}

TEST(Codec, AllZeroGroup) {
  for (const Codec &codec : allCodecs()) {
    Encoded e = encode(codec, {0, -0.0f, 0, 0, 0, 0, 0, -0.0f});
    EXPECT_EQ(e.parameters.scale, 0u);
    EXPECT_EQ(e.parameters.zero, 0u); // never -0
    for (float value : e.values)
      EXPECT_EQ(value, 0);
  }
}

TEST(Codec, ConstantGroupOfAsymIsItsZero) {
  Codec codec = makeCodec(Element::u8, true, Element::f32);
  Encoded e = encode(codec, std::vector<float>(8, 0.1f));
  EXPECT_EQ(e.parameters.scale, 0u);
  EXPECT_EQ(e.values, std::vector<float>(8, 0.1f));
}

TEST(Codec, NonFiniteInputDecodesToNaN) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()})
    for (const Codec &codec : allCodecs())
      for (size_t place : {0, 3, 7}) {
        std::vector<float> values{1, 2, 3, 4, 5, 6, 7, 8};
        values[place] = bad;
        Encoded e = encode(codec, values);
        EXPECT_EQ(e.parameters.scale, codec.scale == Element::f16 ? 0x7e00u : 0x7fc00000u);
        if (codec.asym)
          EXPECT_EQ(e.parameters.zero, e.parameters.scale);
        for (uint32_t code : e.codes)
          EXPECT_EQ(code, uint32_t(codec.bias) & ((1u << codec.bits) - 1));
        for (float value : e.values)
          EXPECT_TRUE(std::isnan(value));
      }
}

TEST(Codec, ScalesSaturateInsteadOfOverflowing) {
  for (const Codec &codec : allCodecs())
    for (float huge : {1e8f, 3e38f, FLT_MAX}) {
      std::vector<float> values{huge, -huge, 0, 1, huge, -1, 2, 3};
      Encoded e = encode(codec, values);
      EXPECT_TRUE(std::isfinite(scaleOf(codec, e))) << huge;
      EXPECT_TRUE(std::isfinite(decodeScalar(codec.scale, e.parameters.zero))) << huge;
      if (codec.scale == Element::f16 && !codec.asym && huge / 127 > 65504)
        EXPECT_EQ(e.parameters.scale, 0x7bffu);
    }
}

TEST(Codec, TinyGroups) {
  for (const Codec &codec : allCodecs()) {
    Encoded e = encode(codec, {1e-42f, -1e-42f, 0, 0, 0, 0, 0, 0}); // 1 / scale overflows, or the scale is 0
    for (uint32_t code : e.codes)
      EXPECT_EQ(code, uint32_t(codec.bias) & ((1u << codec.bits) - 1));
  }
  Codec codec = makeCodec(Element::i8, false, Element::f16); // f16 scale in its subnormals: codes clip, never wrap
  Encoded e = encode(codec, {1e-5f, -1e-5f, 5e-6f, 0, 0, 0, 0, 0});
  EXPECT_GT(e.parameters.scale, 0u);
  EXPECT_LT(e.parameters.scale, 0x400u);
  EXPECT_LE(int8_t(e.codes[0]), 127);
  EXPECT_EQ(int8_t(e.codes[0]), -int8_t(e.codes[1]));
}

TEST(Codec, ErrorIsBoundedByHalfAStep) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const Codec &codec : allCodecs())
    for (int round = 0; round < 500; ++round) {
      std::vector<float> values(8);
      for (float &value : values)
        value = normal(random) * (round % 7 ? 1.0f : 30.0f) + (round % 3 ? 0.0f : 5.0f);
      Encoded e = encode(codec, values);
      float scale = scaleOf(codec, e);
      // A rounded f16 scale or zero may cut the ends of the range: codes * 2^-11 steps more.
      float slack = codec.scale == Element::f16 ? scale * float(1 << codec.bits) * 0x1p-10f + 0x1p-10f * 100 : scale * 1e-4f;
      for (size_t i = 0; i < values.size(); ++i)
        EXPECT_LE(std::fabs(values[i] - e.values[i]), 0.5f * scale + slack);
    }
}

TEST(Codec, SignedAndUnsignedElementsDefineTheSameValues) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (bool asym : {false, true})
    for (Element scale : {Element::f32, Element::f16})
      for (int round = 0; round < 200; ++round) {
        std::vector<float> values(8);
        for (float &value : values)
          value = normal(random);
        EXPECT_EQ(encode(makeCodec(Element::i8, asym, scale), values).values, encode(makeCodec(Element::u8, asym, scale), values).values);
        EXPECT_EQ(encode(makeCodec(Element::i4, asym, scale), values).values, encode(makeCodec(Element::u4, asym, scale), values).values);
      }
}
