// What every step of a `verify` left, in a file, to be held against what the same steps leave on another machine: a GPU against the
// PTX interpreter of the tests, an emulator against the processor that it plays.
//
// Bytes of caches must be the same to the bit. So must o and lse where the instruction set defines the bits of all that the kernel
// computes. It does for processors, and for GPU code without approximate instructions (`ex2.approx`: an error is bounded) and
// without products of matrices (`mma`: the order of the sum is open). Where it does not, each machine's results are within the
// tolerance of the reference, which `verify` holds anyway, and how far apart they are is told in units of the last place (ulp) of
// the largest number of the row, of 1 for an lse below that.
#ifndef KV_TOOLS_KVCC_RECORDING_H
#define KV_TOOLS_KVCC_RECORDING_H

#include "compiler/support/Files.h"
#include "tools/kvcc/Execution.h"
#include "llvm/Support/MemoryBuffer.h"

#include <optional>
#include <vector>

namespace kv {

/// One kernel on one target, held against the recording.
struct Compared {
  std::string kernel, target;
  int64_t steps = 0;
  bool bitsDefined = true;    ///< of o and lse; those of the cache always are
  double ulp = 0, lseUlp = 0; ///< greatest differences; 0: the same to the bit
};

/// What a step read and left.
struct StepRecord {
  std::string kernel, target;
  uint64_t inputs = 0;         ///< hash of all that the step reads
  std::vector<uint64_t> pages; ///< hash of each page
  std::string o, lse;          ///< [tokens][Hq][Dv] and [tokens][Hq], nothing between the rows
};

/// A file of steps, that is written or read in order.
class Recording {
public:
  /// A new one; it is a file when finish() has made it one. An error says why the file cannot be written, or read.
  static llvm::Expected<std::unique_ptr<Recording>> create(const std::string &file);
  static llvm::Expected<std::unique_ptr<Recording>> open(const std::string &file);

  /// Writes the step, or holds it against the one recorded next. What is different that should not be, or nothing.
  std::string add(const StepRecord &step, const Runnable &row);
  /// True when the steps here are others than the recorded ones: nothing more can be compared.
  bool diverged() const { return lost; }
  /// To be called when all steps are done and were right. What is wrong with the recording, or nothing.
  std::string finish();
  const std::vector<Compared> &compared() const { return kernels; }

private:
  explicit Recording(std::string file) : file(std::move(file)) {}
  void write(const StepRecord &step);
  std::optional<StepRecord> read();
  std::string compare(const StepRecord &here, const StepRecord &there, const Runnable &row);

  std::string file;
  std::unique_ptr<PendingFile> out;           ///< where it is written
  std::unique_ptr<llvm::MemoryBuffer> buffer; ///< where it is read
  llvm::StringRef rest;
  std::string lastO; ///< most steps leave what the step before left
  std::vector<Compared> kernels;
  bool lost = false;
};

/// Whether the instruction set defines the bits of o and lse.
bool definesBits(const Runnable &row);

/// Runs what another execution runs, and adds it to a recording.
class RecordedExecution : public Execution {
public:
  RecordedExecution(std::unique_ptr<Execution> inner, Recording &recording) : inner(std::move(inner)), recording(recording) {}

  std::pmr::memory_resource *memory() override { return inner->memory(); }
  llvm::Expected<const kv_kernel *> kernel(llvm::StringRef name) override { return inner->kernel(name); }
  const char *manner(Drive drive) const override { return inner->manner(drive); }
  int64_t workspaceBytes(const Runnable &row, const kv_step &step, Drive drive, std::string &problem) override {
    return inner->workspaceBytes(row, step, drive, problem);
  }
  std::string run(const Runnable &row, const kv_step &step, Drive drive) override;
  bool lost() const override { return inner->lost() || recording.diverged(); }

private:
  std::unique_ptr<Execution> inner;
  Recording &recording;
};

} // namespace kv

#endif
