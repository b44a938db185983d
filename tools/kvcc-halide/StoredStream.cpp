#include "tools/kvcc-halide/StoredStream.h"

using namespace Halide;

namespace kv::halide {

void requireBytes(const Region &region) {
  if (region.axes.empty() || region.axes.back().stride != 1 || region.axes.back().extent % 2)
    throw NotCovered{"4-bit codes in an order whose fastest digit is of odd extent"};
}

Step stepOf(int64_t stride, int64_t extent) {
  Step step{stride};
  for (; stride / step.times > INT32_MAX || stride % step.times; ++step.times)
    if (step.times * extent > INT32_MAX)
      throw NotCovered{"elements " + std::to_string(stride) + " apart in a page"};
  step.stride = stride / step.times;
  return step;
}

StoredRegion::StoredRegion(const std::string &name, const Region &region, const std::string &contraction, Type type,
                           const ImageParam *pages, bool inBytes)
    : words(findWords(region, contraction)), elementBits(region.bits), wordBits(region.bits * words.pack()), pages(pages) {
  const std::vector<Axis> &axes = words.axes;
  halves = wordBits < 8;
  if (halves) // two elements to a byte, whose digits say which
    wordBits = 8;
  if (halves)
    requireBytes({region.bits, axes});
  int first = inBytes ? 1 : 0; // dimension of words
  memory = ImageParam(inBytes || pack() > 1 ? UInt(inBytes ? 8 : int(wordBits)) : type, first + int(axes.size()) + (pages ? 2 : 0),
                      name);
  if (inBytes)
    memory.dim(0).set_bounds(0, int(wordBits / 8)).set_stride(1);
  int64_t elements = inBytes ? 8 / elementBits : halves ? 2 : pack(); // of an element of `memory`
  for (size_t i = 0; i < axes.size(); ++i) {
    const Axis &axis = axes[axes.size() - 1 - i];
    steps.push_back(stepOf(std::max<int64_t>(axis.stride / elements, 1), axis.extent));
    memory.dim(first + int(i)).set_min(0).set_stride(int(steps.back().stride));
  }
  if (pages)
    for (int half = 0; half < 2; ++half)
      memory.dim(first + int(axes.size()) + half).set_min(0).set_stride(int(512 / memory.type().bits()) << (16 * half));
}

Expr StoredRegion::byte(Expr head, const Place &place, Expr channel, Expr number) const {
  std::vector<Expr> all = index(head, place, channel);
  all.insert(all.begin(), number);
  return memory(all);
}

Expr StoredRegion::word(Expr head, const Place &place, Expr channel) const {
  std::vector<Expr> all = index(head, place, channel);
  if (!halves)
    return memory(all);
  Expr upper = all[0] % 2;
  all[0] = all[0] / 2; // the fastest digit: a step of one
  return cast<uint8_t>(cast<uint32_t>(memory(all)) >> cast<uint32_t>(4 * upper)) & cast<uint8_t>(15);
}

/// Of words; of half bytes the fastest digit counts halves.
std::vector<Expr> StoredRegion::index(Expr head, const Place &place, Expr channel) const {
  const std::vector<Axis> &axes = words.axes;
  std::vector<Expr> index;
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    Expr digit = axis->coordinate == "h" ? head : axis->coordinate == "t" ? place.slot : channel;
    int64_t divisor = axis->divisor;
    if (axis->coordinate == "t" && place.unit) { // said as simply as it is: the simplifier does not see through every sum
      if (divisor % place.unit == 0 && !axis->modulus) {
        digit = place.units;
        divisor /= place.unit;
      } else if (place.unit % (divisor * axis->extent) || axis->modulus) {
        digit = place.units * int(place.unit) + place.slot;
      }
    }
    if (axis->modulus)
      digit = digit % int(axis->modulus);
    if (divisor > 1)
      digit = digit / int(divisor);
    bool outermost = true; // whose quotient is below its extent
    for (const Axis &other : axes)
      outermost &= other.coordinate != axis->coordinate || other.divisor <= axis->divisor;
    digit = outermost ? digit : digit % int(axis->extent);
    const Step &step = steps[size_t(axis - axes.rbegin())];
    index.push_back(step.times > 1 ? digit * int(step.times) : digit);
  }
  if (pages)
    for (int half = 0; half < 2; ++half)
      index.push_back(unsafe_promise_clamped((*pages)(half, place.page), 0, 0xffff)); // some bound, which no code depends on
  return index;
}

Expr StoredRegion::bits(const Expr &word, const Expr &element, bool isSigned) const {
  if (pack() == 1 && !halves)
    return word;
  int width = int(elementBits);
  Expr bit = cast<uint32_t>(0), wide = cast<uint32_t>(word);
  if (auto constant = as_const_int(element))
    bit = Expr(uint32_t(words.bitOfElement[size_t(*constant)]));
  else
    for (size_t e = 1; e < words.bitOfElement.size(); ++e)
      bit = select(element == int(e), Expr(uint32_t(words.bitOfElement[e])), bit);
  if (isSigned) { // of a signed shift Halide takes for granted that no bit is lost
    Expr top = wide << (Expr(uint32_t(32 - width)) - bit);
    return reinterpret<int32_t>(top) >> (32 - width);
  }
  return reinterpret<int32_t>((wide >> bit) & Expr(uint32_t((uint64_t(1) << width) - 1)));
}

