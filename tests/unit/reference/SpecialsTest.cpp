// What `verify` draws to see every code of a codec is kept by the codec without error, and is every code.
#include "compiler/reference/codecs/Scalar.h"
#include "tests/unit/reference/Support.h"
#include "tools/kvcc/VerifySpecials.h"

#include "gtest/gtest.h"

#include <cmath>
#include <set>

using namespace kv;

namespace {

CodecAttr codecOf(const std::string &text) {
  return cacheType("name = \"c\", heads = 1, keyDim = 32, valueDim = 32, key = " + text + ", value = " + text +
                   R"(, layout = #kv.layout<paged 16, key = "[h, t, d]", value = "[h, t, d]">)")
      .getKey();
}

struct Drawn {
  std::set<uint32_t> codes;
  std::set<int> exponents; ///< of scales, or of scalars
  int64_t wrong = 0;       ///< elements that are stored as something else
};

Drawn draw(CodecAttr codec, Element input, Exponents range) {
  constexpr int64_t dim = 32, tokens = 4000;
  Random random(1);
  std::vector<float> values(tokens * dim);
  fillCodes(values, codec, dim, input, range, random);
  StoredStream stream(codec, 1, dim);
  stream.append(tokens, values.data());
  Drawn drawn;
  for (int64_t token = 0; token < tokens; ++token)
    for (int64_t d = 0; d < dim; ++d) {
      const float value = values[size_t(token * dim + d)];
      drawn.wrong += stream.decoded(token, 0)[d] != value || roundTo(input, value) != value;
      drawn.codes.insert(stream.code(token, 0, d));
      if (value != 0)
        drawn.exponents.insert(std::ilogb(codec.isInteger() ? decodeScalar(codec.getScale(), stream.parameters(token, 0, d / codec.getGroup()).scale) : value));
    }
  return drawn;
}

TEST(Specials, EveryIntegerCode) {
  for (const char *bits : {"4", "8"})
    for (const char *zero : {"sym", "asym"})
      for (Element input : {Element::f16, Element::bf16, Element::f32})
        for (const char *scale : {"f16", "f32"})
          for (const char *group : {"1", "2", "32"}) {
            const bool asym = zero[0] == 'a';
            const CodecAttr codec = codecOf("#kv.codec<" + std::string(asym ? "u" : "i") + bits + ", group = " + group + ", " + zero +
                                            ", scale = " + scale + ">");
            ASSERT_TRUE(codec);
            const Drawn drawn = draw(codec, input, {-149, 60});
            EXPECT_EQ(drawn.wrong, 0) << bits << zero << int(input) << scale << group;
            if (group[0] != '3')
              continue; // the greatest code is in every group
            const size_t all = size_t(1) << codec.bits();
            EXPECT_EQ(drawn.codes.size(), asym ? all : all - 1) << bits << zero << int(input) << scale;
            EXPECT_LE(*drawn.exponents.begin(), scale[1] == '1' || input == Element::f16 ? -24 : -120)
                << bits << zero << int(input) << scale;
          }
}

TEST(Specials, ScalarsOfEveryMagnitude) {
  for (const char *type : {"f16", "bf16", "f32"}) {
    const CodecAttr codec = codecOf("#kv.codec<" + std::string(type) + ">");
    const Drawn drawn = draw(codec, codec.getElement(), {-149, 60});
    const int least = codec.getElement() == Element::f16 ? -24 : codec.getElement() == Element::bf16 ? -133 : -149;
    EXPECT_LE(*drawn.exponents.begin(), least + 1) << type;
    EXPECT_GE(*drawn.exponents.rbegin(), codec.getElement() == Element::f16 ? 15 : 60) << type;
    EXPECT_GT(drawn.codes.size(), 10000u) << type;
  }
}

} // namespace
