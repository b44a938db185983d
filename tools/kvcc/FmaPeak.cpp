#include "tools/kvcc/FmaPeak.h"

#include <algorithm>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace kv {
namespace {

/// FLOP of one pass on each thread, about a millisecond: long enough for waking a thread not to matter, and short enough to fit
/// into the time that a scheduler gives a thread among others.
constexpr size_t passFlops = size_t(1) << 27;

struct FmaLoop {
  void (*run)(size_t rounds);
  size_t roundFlops;
};

/// Where sums end, so that no multiply-add is dropped.
volatile float sink;

// One loop: `Count` independent sums, more than it takes to hide a multiply-add's latency and as many as registers hold. Sums stay
// near 1: no infinities, no subnormals.
#define KV_FMA_LOOP(name, attributes, Vector, Count, broadcast, multiplyAdd)                                                       \
  attributes void name##Run(size_t rounds) {                                                                                       \
    Vector sums[Count];                                                                                                            \
    const Vector half = broadcast(0.5f);                                                                                           \
    for (int i = 0; i < Count; ++i)                                                                                                \
      sums[i] = broadcast(static_cast<float>(i));                                                                                  \
    for (size_t round = 0; round < rounds; ++round)                                                                                \
      _Pragma("GCC unroll 32") for (int i = 0; i < Count; ++i) sums[i] = multiplyAdd(sums[i], half, half);                         \
    for (const Vector &sum : sums)                                                                                                 \
      sink = sink + reinterpret_cast<const float *>(&sum)[0];                                                                      \
  }                                                                                                                                \
  constexpr FmaLoop name = {name##Run, 2 * Count * sizeof(Vector) / sizeof(float)};

#if defined(__x86_64__)
#define KV_MULTIPLY_ADD_SSE(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)
KV_FMA_LOOP(fmaSse, , __m128, 12, _mm_set1_ps, KV_MULTIPLY_ADD_SSE)
KV_FMA_LOOP(fmaAvx2, __attribute__((target("avx2,fma"))), __m256, 12, _mm256_set1_ps, _mm256_fmadd_ps)
KV_FMA_LOOP(fmaAvx512, __attribute__((target("avx512f"))), __m512, 24, _mm512_set1_ps, _mm512_fmadd_ps)
#elif defined(__aarch64__)
#define KV_MULTIPLY_ADD_NEON(a, b, c) vfmaq_f32(c, a, b)
KV_FMA_LOOP(fmaNeon, , float32x4_t, 24, vdupq_n_f32, KV_MULTIPLY_ADD_NEON)
#else
#define KV_MULTIPLY_ADD_PLAIN(a, b, c) ((a) * (b) + (c))
KV_FMA_LOOP(fmaPlain, , float, 12, float, KV_MULTIPLY_ADD_PLAIN)
#endif
#undef KV_FMA_LOOP

std::vector<FmaLoop> findLoops() {
#if defined(__x86_64__)
  std::vector<FmaLoop> loops = {fmaSse};
  uint64_t features = kv_cpu_features();
  if (features & KV_FEATURE_X86_V3)
    loops.push_back(fmaAvx2);
  if (features & KV_FEATURE_X86_V4)
    loops.push_back(fmaAvx512);
  return loops;
#elif defined(__aarch64__)
  return {fmaNeon};
#else
  return {fmaPlain};
#endif
}

const std::vector<FmaLoop> &loopsOfThisMachine() {
  static const std::vector<FmaLoop> loops = findLoops();
  return loops;
}

void runPart(void *argument, int32_t) {
  const auto &loop = *static_cast<const FmaLoop *>(argument);
  loop.run(passFlops / loop.roundFlops);
}

} // namespace

FmaPeak::FmaPeak(const kv_executor &executor) : executor(executor) {
  best = fastestOf(loopsOfThisMachine().size(), [&](size_t loop) { return measure(loop); });
}

Rate FmaPeak::measure(size_t loop) {
  Sample sample = undisturbed([&] { return pass(loop); });
  size_t roundFlops = loopsOfThisMachine()[loop].roundFlops;
  return {static_cast<double>(passFlops / roundFlops * roundFlops) * executor.threads / sample.seconds, sample};
}

Sample FmaPeak::pass(size_t index) {
  FmaLoop loop = loopsOfThisMachine()[index];
  Stopwatch watch(executor.threads);
  executor.run(executor.context, executor.threads, runPart, &loop);
  return watch.stop();
}

} // namespace kv
