// One kernel at one context: caches in memory and steps ready to run.
#ifndef KV_TOOLS_KVCC_BENCHCASE_H
#define KV_TOOLS_KVCC_BENCHCASE_H

#include "compiler/driver/KernelSpec.h"
#include "kv/kv.h"
#include "tools/kvcc/ReadBandwidth.h"

#include <memory>

namespace kv {

/// What to measure.
struct BenchSetup {
  const CacheSpec *cache;
  const KernelSpec *spec;
  const kv_kernel *kernel; ///< the kernel measured
  const kv_kernel *append; ///< fills the caches; any kernel of the cache that appends
  const kv_variant *variant;
  const kv_variant *appendVariant;
  kv_executor executor;
  int64_t context; ///< tokens of each sequence, the step's own included
  int64_t batch;   ///< sequences of a step
};

class BenchCase {
public:
  /// Fills one batch of caches by append and copies it until they are worth `coldBytes`. `error()` says what went wrong, if
  /// anything.
  BenchCase(const BenchSetup &setup, size_t coldBytes);

  const std::string &error() const { return problem; }
  /// Bytes of the cache that one step reads (attend) or writes (append).
  double bytesPerStep() const;
  /// Seconds of one step, the mean of `steps` that go round the copies (cold) or stay on the first (hot).
  double run(int steps, bool cold);

private:
  bool allocate(size_t coldBytes);
  bool fill();
  bool check(kv_status status, const char *doing);

  BenchSetup setup;
  std::string problem;
  int64_t fillTokens = 0, pagesPerSequence = 0, copies = 0, nextCopy = 0;
  std::unique_ptr<HugeBuffer> pages;
  std::vector<uint8_t> q, k, v, o;
  std::vector<float> lse, params;
  std::vector<int32_t> queryStartLoc, seqLens, blockTable;
  std::unique_ptr<HugeBuffer> workspace;
  std::vector<kv_step> steps; ///< one a copy
};

} // namespace kv

#endif
