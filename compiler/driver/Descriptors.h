// The tables the runtime reads: one `const kv_kernel` a kernel with its rows of `kv_variant`, as an object file of its own.
#ifndef KV_DRIVER_DESCRIPTORS_H
#define KV_DRIVER_DESCRIPTORS_H

#include "compiler/driver/Compiled.h"
#include "compiler/targets/Target.h"
#include "llvm/Support/Error.h"

namespace kv {

/// Emits the tables of the variants of `target`'s architecture and of all devices, whose code they hold, as a position-independent
/// object for its baseline CPU.
llvm::Expected<std::string> emitDescriptors(const Compiled &compiled, const Target &target);

} // namespace kv

#endif
