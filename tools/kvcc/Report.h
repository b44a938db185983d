// What is known of the emitted code without running it: loops of processors by LLVM's model of one, registers and spills of GPUs by
// ptxas.
#ifndef KV_TOOLS_KVCC_REPORT_H
#define KV_TOOLS_KVCC_REPORT_H

#include "compiler/driver/Compiled.h"

namespace kv {

/// Prints a table for every target, or all of them as one JSON object. `compiled` has objects, not assembly text. False when the
/// code of a target was refused, which has been said.
bool printReport(const Compiled &compiled, bool json);

} // namespace kv

#endif
