// Types.h: the fundamental types of PTX (PTX ISA 5.2), their sizes, and the state spaces (5.1).
#ifndef KV_TESTS_PTX_TYPES_H
#define KV_TESTS_PTX_TYPES_H

#include <cstdint>
#include <string_view>

namespace kv::ptx {

// clang-format off
enum class Type : uint8_t {
  none, pred, b8, u8, s8, b16, u16, s16, f16, bf16, b32, u32, s32, f32, tf32, f16x2, bf16x2, u16x2, s16x2, e4m3x2, e5m2x2,
  b64, u64, s64, f64, f32x2, b128, s4, u4, e4m3, e5m2,
};
// clang-format on

enum class Space : uint8_t { generic, global, shared, local, constant, param };

/// Type::none where `name` is no type.
Type typeNamed(std::string_view name);
std::string_view nameOf(Type type);
/// Bits in a register or in memory; 1 for a predicate.
unsigned bitsOf(Type type);
bool isSigned(Type type);

inline uint64_t lowBits(uint64_t value, unsigned bits) { return bits >= 64 ? value : value & ((uint64_t(1) << bits) - 1); }
inline int64_t signExtend(uint64_t value, unsigned bits) { return int64_t(value << (64 - bits)) >> (64 - bits); }

} // namespace kv::ptx
#endif
