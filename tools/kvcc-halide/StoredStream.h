// Keys or values of a block as Halide expressions: words of memory, numbers in them, scales and zeros.
#ifndef KVCC_HALIDE_STORED_STREAM_H
#define KVCC_HALIDE_STORED_STREAM_H

#include "compiler/halide/Words.h"

#include <Halide.h>

namespace kv::halide {

/// What a plan asks for and Halide's route does not have: `what` says it in the user's terms.
struct NotCovered {
  std::string what;
};

/// Where a token of a block is: a slot of a page, and the page's number in `pages` where there are several.
struct Place {
  Halide::Expr page, slot;
};

/// A region as memory of words: elements along the contraction that lie together in up to 32 bits are read at once.
class StoredRegion {
public:
  StoredRegion() = default;
  /// `contraction`: "t" or "d"; `type`: of an element that is a word by itself; `pages`: of a block that has several, where each
  /// is.
  StoredRegion(const std::string &name, const Region &region, const std::string &contraction, Halide::Type type,
               const Halide::ImageParam *pages);

  const Words &layout() const { return words; }
  int64_t pack() const { return words.pack(); } ///< elements of a word
  /// The word of head, slot and channel (or group of channels).
  Halide::Expr word(Halide::Expr head, const Place &place, Halide::Expr channel) const;
  /// An element of a word as its bits in the low end of i32, with its sign or not; of scalars that fill a word, the word.
  Halide::Expr bits(const Halide::Expr &word, const Halide::Expr &element, bool isSigned) const;

  Halide::ImageParam memory;

private:
  Words words;
  int64_t elementBits = 0, wordBits = 0;
  bool halves = false; ///< words are 4 bits, half a byte
  const Halide::ImageParam *pages = nullptr;
};

class StoredStream {
public:
  StoredStream(const std::string &name, const Stream &stream, const std::string &contraction, const Halide::ImageParam *pages);

  bool hasScale() const { return stream.group > 0; }
  bool hasZero() const { return !stream.zero.axes.empty(); }
  int64_t groups() const { return hasScale() ? stream.dim / stream.group : 1; }
  int64_t groupChannels() const { return hasScale() ? stream.group : stream.dim; }
  bool isScalar() const { return !hasScale(); }
  /// Element `e` of a word as f32: a value, or the number that scale and zero turn into one.
  Halide::Expr number(const Halide::Expr &word, const Halide::Expr &e) const;
  Halide::Expr scale(Halide::Expr head, const Place &place, Halide::Expr group) const;
  Halide::Expr zero(Halide::Expr head, const Place &place, Halide::Expr group) const;
  std::vector<Halide::Argument> arguments() const;

  StoredRegion codes;

private:
  Stream stream;
  StoredRegion scales, zeros;
};

} // namespace kv::halide

#endif
