#include "tests/oracle/SpecGenerator.h"

#include "dialect/Storage.h"
#include "tools/kvcc/VerifyInputs.h"

#include <fmt/format.h>

#include <numeric>
#include <vector>

namespace kv {
namespace {

using Names = std::vector<std::string>;
using Numbers = std::vector<int64_t>;

struct Generator {
  explicit Generator(uint64_t seed) : random(seed) {}

  Random random;
  int64_t headsKv = 1, headsQ = 1, dimK = 8, dimV = 8, slots = 16, tile = 0;
  bool paged = true;

  std::string run(uint64_t seed);
  void chooseShape();
  std::string codec(int64_t dim, int64_t &bits);
  std::string layout(int64_t keyBits, int64_t valueBits);
  std::string order(int64_t dim, int64_t bits);
  std::string attend(const std::string &name, const std::string &queryType);
  std::string score(bool &usesSlope, bool &usesBias);
  std::string schedule(const std::string &name);
  std::string otherSchedules(const std::string &name);
};

void Generator::chooseShape() {
  static const Numbers ratios = {1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 12, 16}, heads = {1, 1, 2, 2, 3, 4, 8};
  static const Numbers dims = {8, 16, 24, 32, 40, 48, 56, 64, 64, 72, 80, 96, 104, 128, 128, 160, 192, 256, 320, 512, 576};
  headsKv = random.of(heads);
  headsQ = headsKv * random.of(ratios);
  if (random.chance(20)) { // Falcon's
    headsKv = 1;
    headsQ = 71;
  }
  dimK = random.of(dims);
  if (dimK > 256)
    headsKv = std::min<int64_t>(headsKv, 2), headsQ = headsKv * random.of(ratios);
  dimV = random.chance(3) ? random.of(dims) : dimK;
}

std::string Generator::codec(int64_t dim, int64_t &bits) {
  static const Names scalars = {"f32", "f16", "f16", "bf16"}, integers = {"i8", "i8", "u8", "i4", "i4", "u4"};
  if (random.chance(4)) {
    std::string type = random.of(scalars);
    bits = type == "f32" ? 32 : 16;
    return type;
  }
  std::string text = random.of(integers);
  bits = text[1] == '8' ? 8 : 4;
  Numbers groups;
  for (int64_t group = 4; group <= dim; ++group)
    if (dim % group == 0)
      groups.push_back(group);
  // `i4` alone has groups of 32: they must divide.
  if (random.chance(3) && (bits == 8 || dim % 32 == 0))
    ;
  else if (random.chance(3))
    text += " group(d:*)";
  else
    text += fmt::format(" group(d:{})", dim % 32 == 0 && random.chance(2) ? 32 : random.of(groups));
  static const Names zeros = {"", "", " sym", " asym"}, scales = {"", " scale f32", " scale f16"};
  return text + random.of(zeros) + random.of(scales);
}

/// An order over h, t and d, in a tile over t and d: a permutation, or digits split off t and d, in any order that gives 4-bit rows
/// whole bytes, each stored by one thread.
std::string Generator::order(int64_t dim, int64_t bits) {
  if (random.chance(5))
    return "auto";
  for (;;) {
    static const Numbers splitsOfT = {1, 1, 2, 4, 8, 16, 5, 32}, splitsOfD = {1, 1, 2, 4, 8, 16};
    struct Part {
      std::string text;
      Digit digit; ///< its extent resolved
    };
    std::vector<Part> parts;
    if (!tile)
      parts.push_back({"h", {'h', 1, headsKv}});
    auto split = [&](const char *letter, int64_t whole, int64_t by) {
      if (by == 1) {
        parts.push_back({letter, {*letter, 1, whole}});
        return;
      }
      parts.push_back({fmt::format("{}/{}", letter, by), {*letter, by, (whole + by - 1) / by}});
      if (by % 2 == 0 && by > 2 && random.chance(4)) { // a third digit
        parts.push_back({fmt::format("{}%{}", letter, by / 2), {*letter, 1, by / 2}});
        parts.push_back({fmt::format("{}/{}%2", letter, by / 2), {*letter, by / 2, 2}});
      } else {
        parts.push_back({fmt::format("{}%{}", letter, by), {*letter, 1, by}});
      }
    };
    split("t", tile ? tile : slots, random.of(splitsOfT));
    split("d", dim, random.of(splitsOfD));
    random.shuffle(parts);
    if (bits == 4 && (parts.back().digit.extent % 2 || !keepsBytesApart(parts.back().digit)))
      continue;
    std::string text = "[";
    for (const Part &part : parts)
      text += (text.size() > 1 ? ", " : "") + part.text;
    return text + "]";
  }
}

std::string Generator::layout(int64_t keyBits, int64_t valueBits) {
  static const Numbers pages = {1, 2, 5, 7, 8, 12, 15, 16, 16, 17, 20, 24, 32, 33, 48, 64, 64, 80, 100, 128, 256};
  static const Numbers rooms = {64, 100, 257, 512, 700, 1024};
  paged = !random.chance(4);
  slots = random.of(paged ? pages : rooms);
  std::string text = fmt::format("layout {}({})", paged ? "paged" : "dense", slots);
  static const Numbers tiles = {16, 16, 32, 48, 64, 64, 112, 128};
  if (random.chance(3))
    text += fmt::format(" tile({})", tile = random.of(tiles));
  switch (random.below(4)) {
  case 0:
    return text;
  case 1: {
    std::string both = order(std::gcd(dimK, dimV), std::min(keyBits, valueBits)); // dims are even: what suits one suits both
    return text + " " + both;
  }
  default:
    return text + " k " + order(dimK, keyBits) + ", v " + order(dimV, valueBits);
  }
}

std::string Generator::score(bool &usesSlope, bool &usesBias) {
  switch (random.below(15)) {
  case 0:
    return "50 * tanh(s / 50)";
  case 1:
    return "5.5 * tanh(s / 5.5)";
  case 2:
    usesSlope = true;
    return "s + slope[h] * (j - i)";
  case 3:
    usesSlope = usesBias = true;
    return "s - slope[h] * abs(i - j) + bias[h]";
  case 4:
    return "select(i - j < 40, s, s - 3)";
  case 5:
    return "select(j < 4 || i - j <= 30, s, -1e30)";
  case 6:
    return "s * sigmoid(s)";
  case 7:
    return "min(max(s, -4), 4.25) + 0.01 * h";
  case 8:
    return "s - log(1 + exp(min(s, 60))) / 2"; // exp of more is beyond f32
  case 9:
    return "s / (1 + abs(s) / 8) - 0.001 * (i - j)";
  default:
    return "";
  }
}

std::string Generator::attend(const std::string &name, const std::string &queryType) {
  static const Names outputs = {"f32", "f16", "bf16"},
                     ranges = {"1", "1..8", "1..8", "1..2", "1..4", "2..5", "3", "1..64", "1..33"};
  static const Names masks = {"", "", "mask j <= i", "mask true"},
                     accuracies = {"", "accuracy exact", "accuracy high", "accuracy fast"};
  bool usesSlope = false, usesBias = false;
  std::string formula = score(usesSlope, usesBias);
  std::string text = fmt::format("attend {}(q: {}[{}]", name, queryType, random.of(ranges));
  if (usesSlope)
    text += ", slope: f32[Hq]";
  if (usesBias)
    text += ", bias: f32[Hq]";
  text += fmt::format(") on c -> (o: {}{}) {{\n", random.of(outputs), random.chance(3) ? "" : ", lse: f32");
  auto clause = [&](const std::string &words) {
    if (!words.empty())
      text += "  " + words + "\n";
  };
  static const Names scales = {"", "", "scale D ** -0.5", "scale 1 / 16", "scale 0.3", "scale 2 / D"};
  clause(random.of(masks));
  clause(random.of(scales));
  clause(formula.empty() ? "" : "score " + formula);
  clause(random.of(accuracies));
  return text + "}\n";
}

/// Small splits, so that short sequences have many; and other numbers of the schedule.
std::string Generator::schedule(const std::string &name) {
  static const Names targets = {"generic", "x86-64-v3", "x86-64-v3+vnni", "x86-64-v4", "x86-64-v4+vnni", "x86-64-v4+vnni+bf16"};
  std::string text;
  for (const std::string &target : targets) {
    if (random.chance(3))
      continue;
    int64_t unit = paged ? std::lcm(slots, int64_t(64)) : std::lcm((slots + 15) / 16 * 16, int64_t(64));
    text += fmt::format("schedule {} for {} {{ split {}", name, target, unit * random.between(1, 3));
    if (random.chance(2))
      text += fmt::format("; unroll {}", random.between(1, 4));
    if (random.chance(2))
      text += fmt::format("; prefetch {}", random.between(0, 4));
    if (random.chance(3))
      text += fmt::format("; heads {}", random.between(1, headsKv));
    text += " }\n";
  }
  return text;
}

/// Of the other families; drawn last, so that what was there before them stays what it was.
std::string Generator::otherSchedules(const std::string &name) {
  static const Names targets = {"aarch64",
                                "aarch64+dotprod+fp16",
                                "aarch64+dotprod+fp16+i8mm",
                                "aarch64+sve256",
                                "sm_80",
                                "sm_90",
                                "sm_100",
                                "aarch64+dotprod+fp16+i8mm+bf16",
                                "aarch64+sve512",
                                "aarch64+sve256+i8mm+bf16",
                                "aarch64+sve512+i8mm+bf16"};
  std::string text;
  for (const std::string &target : targets) {
    if (random.chance(3))
      continue;
    int64_t unit = std::lcm(paged ? slots : (slots + 15) / 16 * 16, int64_t(128));
    text += fmt::format("schedule {} for {} {{ split {}", name, target, unit * random.between(1, 2));
    if (!paged && slots >= 64 && random.chance(2))
      text += fmt::format("; block {}", 32 * random.between(1, 2));
    if (random.chance(4))
      text += "; dot fma";
    text += " }\n";
  }
  return text;
}

std::string Generator::run(uint64_t seed) {
  chooseShape();
  int64_t keyBits = 0, valueBits = 0;
  std::string codecs;
  if (random.chance(3)) {
    dimV = dimK;
    codecs = "k, v: " + codec(dimK, keyBits);
    valueBits = keyBits;
  } else {
    codecs = "k: " + codec(dimK, keyBits) + "\n  v: " + codec(dimV, valueBits);
  }
  std::string text = fmt::format("// seed {}\ncache c(Hq = {}, Hkv = {}, D = {}{}) {{\n  {}\n  {}\n}}\n", seed, headsQ, headsKv,
                                 dimK, dimV == dimK ? "" : fmt::format(", Dv = {}", dimV), codecs, layout(keyBits, valueBits));
  static const Names queries = {"f32", "f16", "f16", "bf16"};
  std::string queryType = random.of(queries);
  text += attend("a", queryType);
  if (random.chance(6))
    text += attend("b", queryType);
  return text + schedule("a") + otherSchedules("a");
}

} // namespace

std::string generateSpec(uint64_t seed) { return Generator(seed).run(seed); }

} // namespace kv
