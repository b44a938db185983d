// Rows of random numbers as real keys, values and queries look: normal, with a few channels that stand out.
#ifndef KV_TOOLS_KVCC_TENSOR_H
#define KV_TOOLS_KVCC_TENSOR_H

#include "kv/kv_abi.h"

#include <cstdint>
#include <vector>

namespace kv {

/// Bytes of an element of q, k, v or o.
int64_t typeBytes(kv_type type);

/// `count` floats as elements of `type`, rounded to nearest even.
std::vector<uint8_t> toBytes(const std::vector<float> &values, kv_type type);

/// `rows` rows of `heads` x `channels`; of each 32 channels one is `outlier` times as large (the same one in every row).
std::vector<float> randomRows(int64_t rows, int64_t heads, int64_t channels, float outlier, uint64_t seed);

} // namespace kv

#endif
