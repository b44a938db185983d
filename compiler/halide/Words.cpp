#include "compiler/halide/Words.h"

namespace kv::halide {

Words findWords(const Region &region, const std::string &contraction) {
  int64_t bits = region.bits, pack = 1;
  Words words{region.axes, {}};
  std::vector<Axis> &outside = words.axes, inside;
  while (!outside.empty() && outside.back().coordinate == contraction && bits * pack * outside.back().extent <= 32) {
    pack *= outside.back().extent;
    inside.push_back(outside.back());
    outside.pop_back();
  }
  if (inside.empty() && !outside.empty() && bits < 32) { // elements one after another: as many as a word has
    Axis &last = outside.back();
    int64_t whole = 32 / bits;
    if (last.coordinate == contraction && last.divisor == 1 && last.stride == 1 && last.extent % whole == 0) {
      pack = whole;
      inside.push_back({contraction, 1, whole, 1, 0});
      last = {contraction, whole, last.extent / whole, whole, last.modulus};
    }
  }
  int64_t covered = 1, width = bits * pack;
  for (const Axis &digit : inside)
    covered *= digit.divisor * digit.extent <= pack ? digit.extent : 0;
  if (covered != pack || (width != 8 && width != 16 && width != 32))
    return {region.axes, {0}};
  for (int64_t e = 0; e < pack; ++e) {
    int64_t index = 0;
    for (const Axis &digit : inside)
      index += e / digit.divisor % digit.extent * digit.stride;
    words.bitOfElement.push_back(index * bits);
  }
  return words;
}

} // namespace kv::halide
