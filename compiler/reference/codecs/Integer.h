// Integer codecs, bit for bit: i8, u8, i4 and u4 in groups of channels.
//
// All arithmetic is IEEE float32, every operation rounded to nearest even, nothing fused. A group is `size` consecutive channels of
// one token and head, x its values as float32.
//   sym    M = 2^(bits-1) - 1;  s = T(max|x| / M);  code = clamp(rne(x * inv), -M, M);  value = code * s
//   asym   L = 2^bits - 1;  z = T(min x);  s = T((max x - min x) / L);  code = clamp(rne((x - z) * inv), 0, L)
//          value = z + code * s
// T rounds to the scale's type; a finite input never gives an infinity there: what would overflow becomes the largest finite value
// of its sign. A zero is never -0: it is stored as +0. inv = 1 / s, or 0 when that is not finite (s is 0 or below 2^-128), and then
// all codes are 0. A NaN or an infinity anywhere in the group makes s (and z) the quiet NaN and all codes 0: it decodes to NaN.
#ifndef KV_REFERENCE_INTEGER_H
#define KV_REFERENCE_INTEGER_H

#include "compiler/reference/Codec.h"

namespace kv {

/// Encodes one group. `stored` gets the bits as they stand in memory, in the low codec.bits of each.
GroupParameters encodeGroup(const Codec &codec, llvm::ArrayRef<float> values, llvm::MutableArrayRef<uint32_t> stored);

/// The values of a group.
void decodeGroup(const Codec &codec, llvm::ArrayRef<uint32_t> stored, GroupParameters parameters,
                 llvm::MutableArrayRef<float> values);

/// Group after group, as many as there are parameters.
void encodeGroups(const Codec &codec, llvm::ArrayRef<float> values, llvm::MutableArrayRef<uint32_t> stored,
                  llvm::MutableArrayRef<GroupParameters> parameters);
void decodeGroups(const Codec &codec, llvm::ArrayRef<uint32_t> stored, llvm::ArrayRef<GroupParameters> parameters,
                  llvm::MutableArrayRef<float> values);

} // namespace kv

#endif
