#include "tools/kvcc/ReadBandwidth.h"

#include <algorithm>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace kv {

HugeBuffer::HugeBuffer(size_t wanted) {
  constexpr size_t hugePage = size_t(2) << 20;
  size_t rounded = (wanted + hugePage - 1) / hugePage * hugePage;
  void *mapping = mmap(nullptr, rounded + hugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED)
    return;
  // Align to a huge page and give the ends back.
  auto address = reinterpret_cast<uintptr_t>(mapping);
  uintptr_t aligned = (address + hugePage - 1) / hugePage * hugePage;
  if (aligned != address)
    munmap(mapping, aligned - address);
  if (address + hugePage != aligned)
    munmap(reinterpret_cast<void *>(aligned + rounded), address + hugePage - aligned);
  start = reinterpret_cast<uint8_t *>(aligned);
  bytes = rounded;
  madvise(start, bytes, MADV_HUGEPAGE);
}

HugeBuffer::~HugeBuffer() {
  if (start)
    munmap(start, bytes);
}

size_t lastLevelCacheBytes() {
  long known = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
  known = std::max(sysconf(_SC_LEVEL3_CACHE_SIZE), sysconf(_SC_LEVEL4_CACHE_SIZE));
#endif
  return known > 0 ? static_cast<size_t>(known) : size_t(32) << 20;
}

namespace {

using ReadLoop = void (*)(const uint8_t *, size_t);

/// Where sums end, so that no load is dropped.
volatile uint64_t sink;

// One loop: registers of `Width` bytes, `Unroll` of them a step in each of `Streams` equal parts of the memory, prefetch `Ahead`
// bytes in front (0: the hardware's alone). Several streams help where one is bound by latency.
#define KV_READ_LOOP(name, attributes, Width, Unroll, Streams, Ahead)                                                              \
  attributes void name(const uint8_t *memory, size_t bytes) {                                                                      \
    typedef uint64_t Vector __attribute__((vector_size(Width)));                                                                   \
    constexpr size_t step = Width * Unroll;                                                                                        \
    size_t part = bytes / Streams / 4096 * 4096;                                                                                   \
    Vector sums[Unroll] = {};                                                                                                      \
    for (size_t at = 0; at + step <= part; at += step)                                                                             \
      for (size_t stream = 0; stream < Streams; ++stream) {                                                                        \
        const uint8_t *from = memory + stream * part + at;                                                                         \
        if (Ahead)                                                                                                                 \
          for (size_t line = 0; line < step; line += 64)                                                                           \
            __builtin_prefetch(from + line + Ahead);                                                                               \
        _Pragma("GCC unroll 16") for (int i = 0; i < Unroll; ++i) sums[i] |= *reinterpret_cast<const Vector *>(from + i * Width);  \
      }                                                                                                                            \
    for (const Vector &sum : sums)                                                                                                 \
      sink = sink | sum[0];                                                                                                        \
  }

KV_READ_LOOP(readPlain, , 16, 8, 1, 0)
KV_READ_LOOP(readPlainAhead, , 16, 8, 1, 2048)
#if defined(__x86_64__)
#define KV_AVX2 __attribute__((target("avx2")))
#define KV_AVX512 __attribute__((target("avx512f")))
KV_READ_LOOP(readAvx2, KV_AVX2, 32, 8, 1, 0)
KV_READ_LOOP(readAvx2Ahead, KV_AVX2, 32, 8, 1, 1024)
KV_READ_LOOP(readAvx2Far, KV_AVX2, 32, 8, 1, 4096)
KV_READ_LOOP(readAvx2Streams, KV_AVX2, 32, 8, 4, 1024)
KV_READ_LOOP(readAvx512, KV_AVX512, 64, 8, 1, 0)
KV_READ_LOOP(readAvx512Near, KV_AVX512, 64, 8, 1, 1024)
KV_READ_LOOP(readAvx512Ahead, KV_AVX512, 64, 8, 1, 4096)
KV_READ_LOOP(readAvx512Far, KV_AVX512, 64, 8, 1, 16384)
KV_READ_LOOP(readAvx512Streams, KV_AVX512, 64, 4, 4, 1024)
KV_READ_LOOP(readAvx512StreamsFar, KV_AVX512, 64, 4, 4, 4096)
KV_READ_LOOP(readAvx512ManyStreams, KV_AVX512, 64, 4, 8, 0)
#endif
#undef KV_READ_LOOP

std::vector<ReadLoop> loopsOfThisMachine() {
  std::vector<ReadLoop> loops = {readPlain, readPlainAhead};
#if defined(__x86_64__)
  uint64_t features = kv_cpu_features();
  if (features & KV_FEATURE_X86_V3)
    loops.insert(loops.end(), {readAvx2, readAvx2Ahead, readAvx2Far, readAvx2Streams});
  if (features & KV_FEATURE_X86_V4)
    loops.insert(loops.end(), {readAvx512, readAvx512Near, readAvx512Ahead, readAvx512Far, readAvx512Streams, readAvx512StreamsFar,
                               readAvx512ManyStreams});
#endif
  return loops;
}

/// What a thread reads in a pass: a tenth of a millisecond, so that most passes fit into the time that a scheduler gives a thread
/// among others.
constexpr size_t passBytes = size_t(4) << 20;

struct PassArguments {
  ReadLoop loop;
  const uint8_t *memory;
  size_t share;
};

void readPart(void *argument, int32_t part) {
  const auto &pass = *static_cast<PassArguments *>(argument);
  pass.loop(pass.memory + static_cast<size_t>(part) * pass.share, pass.share);
}

} // namespace

ReadBandwidth::ReadBandwidth(llvm::ArrayRef<uint8_t> memory, const kv_executor &executor) : executor(executor) {
  size_t turn = 0;
  best = fastestOf(loopsOfThisMachine().size(), [&](size_t loop) { return measure(loop, memory, turn); });
}

Rate ReadBandwidth::measure(size_t loop, llvm::ArrayRef<uint8_t> memory, size_t &turn) {
  static const std::vector<ReadLoop> loops = loopsOfThisMachine();
  const auto threads = static_cast<size_t>(executor.threads);
  const size_t share = std::min(memory.size() / threads, passBytes) / 64 * 64, bytes = share * threads;
  if (bytes == 0) // less than a line for each thread
    return {};
  Sample sample = undisturbed([&] {
    PassArguments arguments{loops[loop], memory.data() + turn++ % (memory.size() / bytes) * bytes, share};
    Stopwatch watch(executor.threads);
    executor.run(executor.context, executor.threads, readPart, &arguments);
    return watch.stop();
  });
  return {static_cast<double>(bytes) / sample.seconds, sample};
}

} // namespace kv
