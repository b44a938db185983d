// Holds what an attend left against the interpreter, every row to its own bound (compiler/reference/Tolerance.h).
#ifndef KV_TOOLS_KVCC_VERIFYOUTPUT_H
#define KV_TOOLS_KVCC_VERIFYOUTPUT_H

#include "tools/kvcc/VerifyBatch.h"
#include "tools/kvcc/VerifyKernels.h"

#include <optional>
#include <string>

namespace kv {

/// What is wrong with o and lse of a step over these sequences, or nothing. The worst results are noted in `row`.
std::optional<std::string> checkOutput(const KernelSpec &spec, InputKind kind, const std::vector<SequenceData> &sequences,
                                       const StepOutput &output, VerifyRow &row);

} // namespace kv

#endif
