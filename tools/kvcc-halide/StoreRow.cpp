// A token's keys or values, of one head, as a cache stores them: the codec's definition (compiler/frontend/language.md) in f32,
// each operation rounded.
//
//   scale(g) = greatest magnitude of the group / levels      with zeros: (greatest - least) / levels, zero(g) = least
//   code(d)  = round((x(d) - zero(g)) / scale(g)) + bias     0 + bias where the group has no scale, or is not finite
#include "tools/kvcc-halide/Functions.h"
#include "tools/kvcc-halide/Math.h"
#include "tools/kvcc-halide/StoredStream.h"
#include "tools/kvcc-halide/WrittenRegion.h"

#include <cfloat>
#include <functional>

using namespace Halide;

namespace kv::halide {
namespace {

class StoreRow {
public:
  explicit StoreRow(const Row &plan) : plan(plan), stream(plan.stream) {}
  void build(const Target &target, const std::string &file);

private:
  const Row &plan;
  const Stream &stream;
  ImageParam token{Float(32), 1, "token"};
  Param<int> head{"head"}, slot{"slot"};
  Var d{"d"}, g{"g"}, x{"x"};

  int groups() const { return int(stream.dim / stream.group); }
  int lanes(int64_t length) const;
  Func store(const std::string &name, const Region &region, const Func &bits, int64_t count);
  Func scalars();
  std::vector<Func> group();
  Func ofGroups(const std::string &name, const Expr &value);
  Func reduce(const std::string &name, const std::function<Expr(Expr)> &element, const std::function<Expr(Expr, Expr)> &combine);
  Expr roundedParameter(Expr value) const;
  Func parameterBits(const std::string &name, const Func &value, const Func &bad);
};

/// As many as divide `length`, up to a vector.
int StoreRow::lanes(int64_t length) const {
  int64_t count = plan.lanes;
  while (length % count)
    count /= 2;
  return int(count);
}

Expr word(uint32_t bits) { return Expr(bits); }

/// f32 to f16, to nearest even, as bits: adding 0.5 rounds to the last place of subnormal numbers.
Expr halfBits(const Expr &value) {
  Expr bits = reinterpret<uint32_t>(value), magnitude = bits & word(0x7fffffff), sign = (bits >> 16) & word(0x8000);
  Expr odd = (magnitude >> 13) & word(1);
  Expr normal = ((magnitude + odd + word(0xfff)) >> 13) - word((127 - 15) << 10);
  Expr tiny = reinterpret<uint32_t>(reinterpret<float>(magnitude) + 0.5f) - word(0x3f000000);
  Expr finite = select(magnitude < word(0x38800000), tiny, normal);
  Expr all = select(magnitude < word(0x477ff000), finite, word(0x7c00));
  return select(magnitude > word(0x7f800000), ((magnitude >> 13) & word(0x3ff)) | word(0x7e00), all) | sign;
}

/// f32 to f8e4m3, to nearest even, as bits: adding 2^14 rounds to the last place of subnormal numbers. What is finite saturates.
Expr byteBits(const Expr &value) {
  Expr bits = reinterpret<uint32_t>(value), magnitude = bits & word(0x7fffffff), sign = (bits >> 24) & word(0x80);
  Expr odd = (magnitude >> 20) & word(1);
  Expr normal = ((magnitude + odd + word(0x7ffff)) >> 20) - word((127 - 7) << 3);
  Expr tiny = reinterpret<uint32_t>(reinterpret<float>(magnitude) + 0x1p14f) - word(0x46800000);
  Expr finite = min(select(magnitude < word(0x3c800000), tiny, normal), word(0x7e)) | sign;
  return select(magnitude < word(0x7f800000), finite, word(0x7f));
}

/// An output: codes or parameters, `count` of them, in their places of a page.
Func StoreRow::store(const std::string &name, const Region &region, const Func &bits, int64_t count) {
  return WrittenRegion(name, region, head, slot).store(bits, count, plan.lanes);
}

Func StoreRow::scalars() {
  Expr value = token(d), whole = reinterpret<uint32_t>(value), high = whole >> 16;
  Func bits("bits");
  if (stream.element == "f32")
    bits(d) = whole;
  else if (stream.element == "f16")
    bits(d) = cast<uint16_t>(halfBits(value));
  else if (stream.element == "bf16")
    bits(d) = cast<uint16_t>(
        select((whole & word(0x7fffffff)) > word(0x7f800000), high | word(0x40), (whole + (high & word(1)) + word(0x7fff)) >> 16));
  else if (stream.element == "f8e4m3")
    bits(d) = cast<uint8_t>(byteBits(value));
  else
    throw NotCovered{"elements of `" + stream.element + "`"};
  bits.compute_root().store_in(MemoryType::Stack).bound(d, 0, int(stream.dim)).vectorize(d, lanes(stream.dim));
  return bits;
}

Func StoreRow::ofGroups(const std::string &name, const Expr &value) {
  Func of(name);
  of(g) = value;
  of.compute_root().store_in(MemoryType::Stack).bound(g, 0, groups());
  return of;
}

/// One number of all channels of each group.
Func StoreRow::reduce(const std::string &name, const std::function<Expr(Expr)> &element,
                      const std::function<Expr(Expr, Expr)> &combine) {
  int width = int(stream.group), vector = lanes(width);
  Func part(name + "_lanes");
  part(x, g) = element(g * width + x);
  if (width > vector) {
    RDom others(1, width / vector - 1, name + "_vectors");
    part(x, g) = combine(element(g * width + others * vector + x), part(x, g));
    part.update().reorder(x, others, g).vectorize(x);
  }
  part.compute_root().store_in(MemoryType::Stack).bound(x, 0, vector).bound(g, 0, groups()).vectorize(x);
  Expr total = part(0, g);
  for (int lane = 1; lane < vector; ++lane)
    total = combine(part(lane, g), total);
  return ofGroups(name, total);
}

/// A finite number rounded to the type of scales without leaving the finite ones; never -0.
Expr StoreRow::roundedParameter(Expr value) const {
  float largest = stream.parameter == "f16" ? 65504.0f : FLT_MAX;
  value = greater(value, -largest);
  value = select(value > largest, largest, value) + 0.0f;
  if (stream.parameter == "f32")
    return value;
  // Back from bits: exponent and fraction in place, times 2^112, are exact.
  Expr half = halfBits(value), number = reinterpret<float>((half & word(0x7fff)) << 13) * 0x1p112f;
  return reinterpret<float>(reinterpret<uint32_t>(number) | ((half & word(0x8000)) << 16)) + 0.0f;
}

Func StoreRow::parameterBits(const std::string &name, const Func &value, const Func &bad) {
  bool half = stream.parameter == "f16";
  Expr finite = half ? halfBits(value(g)) : reinterpret<uint32_t>(value(g));
  Expr all = select(bad(g) != 0, half ? word(0x7e00) : word(0x7fc00000), finite);
  return ofGroups(name, half ? cast<uint16_t>(all) : all);
}

/// Bits of codes, scales and zeros.
std::vector<Func> StoreRow::group() {
  int width = int(stream.group), bits = int(stream.codes.bits);
  bool asym = stream.zero.bits > 0;
  auto most = [](const Expr &a, const Expr &b) { return greater(a, b); };
  Func greatest = reduce(
      "greatest", [&](const Expr &at) { return asym ? token(at) : abs(token(at)); }, most);
  // By bits: Halide takes a negated comparison for the opposite one, which it is not of NaN.
  auto isFinite = [](const Expr &value) { return (reinterpret<uint32_t>(value) & word(0x7f800000)) != word(0x7f800000); };
  Func bad = reduce(
      "bad", [&](const Expr &at) { return select(isFinite(token(at)), 0, 1); }, [](const Expr &a, const Expr &b) { return a | b; });
  Expr levels = float(asym ? (1 << bits) - 1 : (1 << (bits - 1)) - 1), range = greatest(g);
  Func zero("zero_value");
  if (asym) {
    Func least = reduce(
        "least", [&](const Expr &at) { return token(at); }, [](const Expr &a, const Expr &b) { return select(a < b, a, b); });
    range = range - least(g);
    zero = ofGroups("zero_value", roundedParameter(least(g)));
  }
  Func scale = ofGroups("scale_value", roundedParameter(range / levels));
  Func inverse = ofGroups("inverse", select(bad(g) == 0, finiteQuotient(1.0f, scale(g)), 0.0f)); // 0: all codes are 0

  Expr of = d / width, value = token(d);
  if (asym)
    value = value - zero(of);
  Expr code = greater(value * inverse(of), asym ? Expr(0.0f) : -levels);
  code = select(code > levels, levels, code);
  Func codes("bits");
  codes(d) = cast<uint8_t>(select(inverse(of) > 0, nearest(code), 0) + int(stream.bias));
  Var outer("outer"), inner("inner");
  codes.compute_root().store_in(MemoryType::Stack).bound(d, 0, int(stream.dim));
  codes.split(d, outer, inner, width).vectorize(inner, lanes(width));
  std::vector<Func> all = {codes, parameterBits("scale_bits", scale, bad)};
  if (asym)
    all.push_back(parameterBits("zero_bits", zero, bad));
  return all;
}

void StoreRow::build(const Target &target, const std::string &file) {
  token.dim(0).set_bounds(0, int(stream.dim)).set_stride(1);
  std::vector<Func> stored;
  if (stream.group) {
    std::vector<Func> bits = group();
    const Region *regions[] = {&stream.codes, &stream.scale, &stream.zero};
    const char *names[] = {"codes", "scale", "zero"};
    for (size_t i = 0; i < bits.size(); ++i)
      stored.push_back(store(names[i], *regions[i], bits[i], i ? groups() : stream.dim));
  } else {
    stored = {store("codes", stream.codes, scalars(), stream.dim)};
  }
  Pipeline(stored).compile_to_bitcode(file, {token, head, slot}, plan.name, target);
}

} // namespace

void buildRow(const Row &plan, const Target &target, const std::string &file) { StoreRow(plan).build(target, file); }

} // namespace kv::halide
