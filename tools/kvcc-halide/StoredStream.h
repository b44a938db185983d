// Keys or values of a block as Halide expressions: words of memory, numbers in them, scales and zeros.
#ifndef KVCC_HALIDE_STORED_STREAM_H
#define KVCC_HALIDE_STORED_STREAM_H

#include "compiler/halide/Words.h"

#include <Halide.h>
#include <optional>

namespace kv::halide {

/// What a plan asks for and Halide's route does not have: `what` says it in the user's terms.
struct NotCovered {
  std::string what;
};

/// From a digit of `extent` values to the next in memory of Halide, whose strides are int32: a longer one is as many as `times`
/// short ones. Throws NotCovered where there are no such.
struct Step {
  int64_t stride, times = 1;
};
Step stepOf(int64_t stride, int64_t extent);

/// Throws NotCovered where 4-bit elements of a region do not share bytes two by two.
void requireBytes(const Region &region);

/// Where a token of a block is: a slot of a page, so many after a multiple of a unit that the slot's distance from there is below;
/// and the page's number in `pages` where there are several.
struct Place {
  Halide::Expr page, slot;
  Halide::Expr units = 0; ///< whole ones before
  int64_t unit = 0;       ///< 0: slots are counted from the page's start
};

/// A region as memory of words: elements along the contraction that lie together in up to 32 bits are read at once.
class StoredRegion {
public:
  StoredRegion() = default;
  /// `contraction`: "t" or "d"; `type`: of an element that is a word by itself; `pages`: of a block that has several, where each
  /// is.
  /// `inBytes`: words are read a byte at a time.
  StoredRegion(const std::string &name, const Region &region, const std::string &contraction, Halide::Type type,
               const Halide::ImageParam *pages, bool inBytes = false);

  const Words &layout() const { return words; }
  int64_t pack() const { return words.pack(); } ///< elements of a word
  /// The word of head, slot and channel (or group of channels).
  Halide::Expr word(Halide::Expr head, const Place &place, Halide::Expr channel) const;
  /// A byte of the word.
  Halide::Expr byte(Halide::Expr head, const Place &place, Halide::Expr channel, Halide::Expr number) const;
  /// An element of a word as its bits in the low end of i32, with its sign or not; of scalars that fill a word, the word.
  Halide::Expr bits(const Halide::Expr &word, const Halide::Expr &element, bool isSigned) const;

  Halide::ImageParam memory;

private:
  std::vector<Halide::Expr> index(Halide::Expr head, const Place &place, Halide::Expr channel) const;

  Words words;
  std::vector<Step> steps; ///< of the axes of words, the fastest first
  int64_t elementBits = 0, wordBits = 0;
  bool halves = false; ///< words are 4 bits, half a byte
  const Halide::ImageParam *pages = nullptr;
};

class StoredStream {
public:
  /// `run`: elements along the contraction that follow one another in whole words, if words divide it.
  StoredStream(const std::string &name, const Stream &stream, const std::string &contraction, const Halide::ImageParam *pages,
               int64_t run);

  bool hasScale() const { return stream.group > 0; }
  bool hasZero() const { return stream.zero.bits > 0; }
  int64_t groups() const { return hasScale() ? stream.dim / stream.group : 1; }
  int64_t groupChannels() const { return hasScale() ? stream.group : stream.dim; }
  bool isScalar() const { return !hasScale(); }
  /// Element `e` of a word as f32: a value, or the number that scale and zero turn into one.
  Halide::Expr number(const Halide::Expr &word, const Halide::Expr &e) const;
  Halide::Expr scale(Halide::Expr head, const Place &place, Halide::Expr group) const;
  Halide::Expr zero(Halide::Expr head, const Place &place, Halide::Expr group) const;
  std::vector<Halide::Argument> arguments() const;

  /// Whether products are of bytes: of words of 32 bits, which hold one or two codes in each of their bytes.
  bool multipliesBytes() const { return order.has_value(); }
  /// What a code from its middle lacks to the number that a scale multiplies.
  int64_t middle() const { return (stream.isSigned ? 0 : int64_t(1) << (stream.codes.bits - 1)) - stream.bias; }
  int64_t codesInByte() const { return 8 / stream.codes.bits; }
  /// The operand that a byte of a word has for the code in its lower or upper part, and which element of the word that is.
  Halide::Expr operand(const Halide::Expr &byte, const Halide::Expr &part) const;
  Halide::Expr elementOf(const Halide::Expr &byte, const Halide::Expr &part) const;

  StoredRegion codes;

private:
  /// From one byte of a word to the next, and from one part of a byte to the next, so many elements.
  struct Order {
    int64_t byte, part;
  };
  static std::optional<Order> orderOf(const Stream &stream, const Words &words);

  Stream stream;
  StoredRegion scales, zeros;
  std::optional<Order> order;
};

} // namespace kv::halide

#endif