static Type typeOf(const std::string &element) {
  if (element == "f32")
    return Float(32);
  if (element == "f16")
    return Float(16);
  if (element == "bf16")
    return UInt(16);
  if (element == "i8")
    return Int(8);
  if (element == "u8" || element == "i4" || element == "u4" || element == "f8e4m3")
    return UInt(8);
  throw NotCovered{"elements of `" + element + "`"};
}

/// Elements of words of 32 bits, where they are the same number apart in every byte.
std::optional<StoredStream::Order> StoredStream::orderOf(const Stream &stream, const Words &words) {
  int64_t bits = stream.codes.bits, parts = 8 / bits;
  if (stream.dot == "f32" || words.pack() * bits != 32)
    return std::nullopt;
  auto elementAt = [&](int64_t bit) { return std::ranges::find(words.bitOfElement, bit) - words.bitOfElement.begin(); };
  Order order{elementAt(8), parts > 1 ? elementAt(bits) : 0};
  for (int64_t byte = 0; byte < 4; ++byte)
    for (int64_t part = 0; part < parts; ++part)
      if (elementAt(8 * byte + bits * part) != byte * order.byte + part * order.part)
        return std::nullopt;
  return order;
}

Expr StoredStream::operand(const Expr &byte, const Expr &part) const {
  bool isSigned = stream.dot.starts_with("s");
  Expr code = byte;
  if (codesInByte() == 2 && isSigned && stream.factor > 1) // the code in the upper half, zeros in the lower
    code = select(part == 0, byte << cast<uint8_t>(4), byte & cast<uint8_t>(0xf0));
  else if (codesInByte() == 2)
    code = select(part == 0, byte & cast<uint8_t>(15), byte >> cast<uint8_t>(4));
  if (int64_t flip = stream.flip * stream.factor)
    code = code ^ cast<uint8_t>(int(flip));
  return isSigned ? reinterpret<int8_t>(code) : code;
}

Expr StoredStream::elementOf(const Expr &byte, const Expr &part) const { return byte * int(order->byte) + part * int(order->part); }

StoredStream::StoredStream(const std::string &name, const Stream &stream, const std::string &contraction, const ImageParam *pages,
                           int64_t run)
    : stream(stream) {
  Words words = findWords(stream.codes, contraction);
  if (run % words.pack() == 0)
    order = orderOf(stream, words);
  codes = StoredRegion(name, stream.codes, contraction, typeOf(stream.element), pages, multipliesBytes());
  if (hasScale())
    scales = StoredRegion(name + "_scale", stream.scale, "none", typeOf(stream.parameter), pages);
  if (hasZero())
    zeros = StoredRegion(name + "_zero", stream.zero, "none", typeOf(stream.parameter), pages);
}

/// The number of an f8e4m3. With the bias of f32 a magnitude y is right from exponent 1 on, where y <= 2y - 2^-6; the number of
/// exponent 0 is 2y - 2^-6, the lesser one.
static Expr numberOfByte(const Expr &byte) {
  auto word = [](uint32_t bits) { return Expr(bits); };
  Expr code = byte & word(0x7f), normal = reinterpret<float>((code << 20) + word((127 - 7) << 23));
  Expr tiny = normal + normal - 0x1p-6f;
  Expr magnitude = reinterpret<uint32_t>(select(tiny < normal, tiny, normal));
  Expr bits = select(code < word(0x7f), magnitude, word(0x7fc00000));
  return reinterpret<float>(bits | ((byte & word(0x80)) << 24));
}

Expr StoredStream::number(const Expr &word, const Expr &e) const {
  if (stream.element == "f32")
    return word;
  if (stream.element == "f16")
    return cast<float>(codes.pack() == 1 ? word : reinterpret(Float(16), cast<uint16_t>(codes.bits(word, e, false))));
  if (stream.element == "bf16")
    return reinterpret<float>(cast<uint32_t>(codes.bits(word, e, false)) << 16);
  if (stream.element == "f8e4m3")
    return numberOfByte(cast<uint32_t>(codes.bits(word, e, false)));
  Expr number = cast<int32_t>(codes.bits(word, e, stream.isSigned));
  return cast<float>(stream.bias ? number - int(stream.bias) : number);
}

Expr StoredStream::scale(Expr head, const Place &place, Expr group) const { return cast<float>(scales.word(head, place, group)); }

Expr StoredStream::zero(Expr head, const Place &place, Expr group) const { return cast<float>(zeros.word(head, place, group)); }

std::vector<Argument> StoredStream::arguments() const {
  std::vector<Argument> all = {codes.memory};
  if (hasScale())
    all.push_back(scales.memory);
  if (hasZero())
    all.push_back(zeros.memory);
  return all;
}

} // namespace kv::halide
