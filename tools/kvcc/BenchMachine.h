// What kernels are timed on: this machine's processor, on some threads (BenchProcessor.cpp), or its GPU (BenchGpu.cpp).
#ifndef KV_TOOLS_KVCC_BENCHMACHINE_H
#define KV_TOOLS_KVCC_BENCHMACHINE_H

#include "tools/kvcc/Execution.h"
#include "tools/kvcc/Stopwatch.h"
#include "llvm/ADT/ArrayRef.h"

#include <memory>
#include <string>

namespace kv {

/// Errors stay: the first one is in problem(), and numbers measured after it mean nothing.
class BenchMachine {
public:
  virtual ~BenchMachine() = default;

  const std::string &problem() const { return wrong; }
  /// Threads of the host that run kernels; 0 where the host's do not.
  virtual int threads() const = 0;
  /// What bandwidth() measures: "streaming read".
  virtual const char *yardstick() const = 0;
  /// Bytes after which a cache that was not used is in no cache of the machine.
  virtual size_t coldBytes() const = 0;
  /// Bytes a second of the machine's memory, from one pass over some of it: of what `of` holds, which no cache holds, or where that
  /// is empty of memory that is there for this. Pages of one machine differ, where a hypervisor maps some in small pieces, and a
  /// processor's kernels are held against the pages that they read.
  virtual Rate bandwidth(llvm::ArrayRef<uint8_t> of) = 0;
  /// FLOP a second of f32 multiply-adds, two each, from a short run of nothing else; 0 where that is not measured.
  virtual Rate multiplyAddRate() { return {}; }

  using Memory = std::shared_ptr<uint8_t>;
  /// Memory that kernels reach, zeroed, aligned to 64 bytes or more; must not outlive the machine. Null after an error.
  virtual Memory allocate(size_t bytes) = 0;
  /// Fills such memory from the host's, or from memory of the machine.
  virtual void write(void *to, const void *from, size_t bytes) = 0;
  virtual void copy(void *to, const void *from, size_t bytes) = 0;

  /// Bytes of workspace for steps within the bounds.
  virtual int64_t workspaceBytes(const Runnable &row, const kv_step &step, const kv_bounds &bounds) = 0;
  /// Runs steps within the bounds, one after the other, and waits for them: one try at timing them.
  virtual Sample time(const Runnable &row, llvm::ArrayRef<const kv_step *> steps, const kv_bounds &bounds) = 0;

protected:
  /// Notes an error, or none.
  void note(const std::string &problem) {
    if (wrong.empty())
      wrong = problem;
  }

private:
  std::string wrong;
};

/// The processor, on so many threads of the runtime's pool.
std::unique_ptr<BenchMachine> makeBenchProcessor(int threads);
/// The first device of the driver.
std::unique_ptr<BenchMachine> makeBenchGpu();

} // namespace kv

#endif
