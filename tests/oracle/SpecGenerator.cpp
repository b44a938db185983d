#include "tests/oracle/SpecGenerator.h"

#include "tests/oracle/RandomOrder.h"

#include <fmt/format.h>

#include <numeric>
#include <vector>

namespace kv {
namespace {

using Names = std::vector<std::string>;
using Numbers = std::vector<int64_t>;

struct Generator {
  Generator(uint64_t seed, bool hides) : random(seed), later(~seed), hides(hides) {}

  Random random;
  Random later; ///< for what came later: the rest of a seed's spec stays what it was
  const bool hides; ///< whether masks may hide tokens before others, and have classes
  int64_t headsKv = 1, headsQ = 1, dimK = 8, dimV = 8, slots = 16, tile = 0;
  bool paged = true;

  std::string run(uint64_t seed);
  void chooseShape();
  std::string codec(int64_t dim, int64_t &bits);
  std::string layout(int64_t keyBits, int64_t valueBits);
  std::string order(int64_t dim, int64_t bits);
  std::string orderOfBoth(int64_t keyBits, int64_t valueBits);
  std::string number(int64_t value);
  std::string blockOf();
  std::string attend(const std::string &name, const std::string &queryType);
  std::string score(bool &usesSlope, bool &usesBias);
  std::string mask();
  std::string masks();
  std::string schedule(const std::string &name);
  std::string otherSchedules(const std::string &name);
};

void Generator::chooseShape() {
  static const Numbers ratios = {1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 12, 16}, heads = {1, 1, 2, 2, 3, 4, 8};
  static const Numbers dims = {8, 16, 24, 32, 40, 64, 64, 72, 96, 128, 128, 192, 256, 512, 576};
  auto dim = [&] { return random.chance(3) ? 8 * random.between(1, 72) : random.of(dims); };
  headsKv = random.of(heads);
  headsQ = headsKv * random.of(ratios);
  if (random.chance(12)) // Falcon's
    headsKv = 1, headsQ = 71;
  else if (random.chance(12)) // of many to each other
    headsKv = 8, headsQ = 96;
  dimK = dim();
  dimV = random.chance(3) ? dim() : dimK;
  constexpr int64_t most = 6000; // query channels, of which a second has room for some hundred tokens
  for (int64_t *one : {&dimK, &dimV})
    *one = std::min(*one, std::max<int64_t>(8, most / headsQ / 8 * 8));
}

std::string Generator::codec(int64_t dim, int64_t &bits) {
  static const Names scalars = {"f32", "f16", "f8e4m3", "bf16"}, integers = {"i8", "i8", "u8", "i4", "i4", "u4"};
  if (random.chance(4)) {
    std::string type = random.of(scalars);
    bits = type == "f32" ? 32 : type == "f8e4m3" ? 8 : 16;
    return type;
  }
  std::string text = random.of(integers);
  bits = text[1] == '8' ? 8 : 4;
  Numbers groups;
  for (int64_t group = random.chance(4) ? 1 : 4; group <= dim; ++group) // many small ones take long
    if (dim % group == 0 && dim / group <= 96)
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

std::string Generator::order(int64_t dim, int64_t bits) {
  if (random.chance(5))
    return "auto";
  return orderText(randomOrder(random, {headsKv, tile ? tile : slots, dim, bits, tile != 0}));
}

/// One that suits keys and values.
std::string Generator::orderOfBoth(int64_t keyBits, int64_t valueBits) {
  if (random.chance(5))
    return "auto";
  OrderBox keys{headsKv, tile ? tile : slots, dimK, keyBits, tile != 0}, values = keys;
  values.dim = dimV;
  values.bits = valueBits;
  for (;;)
    if (std::vector<Digit> digits = randomOrder(random, keys); isOrderOf(digits, values))
      return orderText(digits);
}

std::string Generator::layout(int64_t keyBits, int64_t valueBits) {
  static const Numbers pages = {1, 2, 3, 5, 7, 8, 12, 13, 15, 16, 16, 16, 17, 20, 24, 32, 32, 33, 48, 64, 64, 80, 100, 128, 256};
  static const Numbers rooms = {64, 100, 257, 512, 700, 1024};
  paged = !random.chance(4);
  slots = random.of(paged ? pages : rooms);
  std::string text = fmt::format("layout {}({})", paged ? "paged" : "dense", slots);
  static const Numbers tiles = {16, 16, 32, 48, 64, 64, 112, 128};
  if (random.chance(3))
    text += fmt::format(" tile({})", tile = random.of(tiles));
  switch (random.below(5)) {
  case 0:
    return text;
  case 1:
    return text + " " + orderOfBoth(keyBits, valueBits);
  default:
    return text + " k " + order(dimK, keyBits) + ", v " + order(dimV, valueBits);
  }
}

std::string Generator::score(bool &usesSlope, bool &usesBias) {
  switch (random.below(20)) {
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
  case 10:
    return "s * 2 ** -1 + 3 ** -2 * min(j, 9)";
  case 11: // 32-bit integers wrap
    return "select(j * 1000003 * 1000003 < 0, s, s - 1)";
  case 12:
    return "select(s < 3e38, max(s, -100000), 16777216 * 2 ** -20) * 4294967296 / 2 ** 32";
  default:
    return "";
  }
}

/// Runs of tokens: windows, first tokens, holes, before and after the query.
std::string Generator::mask() {
  static const Numbers windows = {1, 2, 5, 16, 17, 40, 64, 100, 129, 300}, firsts = {1, 4, 16, 20, 70, 128};
  static const Names forms = {"j <= i && i - j < {w}",
                              "j <= i && i - j < {w}",
                              "j <= i && (j < {f} || i - j < {w})",
                              "j < {f} || j <= i && i - j < {w}",
                              "i - j < {w} && j - i < {f}",
                              "j < i && !(i - j > {w})",
                              "j < i",
                              "j <= i && i - j >= {f}",
                              "j >= {f} || j == 0",
                              "j <= i && j != {f}",
                              "j <= i && (j < {f} || j == {f} + 9 || j >= {f} + {w} + 20)"};
  const int64_t w = later.of(windows), f = later.of(firsts);
  return "mask " + fmt::format(fmt::runtime(later.of(forms)), fmt::arg("w", w), fmt::arg("f", f));
}

std::string Generator::attend(const std::string &name, const std::string &queryType) {
  static const Names outputs = {"f32", "f16", "bf16"},
                     ranges = {"1", "1..8", "1..8", "1..2", "1..4", "2..5", "3", "1..64", "1..33"};
  static const Names masks = {"", "", "mask j <= i", "mask true"},
                     accuracies = {"", "accuracy exact", "accuracy high", "accuracy fast"};
  bool usesSlope = false, usesBias = false, usesSinks = later.chance(4);
  std::string formula = score(usesSlope, usesBias);
  std::string text = fmt::format("attend {}(q: {}[{}]", name, queryType, random.of(ranges));
  if (usesSlope)
    text += ", slope: f32[Hq]";
  if (usesBias)
    text += ", bias: f32[Hq]";
  if (usesSinks)
    text += ", sink: f32[Hq]";
  text += fmt::format(") on c -> (o: {}{}) {{\n", random.of(outputs), random.chance(3) ? "" : ", lse: f32");
  auto clause = [&](const std::string &words) {
    if (!words.empty())
      text += "  " + words + "\n";
  };
  static const Names scales = {
      "", "", "scale D ** -0.5", "scale 1 / 16", "scale 0.3", "scale 2 / D", "scale 2 ** -3", "scale 4294967296 * 2 ** -35"};
  const std::string plain = random.of(masks), runs = mask();
  clause(later.chance(2) && hides ? runs : plain);
  clause(random.of(scales));
  clause(formula.empty() ? "" : "score " + formula);
  clause(usesSinks ? "sinks sink" : "");
  clause(random.of(accuracies));
  return text + "}\n";
}

/// A number in a file: as it is, or out of large ones.
std::string Generator::number(int64_t value) {
  return random.chance(6) ? fmt::format("2 ** 33 * {} / 8589934592", value) : fmt::format("{}", value);
}

/// A block that pages allow, now and then, and a split of whole ones.
std::string Generator::blockOf() {
  int64_t unit = paged ? std::lcm(slots, int64_t(64)) : std::lcm((slots + 15) / 16 * 16, int64_t(64));
  std::string text;
  if (int64_t block = 16 * random.between(1, 16); random.chance(2) && std::lcm(unit, block) <= 2048) {
    bool whole = paged && slots % 16 == 0 && block % slots == 0;
    if (block <= slots || whole) {
      text = fmt::format("; block {}", block);
      unit = std::lcm(unit, block);
    }
  }
  return fmt::format("split {}{}", unit * random.between(1, 3), text);
}

std::string Generator::masks() { return hides && later.chance(3) ? "; masks classes" : ""; }

/// Small splits, so that short sequences have many; and other numbers of the schedule.
std::string Generator::schedule(const std::string &name) {
  static const Names targets = {"generic", "x86-64-v3", "x86-64-v3+vnni", "x86-64-v4", "x86-64-v4+vnni", "x86-64-v4+vnni+bf16"};
  std::string text;
  for (const std::string &target : targets) {
    if (random.chance(3))
      continue;
    text += fmt::format("schedule {} for {} {{ {}", name, target, blockOf());
    if (random.chance(2))
      text += fmt::format("; unroll {}", random.between(1, 4));
    if (random.chance(2))
      text += fmt::format("; prefetch {}", random.between(0, 4));
    if (random.chance(3))
      text += fmt::format("; heads {}", random.between(1, headsKv));
    text += masks() + " }\n";
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
    text += masks() + " }\n";
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
  std::string text =
      fmt::format("// seed {}\ncache c(Hq = {}, Hkv = {}, D = {}{}) {{\n  {}\n  {}\n}}\n", seed, number(headsQ), headsKv,
                  number(dimK), dimV == dimK ? "" : fmt::format(", Dv = {}", dimV), codecs, layout(keyBits, valueBits));
  static const Names queries = {"f32", "f16", "f16", "bf16"};
  std::string queryType = random.of(queries);
  text += attend("a", queryType);
  if (random.chance(6))
    text += attend("b", queryType);
  return text + schedule("a") + otherSchedules("a");
}

} // namespace

std::string generateSpec(uint64_t seed, bool hides) { return Generator(seed, hides).run(seed); }

} // namespace kv
