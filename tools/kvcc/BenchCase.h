// One kernel at one context: caches in a machine's memory and steps ready to run.
#ifndef KV_TOOLS_KVCC_BENCHCASE_H
#define KV_TOOLS_KVCC_BENCHCASE_H

#include "compiler/driver/KernelSpec.h"
#include "tools/kvcc/BenchMachine.h"

#include <vector>

namespace kv {

/// What to measure.
struct BenchSetup {
  const CacheSpec *cache = nullptr;
  const KernelSpec *spec = nullptr;
  Runnable row;    ///< the kernel measured
  Runnable append; ///< fills the caches; any kernel of the cache that appends
  BenchMachine *machine = nullptr;
  int64_t context = 1; ///< tokens of the longest sequence, the step's own included
  int64_t batch = 1;   ///< sequences of a step
  int64_t queries = 1; ///< new tokens of each sequence, at most `context`; the kernel must take so many
  /// Sequences have a quarter of the context to all of it, and no less than their queries; else all have all of it.
  bool mixedLengths = false;
};

class BenchCase {
public:
  /// Fills one batch of caches by append and copies it until they are worth `coldBytes`. `error()` says what went wrong, if
  /// anything. A case like `other`, of the same cache and sequences, takes its caches instead: steps of both go round them
  /// together.
  BenchCase(const BenchSetup &setup, size_t coldBytes, const BenchCase *other = nullptr);

  /// What went wrong until now, here or on the machine.
  const std::string &error() const { return problem.empty() ? setup.machine->problem() : problem; }
  BenchMachine &machine() const { return *setup.machine; }
  /// Bytes of the cache that one step reads (attend) or writes (append).
  double bytesPerStep() const;
  /// What attending needs: a multiplication and an addition for each channel of each key and value that a query sees. 0 for append.
  double flopsPerStep() const;
  /// Bytes of caches that other cold steps use before one comes back to the same cache.
  double bytesBetween() const { return bytesPerStep() * static_cast<double>(copies); }
  /// Caches that were used long ago and will not be used for as long; empty where there are too few of them.
  llvm::ArrayRef<uint8_t> coldMemory() const;
  /// Seconds of one step, the mean of `count` that go round the copies (cold) or stay on the first (hot); preempted tries are
  /// repeated on the copies that follow.
  Sample run(int count, bool cold);

private:
  Sample runOnce(int count, bool cold);
  void shareOutPages();
  bool canTakeCachesOf(const BenchCase &other) const;
  void allocate(size_t coldBytes);
  void fill();
  uint8_t *place(size_t bytes, const void *from = nullptr);
  template <class T> T *place(const std::vector<T> &values) {
    return reinterpret_cast<T *>(place(values.size() * sizeof(T), values.data()));
  }

  BenchSetup setup;
  std::string problem;
  std::vector<int32_t> lengths;    ///< tokens of each sequence; the first has the whole context
  std::vector<int64_t> firstPages; ///< of each sequence of a copy, then how many pages a copy has
  int64_t tokens = 0;              ///< of all sequences
  int64_t fillTokens = 0, tableStride = 0, copies = 0;
  kv_bounds bounds = {}, fillBounds = {};
  struct Caches {
    BenchMachine::Memory pages;
    int64_t nextCopy = 0; ///< that a cold step uses
  };
  std::shared_ptr<Caches> caches;
  std::vector<BenchMachine::Memory> memory; ///< all else that the steps point to
  std::vector<kv_step> steps;               ///< one a copy
  std::vector<const kv_step *> order;
};

} // namespace kv

#endif
