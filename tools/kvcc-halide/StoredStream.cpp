#include "tools/kvcc-halide/StoredStream.h"

using namespace Halide;

namespace kv::halide {

StoredRegion::StoredRegion(const std::string &name, const Region &region, const std::string &contraction, Type type,
                           const ImageParam *pages)
    : words(findWords(region, contraction)), elementBits(region.bits), wordBits(region.bits * words.pack()), pages(pages) {
  const std::vector<Axis> &axes = words.axes;
  halves = wordBits < 8;
  if (halves) // two elements to a byte, whose digits say which
    wordBits = 8;
  if (halves && (axes.back().stride != 1 || axes.back().extent % 2))
    throw NotCovered{"4-bit codes in an order whose fastest digit is of odd extent"};
  memory = ImageParam(pack() == 1 ? type : UInt(int(wordBits)), int(axes.size()) + (pages ? 2 : 0), name);
  int64_t elements = halves ? 2 : pack(); // of a word of memory
  for (size_t i = 0; i < axes.size(); ++i) {
    const Axis &axis = axes[axes.size() - 1 - i];
    memory.dim(int(i)).set_min(0).set_stride(int(std::max<int64_t>(axis.stride / elements, 1)));
  }
  if (pages)
    for (int half = 0; half < 2; ++half)
      memory.dim(int(axes.size()) + half).set_min(0).set_stride(int(512 / wordBits) << (16 * half));
}

Expr StoredRegion::word(Expr head, const Place &place, Expr channel) const {
  const std::vector<Axis> &axes = words.axes;
  std::vector<Expr> index;
  Expr upper;
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    Expr digit = axis->coordinate == "h" ? head : axis->coordinate == "t" ? place.slot : channel;
    if (axis->divisor > 1)
      digit = digit / int(axis->divisor);
    bool outermost = true; // whose quotient is below its extent
    for (const Axis &other : axes)
      outermost &= other.coordinate != axis->coordinate || other.divisor <= axis->divisor;
    digit = outermost ? digit : digit % int(axis->extent);
    if (halves && axis == axes.rbegin()) {
      upper = digit % 2;
      digit = digit / 2;
    }
    index.push_back(digit);
  }
  if (pages)
    for (int half = 0; half < 2; ++half)
      index.push_back(unsafe_promise_clamped((*pages)(half, place.page), 0, 0xffff)); // some bound, which no code depends on
  Expr stored = memory(index);
  return halves ? cast<uint8_t>(cast<uint32_t>(stored) >> cast<uint32_t>(4 * upper)) & cast<uint8_t>(15) : stored;
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
  return element == "i8" ? Int(8) : UInt(8);
}

StoredStream::StoredStream(const std::string &name, const Stream &stream, const std::string &contraction, const ImageParam *pages)
    : codes(name, stream.codes, contraction, typeOf(stream.element), pages), stream(stream) {
  if (hasScale())
    scales = StoredRegion(name + "_scale", stream.scale, "none", typeOf(stream.parameter), pages);
  if (hasZero())
    zeros = StoredRegion(name + "_zero", stream.zero, "none", typeOf(stream.parameter), pages);
}

Expr StoredStream::number(const Expr &word, const Expr &e) const {
  if (stream.element == "f32")
    return word;
  if (stream.element == "f16")
    return cast<float>(codes.pack() == 1 ? word : reinterpret(Float(16), cast<uint16_t>(codes.bits(word, e, false))));
  if (stream.element == "bf16")
    return reinterpret<float>(cast<uint32_t>(codes.bits(word, e, false)) << 16);
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
