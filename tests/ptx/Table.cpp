// Table.cpp: the whitelist. A mnemonic is known if one row's pattern is exactly it, modifiers and their order included.
#include "Decoder.h"

#include <utility>

namespace kv::ptx {
namespace {

// Sets of types that patterns name as <set>.
constexpr std::pair<std::string_view, std::string_view> sets[] = {
    {"int", "u16|s16|u32|s32|u64|s64"},
    {"bits", "b16|b32|b64"},
    {"cmp", "b16|u16|s16|b32|u32|s32|b64|u64|s64|f32|f64"},
    {"mem", "b8|u8|s8|b16|u16|s16|b32|u32|s32|f32|b64|u64|s64|f64"},
    {"rnd", ".rn|.rz|.rm|.rp|"},
    {"scope", "cta|cluster|gpu|sys"},
    {"prefetch", ".L2::64B|.L2::128B|.L2::256B|"},
    {"evict", ".L1::evict_normal|.L1::evict_unchanged|.L1::evict_first|.L1::evict_last|.L1::no_allocate|"},
    {"hint", ".L2::cache_hint|"},
};

bool matchesOne(std::string_view options, std::string_view rest, std::string_view text) {
  for (size_t at = 0; at <= options.size();) {
    const size_t bar = std::min(options.find('|', at), options.size());
    const std::string_view option = options.substr(at, bar - at);
    if (text.substr(0, option.size()) == option && matches(rest, text.substr(option.size())))
      return true;
    at = bar + 1;
  }
  return false;
}

} // namespace

bool matches(std::string_view pattern, std::string_view text) {
  for (; !pattern.empty(); pattern.remove_prefix(1), text.remove_prefix(1)) {
    if (pattern[0] == '{') {
      const size_t close = pattern.find('}');
      return matchesOne(pattern.substr(1, close - 1), pattern.substr(close + 1), text);
    }
    if (pattern[0] == '<') {
      const size_t close = pattern.find('>');
      for (const auto &[name, options] : sets)
        if (name == pattern.substr(1, close - 1))
          return matchesOne(options, pattern.substr(close + 1), text);
      return false;
    }
    if (text.empty() || text[0] != pattern[0])
      return false;
  }
  return text.empty();
}

const Row *findRow(std::string_view mnemonic) {
  static std::unordered_map<std::string, const Row *> known;
  const auto [entry, isNew] = known.try_emplace(std::string(mnemonic), nullptr);
  if (!isNew)
    return entry->second;
  for (auto rows :
       {integerRows(), bitRows(), floatRows(), halfRows(), convertRows(), compareRows(), moveRows(), memoryRows(), atomicRows(),
        fenceRows(), barrierRows(), asyncRows(), mbarrierRows(), warpRows(), controlRows(), mmaRows(), matrixRows()})
    for (const Row &row : rows)
      if (matches(row.pattern, mnemonic)) {
        entry->second = &row;
        return &row;
      }
  return nullptr;
}

} // namespace kv::ptx
