// One attend of a file on a small batch, as kernels of level 1 see it: pages, a step, items; and what must come of it.
#ifndef KV_TESTS_INTERPRET_SCENE_H
#define KV_TESTS_INTERPRET_SCENE_H

#include "compiler/interpret/RunKernel.h"
#include "mlir/IR/BuiltinOps.h"
#include "tools/kvcc/VerifyBatch.h"
#include "tools/kvcc/VerifyInputs.h"

#include <optional>
#include <string>

namespace kv {

class Scene {
public:
  /// `level0` stays the caller's. Sequences have as many tokens as the cache and the file allow, `most` at most.
  Scene(mlir::ModuleOp level0, const CacheSpec &cache, const KernelSpec &spec, int64_t most, uint64_t seed);

  /// Runs the append kernel of a module on every sequence and keeps the pages. Says what is wrong with them, or with the kernel.
  std::optional<std::string> append(mlir::ModuleOp module);

  /// Runs the attend kernel of a module, every other sequence in splits that the merge kernel joins. On what `append` has kept.
  std::optional<std::string> attend(mlir::ModuleOp module, StepOutput &output);
  /// Runs the kernel that appends and attends, on pages without the step's tokens; what it stores must be what append does.
  std::optional<std::string> appendAttend(mlir::ModuleOp module, StepOutput &output);

  /// What is wrong with the output, or nothing.
  std::optional<std::string> check(const StepOutput &output) const;

private:
  struct Step;
  enum class Splits { none, some };

  void makePages();
  void interpretAll(mlir::ModuleOp level0);
  PagedMemory memory(std::vector<uint8_t> &pages, size_t sequence);
  void bindPages(Step &step, std::vector<uint8_t> &pages, bool writable);
  void bindTokens(Step &step, const std::vector<int64_t> &from, const std::vector<int64_t> &to);
  void bindQueries(Step &step, StepOutput &output);
  llvm::Error appendTokens(mlir::ModuleOp module, const std::vector<int64_t> &from, const std::vector<int64_t> &to, bool mapped,
                           std::vector<uint8_t> &pages);
  llvm::Error attendAll(mlir::ModuleOp module, const std::string &name, Step &step, Splits splits);
  llvm::Error attendItem(mlir::ModuleOp module, const std::string &name, Step &step, kv_item item, int64_t split);
  int64_t visibleTokens(size_t sequence, int64_t queryBegin, int64_t queryEnd, int64_t align) const;
  std::vector<int64_t> lengths() const;
  std::vector<int64_t> lengthsBefore() const;

  const CacheSpec &cache;
  const KernelSpec &spec;
  PageImage image;
  Random random;
  std::vector<SequenceData> sequences;
  std::vector<std::vector<float>> params;
  int64_t stride, numPages = 0, tableStride = 1;
  std::vector<int32_t> table;
  std::vector<uint8_t> poison, filled; ///< pages with nothing and with all tokens
};

} // namespace kv

#endif
