// A page's bytes: written, read back, compared, and moved between orders (the layout law).
#include "tests/unit/reference/Support.h"

#include "compiler/reference/PageImage.h"
#include "gtest/gtest.h"

using namespace kv;

namespace {

struct Pages {
  std::vector<uint8_t> bytes;
  std::vector<int32_t> table;
  int64_t stride;

  Pages(const PageImage &image, int64_t tokens, uint8_t poison = 0xff)
      : bytes((2 * tokens / image.map.slots + 3) * image.map.bytes, poison), stride(image.map.bytes) {
    for (int64_t page = 0; page * image.map.slots < tokens; ++page)
      table.insert(table.begin(), int32_t(2 * page + 1)); // backwards, with gaps
  }
  PagedMemory memory() { return {bytes.data(), stride, table}; }
};

Reference filled(CacheType type, int64_t tokens) {
  Reference sequence(type);
  auto k = randomFloats(tokens * type.getHeads() * type.getKeyDim(), 1), v = randomFloats(tokens * type.getHeads() * type.getValueDim(), 2);
  sequence.append(tokens, k.data(), v.data());
  return sequence;
}

CacheType withLayout(const std::string &layout) {
  return resolveAuto(cacheType(R"(name = "c", heads = 3, keyDim = 16, valueDim = 24, key = #kv.codec<u4, group = 8, asym, scale = f16>,
      value = #kv.codec<i8, group = 24, sym, scale = f32>, layout = #kv.layout<)" + layout + ">"));
}

const char *layouts[] = {R"(paged 16, key = "[h, t, d]", value = "[t, h, d]")", R"(paged 10, key = "[t, h, d]", value = "[h, d, t]")",
                         "paged 7, key = auto, value = auto",
                         R"(dense 64, key = "[h, t/16, d/8, t%16, d%4, d/4%2]", value = "[h, t/4, d, t%4]")"};

} // namespace

TEST(PageImage, WritesWhatItReads) {
  for (const char *layout : layouts) {
    CacheType type = withLayout(layout);
    PageImage image(type);
    Reference sequence = filled(type, 23);
    Pages pages(image, 23);
    image.write(sequence, 0, 23, pages.memory());
    EXPECT_EQ(image.compare(sequence, pages.memory()), std::nullopt) << layout;
    Reference back = image.read(23, pages.memory());
    EXPECT_EQ(image.compare(back, pages.memory()), std::nullopt);
    EXPECT_EQ(back.key.decoded(22, 2)[15], sequence.key.decoded(22, 2)[15]);
  }
}

TEST(PageImage, NoTwoElementsShareAPlace) {
  // Tokens written one at a time, in any order, over different poison: a shared place would lose one of them.
  for (const char *layout : layouts) {
    CacheType type = withLayout(layout);
    PageImage image(type);
    Reference sequence = filled(type, 23);
    Pages pages(image, 23, 0x5a);
    for (int64_t token = 22; token >= 0; --token)
      image.write(sequence, token, token + 1, pages.memory());
    EXPECT_EQ(image.compare(sequence, pages.memory()), std::nullopt) << layout;
  }
}

TEST(PageImage, LayoutLaw) {
  for (const char *from : layouts)
    for (const char *to : layouts) {
      CacheType fromType = withLayout(from), toType = withLayout(to);
      PageImage a(fromType), b(toType);
      Reference sequence = filled(fromType, 23);
      Pages first(a, 23), second(b, 23), third(a, 23);
      a.write(sequence, 0, 23, first.memory());
      b.write(a.read(23, first.memory()), 0, 23, second.memory());
      a.write(b.read(23, second.memory()), 0, 23, third.memory());
      EXPECT_EQ(first.bytes, third.bytes) << from << " to " << to;
    }
}

TEST(PageImage, OneFlippedBitIsFound) {
  CacheType type = withLayout(layouts[0]);
  PageImage image(type);
  Reference sequence = filled(type, 23);
  Pages pages(image, 23);
  image.write(sequence, 0, 23, pages.memory());
  uint8_t *page = pages.bytes.data() + pages.table[1] * pages.stride; // tokens 16 .. 22
  page[image.map.codes(Stream::value).byte(1, 3, 5)] ^= 1;
  std::optional<std::string> difference = image.compare(sequence, pages.memory());
  ASSERT_TRUE(difference);
  EXPECT_NE(difference->find("value code of token 19"), std::string::npos) << *difference;
  EXPECT_NE(difference->find("head 1, channel 5"), std::string::npos) << *difference;
  page[image.map.codes(Stream::value).byte(1, 3, 5)] ^= 1;
  page[image.map.codes(Stream::value).byte(1, 8, 5)] ^= 1; // slot 8 is past the end: its bytes do not matter
  EXPECT_EQ(image.compare(sequence, pages.memory()), std::nullopt);
}

TEST(PageImage, NanOfEightBitsHasOneCode) {
  for (const char *element : {"f16", "f8e4m3"}) {
    CacheType type =
        resolveAuto(cacheType(std::string(R"(name = "c", heads = 1, keyDim = 8, valueDim = 8, key = #kv.codec<)") + element +
                              ">, value = #kv.codec<f16>, layout = #kv.layout<paged 1, key = auto, value = auto>"));
    PageImage image(type);
    Reference sequence(type);
    const float nans[8] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    sequence.append(1, nans, nans);
    Pages pages(image, 1);
    image.write(sequence, 0, 1, pages.memory());
    EXPECT_EQ(image.compare(sequence, pages.memory()), std::nullopt);
    for (uint8_t &byte : pages.bytes) // signs of NaN
      if (byte == 0x7e || byte == 0x7f)
        byte ^= 0x80;
    EXPECT_EQ(image.compare(sequence, pages.memory()).has_value(), element == std::string("f8e4m3")) << element;
  }
}
