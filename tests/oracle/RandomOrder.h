// Random orders of a page: any that the language accepts, of a size that a test can count through.
#ifndef KV_TESTS_ORACLE_RANDOMORDER_H
#define KV_TESTS_ORACLE_RANDOMORDER_H

#include "dialect/Storage.h"
#include "tools/kvcc/VerifyInputs.h"

#include <string>
#include <vector>

namespace kv {

/// The elements that an order lays out: those of a page, or of one head's tile.
struct OrderBox {
  int64_t heads, tokens, dim, bits;
  bool inTile; ///< without a digit of h
};

/// Whether the language accepts these digits, and their padding takes at most as much room again as the elements.
bool isOrderOf(const std::vector<Digit> &digits, const OrderBox &box);

/// Digits of even and odd extents, in any sequence, that are an order of the box.
std::vector<Digit> randomOrder(Random &random, const OrderBox &box);

/// As a file says it: "[h, t/16, d, t%16]".
std::string orderText(const std::vector<Digit> &digits);

} // namespace kv

#endif
