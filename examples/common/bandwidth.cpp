#include "common/example.h"

#include <algorithm>

namespace example {
namespace {

struct Pass {
  const uint8_t *memory;
  size_t share;
};

volatile uint64_t sink; // where sums end, so that no load is dropped

#if defined(__x86_64__) && defined(__linux__)
__attribute__((target_clones("default", "avx2", "avx512f")))
#endif
uint64_t readAll(const uint8_t *memory, size_t bytes) {
  const auto *words = reinterpret_cast<const uint64_t *>(memory);
  uint64_t sums[64] = {};
  for (size_t at = 0; at + 64 <= bytes / 8; at += 64) {
    for (size_t line = 0; line < 64; line += 8)
      __builtin_prefetch(words + at + line + 512);
    for (size_t i = 0; i < 64; ++i)
      sums[i] |= words[at + i];
  }
  uint64_t all = 0;
  for (uint64_t sum : sums)
    all |= sum;
  return all;
}

void readPart(void *argument, int32_t part) {
  const auto &pass = *static_cast<Pass *>(argument);
  sink = sink | readAll(pass.memory + static_cast<size_t>(part) * pass.share, pass.share);
}

} // namespace

double readBandwidth(const void *memory, size_t bytes, const kv_executor &executor, int passes) {
  Pass pass = {static_cast<const uint8_t *>(memory), bytes / static_cast<size_t>(executor.threads) / 4096 * 4096};
  double fastest = 0;
  for (int i = 0; i < passes; ++i) {
    double start = seconds();
    executor.run(executor.context, executor.threads, readPart, &pass);
    fastest = std::max(fastest, static_cast<double>(pass.share) * executor.threads / (seconds() - start));
  }
  return fastest;
}

} // namespace example
