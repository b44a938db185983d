// Plants a fault in compiled kernels, whatever target they are for: what runs them changes what they read, or what they leave.
#ifndef KV_TESTS_ORACLE_FAULTYEXECUTION_H
#define KV_TESTS_ORACLE_FAULTYEXECUTION_H

#include "compiler/driver/KernelSpec.h"
#include "tools/kvcc/Execution.h"

#include <memory>
#include <string>
#include <vector>

namespace kv {

enum class PlantedFault {
  none,
  token,  ///< the middle token of each sequence is read where the next one lies: one lost, one counted twice
  values, ///< values of the middle token and the next are read in each other's place
  third,  ///< the last third of each sequence is left out
  row,    ///< the last row of a step is 0
  lse,    ///< lse of the last head is 1 % too large
  nan,    ///< what is not a number in o is 0
};

/// Names of the faults but `none`, in order.
const std::vector<std::string> &plantedFaults();

/// Runs what another execution runs, its attends with a fault.
class FaultyExecution : public Execution {
public:
  FaultyExecution(std::unique_ptr<Execution> inner, const ModuleSpec &module, PlantedFault fault)
      : inner(std::move(inner)), module(module), fault(fault) {}

  std::pmr::memory_resource *memory() override { return inner->memory(); }
  llvm::Expected<const kv_kernel *> kernel(llvm::StringRef name) override { return inner->kernel(name); }
  const char *manner(Drive drive) const override { return inner->manner(drive); }
  int64_t workspaceBytes(const Runnable &row, const kv_step &step, Drive drive, std::string &problem) override {
    return inner->workspaceBytes(row, step, drive, problem);
  }
  std::string run(const Runnable &row, const kv_step &step, Drive drive) override;
  bool lost() const override { return inner->lost(); }

private:
  void moveTokens(const kv_step &step, const CacheSpec &cache) const;
  void spoilOutput(const kv_step &step, const kv_kernel &kernel) const;
  void hideNan(const kv_step &step, const kv_kernel &kernel) const;

  std::unique_ptr<Execution> inner;
  const ModuleSpec module;
  const PlantedFault fault;
};

} // namespace kv

#endif
