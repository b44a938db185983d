// Types.cpp: see Types.h.
#include "Types.h"

#include <array>

namespace kv::ptx {
namespace {

struct Row {
  Type type;
  std::string_view name;
  unsigned bits;
};

// clang-format off
constexpr Row rows[] = {
  {Type::none, "", 0}, {Type::pred, "pred", 1}, {Type::b8, "b8", 8}, {Type::u8, "u8", 8}, {Type::s8, "s8", 8},
  {Type::b16, "b16", 16}, {Type::u16, "u16", 16}, {Type::s16, "s16", 16}, {Type::f16, "f16", 16}, {Type::bf16, "bf16", 16},
  {Type::b32, "b32", 32}, {Type::u32, "u32", 32}, {Type::s32, "s32", 32}, {Type::f32, "f32", 32}, {Type::tf32, "tf32", 32},
  {Type::f16x2, "f16x2", 32}, {Type::bf16x2, "bf16x2", 32}, {Type::u16x2, "u16x2", 32}, {Type::s16x2, "s16x2", 32},
  {Type::e4m3x2, "e4m3x2", 16}, {Type::e5m2x2, "e5m2x2", 16},
  {Type::b64, "b64", 64}, {Type::u64, "u64", 64}, {Type::s64, "s64", 64}, {Type::f64, "f64", 64}, {Type::f32x2, "f32x2", 64},
  {Type::b128, "b128", 128}, {Type::s4, "s4", 4}, {Type::u4, "u4", 4}, {Type::e4m3, "e4m3", 8}, {Type::e5m2, "e5m2", 8},
};
// clang-format on

} // namespace

Type typeNamed(std::string_view name) {
  for (const Row &row : rows)
    if (row.name == name)
      return row.type;
  return Type::none;
}

std::string_view nameOf(Type type) { return rows[unsigned(type)].name; }
unsigned bitsOf(Type type) { return rows[unsigned(type)].bits; }

bool isSigned(Type type) {
  return type == Type::s8 || type == Type::s16 || type == Type::s32 || type == Type::s64 || type == Type::s16x2 || type == Type::s4;
}

} // namespace kv::ptx
