// MemoryOps.cpp: ld, st, ldu, prefetch: PTX ISA 9.7.9.8 to 9.7.9.18. Cache operators and priorities change no result; memory order
// does.
#include "Ordering.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace kv::ptx {
namespace {

Space spaceNamed(const Decoder &decoder) {
  if (decoder.has("shared") || decoder.has("shared::cta"))
    return Space::shared;
  if (decoder.has("global"))
    return Space::global;
  return decoder.has("local")   ? Space::local
         : decoder.has("param") ? Space::param
         : decoder.has("const") ? Space::constant
                                : Space::generic;
}

/// Extra cycles of a shared access: for each quarter, half or whole warp that goes at once, how many rows of 32 banks are asked of
/// the busiest bank, less one.
void countConflicts(Warp &warp, const std::array<Place, warpSize> &places, unsigned bytes, uint32_t mask) {
  Statistics &stats = warp.grid.stats;
  ++stats.sharedAccesses;
  const unsigned lanesAtOnce = bytes <= 4 ? 32 : 128 / bytes;
  for (unsigned first = 0; first < warpSize; first += lanesAtOnce) {
    std::array<std::array<int64_t, 32>, 32> rows; // by bank: the rows asked of it
    std::array<unsigned, 32> banks = {};
    for (unsigned lane = first; lane < first + lanesAtOnce; ++lane)
      if (mask >> lane & 1)
        for (unsigned word = 0; word < std::max(bytes / 4, 1u); ++word) {
          const int64_t at = places[lane].offset / 4 + word;
          auto &asked = rows[at % 32];
          unsigned &count = banks[at % 32];
          if (std::find(asked.begin(), asked.begin() + count, at) == asked.begin() + count)
            asked[count++] = at;
        }
    const unsigned most = *std::max_element(banks.begin(), banks.end());
    stats.bankConflicts += most > 1 ? most - 1 : 0;
  }
}

AccessMode modeOf(const Instruction &in) { return {in.strong, in.nonCoherent, in.scope}; }

template <unsigned size> void load(Warp &warp, const Instruction &in, uint32_t mask) {
  const unsigned bytes = size * in.vector;
  const Operand &address = in.operands[in.vector];
  const Lanes addresses = warp.addresses(address, mask);
  std::array<Place, warpSize> places;
  Lanes *to[8];
  for (unsigned i = 0; i < in.vector; ++i)
    to[i] = &warp.write(in.operands[i], mask);
  const bool extend = isSigned(in.type);
  forLanes(mask, [&](unsigned lane) {
    places[lane] = warp.resolve(in.space, addresses[lane], bytes, bytes, lane);
    uint8_t data[32];
    warp.load(places[lane], data, bytes, lane, modeOf(in));
    for (unsigned i = 0; i < in.vector; ++i) {
      uint64_t value = 0;
      std::memcpy(&value, data + i * size, size);
      (*to[i])[lane] = extend ? lowBits(uint64_t(signExtend(value, size * 8)), in.operands[i].bits) : value;
    }
    if (in.strong)
      observe(warp, places[lane], lane, in.order, in.scope);
  });
  const Space space = places[unsigned(__builtin_ctz(mask))].space;
  if (space == Space::shared)
    countConflicts(warp, places, bytes, mask);
  else if (space == Space::global)
    warp.grid.stats.globalLoadBytes += uint64_t(bytes) * unsigned(__builtin_popcount(mask));
  warp.yielded |= in.strong; // a loop that polls must let others run
}

template <unsigned size> void store(Warp &warp, const Instruction &in, uint32_t mask) {
  const unsigned bytes = size * in.vector;
  const Lanes addresses = warp.addresses(in.operands[0], mask);
  std::array<Place, warpSize> places;
  const Lanes *from[8];
  for (unsigned i = 0; i < in.vector; ++i)
    from[i] = &warp.read(in.operands[i + 1], mask);
  forLanes(mask, [&](unsigned lane) {
    places[lane] = warp.resolve(in.space, addresses[lane], bytes, bytes, lane);
    uint8_t data[32];
    for (unsigned i = 0; i < in.vector; ++i)
      std::memcpy(data + i * size, &(*from[i])[lane], size);
    warp.store(places[lane], data, bytes, lane, modeOf(in));
    if (in.strong)
      publish(warp, places[lane], lane, in.order, in.scope, false);
  });
  const Space space = places[unsigned(__builtin_ctz(mask))].space;
  if (space == Space::shared)
    countConflicts(warp, places, bytes, mask);
  else if (space == Space::global)
    warp.grid.stats.globalStoreBytes += uint64_t(bytes) * unsigned(__builtin_popcount(mask));
}

unsigned vectorOf(const Decoder &decoder) { return decoder.has("v8") ? 8 : decoder.has("v4") ? 4 : decoder.has("v2") ? 2 : 1; }

void access(Decoder &decoder) {
  Instruction &in = decoder.in;
  in.type = decoder.type();
  in.space = spaceNamed(decoder);
  in.vector = uint8_t(vectorOf(decoder));
  in.nonCoherent = decoder.has("nc") || decoder.words[0] == "ldu";
  readOrdering(decoder);
  if (bitsOf(in.type) * in.vector > 256 || (in.vector == 4 && bitsOf(in.type) > 64))
    decoder.fail("a vector of more than 32 bytes");
}

Handler buildLoad(Decoder &decoder) {
  access(decoder);
  decoder.count(2, decoder.has("L2::cache_hint") ? 3 : 2);
  decoder.writeVector(0, decoder.in.type, decoder.in.vector, true);
  decoder.address(1, decoder.in.space);
  const Handler bySize[] = {load<1>, load<2>, load<4>, load<8>};
  return bySize[std::countr_zero(bitsOf(decoder.in.type) / 8)];
}

Handler buildStore(Decoder &decoder) {
  access(decoder);
  decoder.count(2, decoder.has("L2::cache_hint") ? 3 : 2);
  decoder.address(0, decoder.in.space);
  decoder.readVector(1, decoder.in.type, decoder.in.vector, true);
  const Handler bySize[] = {store<1>, store<2>, store<4>, store<8>};
  return bySize[std::countr_zero(bitsOf(decoder.in.type) / 8)];
}

// 9.7.9.15 prefetch: no access, but an address that no allocation holds is a mistake all the same.
void prefetch(Warp &warp, const Instruction &in, uint32_t mask) {
  const Lanes addresses = warp.addresses(in.operands[0], mask);
  forLanes(mask, [&](unsigned lane) { warp.resolve(in.space, addresses[lane], 1, 1, lane); });
}

Handler buildPrefetch(Decoder &decoder) {
  decoder.count(1);
  decoder.in.space = spaceNamed(decoder);
  decoder.address(0, decoder.in.space);
  return prefetch;
}

// 9.7.9.18 createpolicy: an opaque value.
void createPolicy(Warp &warp, const Instruction &in, uint32_t mask) {
  Lanes &to = warp.write(in.operands[0], mask);
  forLanes(mask, [&](unsigned lane) { to[lane] = 0x14f0000000000000; });
}

Handler buildPolicy(Decoder &decoder) {
  decoder.count(1, 2);
  decoder.write(0, Type::b64);
  return createPolicy;
}

#define LOADED "{.ca|.cg|.cs|.lu|.cv|}<evict><hint><prefetch>{.v2|.v4|}.<mem>"
#define STORED "{.wb|.cg|.cs|.wt|}<evict><hint>{.v2|.v4|}.<mem>"

constexpr Row rows[] = {
    {"ld{.weak|}{.global|.shared|.shared::cta|.local|.const|.param|}" LOADED, buildLoad},
    {"ld.volatile{.global|.shared|.shared::cta|.local|}" LOADED, buildLoad},
    {"ld.relaxed.<scope>{.global|.shared|.shared::cta|.local|}" LOADED, buildLoad},
    {"ld.acquire.<scope>{.global|.shared|.shared::cta|}<evict><hint><prefetch>{.v2|.v4|}.<mem>", buildLoad},
    {"ld.global{.ca|.cg|.cs|}.nc<evict><hint><prefetch>{.v2|.v4|}.<mem>", buildLoad},
    {"ld.global{.nc|}<evict><hint><prefetch>.{v8.b32|v8.f32|v4.b64|v4.u64|v4.f64}", buildLoad},
    {"ldu{.global|}{.v2|.v4|}.<mem>", buildLoad},
    {"st{.weak|}{.global|.shared|.shared::cta|.local|}" STORED, buildStore},
    {"st.volatile{.global|.shared|.shared::cta|.local|}" STORED, buildStore},
    {"st.relaxed.<scope>{.global|.shared|.shared::cta|.local|}" STORED, buildStore},
    {"st.release.<scope>{.global|.shared|.shared::cta|}<evict><hint>{.v2|.v4|}.<mem>", buildStore},
    {"prefetch{.global|}.{L1|L2}", buildPrefetch},
    {"prefetch.global.L2::{evict_last|evict_normal}", buildPrefetch},
    {"prefetchu.L1", buildPrefetch},
    {"createpolicy.fractional.L2::{evict_last|evict_normal|evict_first|evict_unchanged}{.L2::evict_first|.L2::evict_unchanged|}."
     "b64",
     buildPolicy},
};

} // namespace

std::span<const Row> memoryRows() { return rows; }

} // namespace kv::ptx
