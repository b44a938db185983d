// Inputs of `kvcc verify`: what a batch looks like and the numbers in it, all from one seed.
#ifndef KV_TOOLS_KVCC_VERIFYINPUTS_H
#define KV_TOOLS_KVCC_VERIFYINPUTS_H

#include "compiler/driver/KernelSpec.h"
#include "compiler/reference/Interpreter.h"
#include "compiler/reference/Tolerance.h"

#include <string>
#include <vector>

namespace kv {

/// A small generator whose numbers are the same on every machine.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {
    state = next() ^ seed << 32;
  } // seeds side by side must not give one stream, shifted

  uint64_t next() {
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  /// 0 .. count - 1
  int64_t below(int64_t count) { return int64_t(next() % uint64_t(count)); }
  /// low .. high
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  bool chance(int64_t oneIn) { return below(oneIn) == 0; }
  double unit() { return double(next() >> 11) * 0x1p-53; }
  /// About normal: the sum of four uniform numbers, deviation 1.
  float normal() {
    uint64_t bits = next();
    int32_t sum = int32_t(bits & 0xffff) + int32_t(bits >> 16 & 0xffff) + int32_t(bits >> 32 & 0xffff) + int32_t(bits >> 48);
    return float(sum - 131070) * float(1.0 / 37837.2);
  }
  template <typename T> const T &of(const std::vector<T> &list) { return list[size_t(below(int64_t(list.size())))]; }
  template <typename T> void shuffle(std::vector<T> &list) {
    for (size_t i = list.size(); i > 1; --i)
      std::swap(list[i - 1], list[size_t(below(int64_t(i)))]);
  }

private:
  uint64_t state;
};

struct SequenceShape {
  int64_t length;  ///< tokens in the cache after the step
  int64_t queries; ///< of the step: the last ones; at most length
  bool needles = false; ///< see VerifyNeedles.h
};

/// What the tensors of a batch hold.
enum class Content {
  ordinary, ///< draws of an InputKind
  corners,  ///< numbers at the corners of codecs; nothing is attended
  codes,    ///< every code that the cache has, few tokens in a sequence
  specials  ///< some NaN, infinities and subnormal numbers
};

/// A batch, a kind of numbers and how the cache gets filled before the step.
struct Scenario {
  std::string name;
  InputKind kind = InputKind::normal;
  std::vector<SequenceShape> sequences;
  Content content = Content::ordinary;
  bool neighbours = false;   ///< also alone, elsewhere in memory: the same bits
  bool pool = false;         ///< also on a pool of two threads
  bool otherLayouts = false; ///< also the layout law

  std::string str() const;
};

/// Batches for a kernel of `spec` whose variants split at `split` tokens; quick ones have no long sequences but one.
std::vector<Scenario> makeScenarios(const CacheSpec &cache, const KernelSpec &spec, int64_t split, bool quick, Random &random);

/// The tensors of one sequence, rounded to the kernel's types, and what the interpreter makes of them.
struct SequenceData {
  SequenceShape shape;
  std::vector<float> q, k, v; ///< [queries][Hq][D], [length][Hkv][D], [length][Hkv][Dv]
  Reference reference;        ///< the whole sequence
  Tensor output, lse;         ///< of the queries; empty for appends
  RowSizes sizes;             ///< what errors are relative to
  std::vector<bool> mayBeNan; ///< rows of which an infinity makes products, [queries][Hq]; empty: none

  SequenceData(CacheType type, SequenceShape shape) : shape(shape), reference(type) {}
};

/// `score` and `split` are those that needles are laid out for.
SequenceData makeSequence(const CacheSpec &cache, const KernelSpec &spec, const Scenario &scenario, SequenceShape shape,
                          const ScoreFunction &score, int64_t split, Random &random);

/// A declared array: slopes as ALiBi has them, a little shaken, or gentle enough for `longest` tokens to be seen.
std::vector<float> makeParameter(int64_t heads, int64_t longest, Random &random);

Element elementOf(kv_type type);

} // namespace kv

#endif
