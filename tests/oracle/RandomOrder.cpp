#include "tests/oracle/RandomOrder.h"

#include <algorithm>
#include <fmt/format.h>

namespace kv {
namespace {

int64_t extentOf(const Digit &digit, int64_t whole) {
  return digit.extent ? digit.extent : (whole + digit.divisor - 1) / digit.divisor;
}

int64_t wholeOf(const Digit &digit, const OrderBox &box) {
  return digit.coordinate == 'h' ? box.heads : digit.coordinate == 't' ? box.tokens : box.dim;
}

/// Cuts a coordinate into up to four digits.
void split(Random &random, char coordinate, int64_t whole, std::vector<Digit> &digits) {
  static const std::vector<int64_t> counts = {0, 0, 1, 1, 1, 2, 3};
  static const std::vector<int64_t> powers = {2, 2, 4, 4, 8, 16, 16, 32, 64}, others = {3, 5, 6, 7, 9, 10, 12, 15, 18, 20, 33};
  int64_t divisor = 1;
  for (int64_t count = whole > 1 ? random.of(counts) : 0; count > 0; --count) {
    int64_t extent = random.of(random.chance(3) ? others : powers);
    if (divisor * extent > 2 * whole)
      continue;
    digits.push_back({coordinate, divisor, extent});
    divisor *= extent;
  }
  digits.push_back({coordinate, divisor, 0});
}

} // namespace

bool isOrderOf(const std::vector<Digit> &digits, const OrderBox &box) {
  int64_t elements = 1;
  for (const Digit &digit : digits)
    elements *= extentOf(digit, wholeOf(digit, box));
  const Digit &fastest = digits.back();
  bool wholeBytes = box.bits >= 8 || (extentOf(fastest, wholeOf(fastest, box)) % 2 == 0 && keepsBytesApart(fastest));
  return wholeBytes && elements <= 2 * (box.inTile ? 1 : box.heads) * box.tokens * box.dim;
}

std::vector<Digit> randomOrder(Random &random, const OrderBox &box) {
  for (;;) {
    std::vector<Digit> digits;
    if (!box.inTile)
      split(random, 'h', random.chance(4) ? box.heads : 1, digits);
    split(random, 't', box.tokens, digits);
    split(random, 'd', box.dim, digits);
    random.shuffle(digits);
    // Every other one as kernels want it: the slow digits of all coordinates, then the fast ones.
    if (random.chance(2)) {
      std::vector<Digit> sorted;
      for (bool slow : {true, false})
        std::copy_if(digits.begin(), digits.end(), std::back_inserter(sorted),
                     [&](const Digit &digit) { return (digit.extent == 0) == slow; });
      digits = sorted;
    }
    if (isOrderOf(digits, box))
      return digits;
  }
}

std::string orderText(const std::vector<Digit> &digits) {
  std::string text;
  for (const Digit &digit : digits)
    text += fmt::format("{}{}{}{}", text.empty() ? "" : ", ", digit.coordinate,
                        digit.divisor == 1 ? "" : fmt::format("/{}", digit.divisor),
                        digit.extent == 0 ? "" : fmt::format("%{}", digit.extent));
  return "[" + text + "]";
}

} // namespace kv
