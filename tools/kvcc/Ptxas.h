// What an assembler makes of a GPU's code: registers, memory and spills of each kernel.
#ifndef KV_TOOLS_KVCC_PTXAS_H
#define KV_TOOLS_KVCC_PTXAS_H

#include "compiler/driver/Compiled.h"

#include <optional>
#include <string>
#include <vector>

namespace kv {

struct EntryReport {
  std::string entry;
  int64_t registers = 0, stackBytes = 0, spillBytes = 0; ///< of a thread; spills: stored and loaded
};

/// Assembles PTX with the `ptxas` of CUDA_HOME, of PATH, or of where CUDA is usually. Nothing when there is none; an error of it is
/// in `problem`.
std::optional<std::vector<EntryReport>> assemble(const DeviceCode &code, std::string &problem);

} // namespace kv

#endif
