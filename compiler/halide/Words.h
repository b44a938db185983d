// How codes lie in words of memory: what kvcc-halide reads, and kvcc counts.
#ifndef KV_HALIDE_WORDS_H
#define KV_HALIDE_WORDS_H

#include "compiler/halide/Plan.h"

namespace kv::halide {

/// Elements along a contraction that lie together in 8, 16 or 32 bits are one word; where there are no such, each is one by itself.
struct Words {
  std::vector<Axis> axes;            ///< of words, slowest first; strides in elements
  std::vector<int64_t> bitOfElement; ///< where each element of a word begins
  int64_t pack() const { return int64_t(bitOfElement.size()); }
};

/// `contraction`: "t" or "d".
Words findWords(const Region &region, const std::string &contraction);

/// Elements that an iteration of a product takes, of so many that follow one another in whole: a word's, or one where words do not
/// end with them.
inline int64_t elementsTogether(const Words &words, int64_t run) { return run % words.pack() ? 1 : words.pack(); }

} // namespace kv::halide

#endif
