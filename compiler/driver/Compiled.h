// What a compilation yields before it is written anywhere: objects in memory, and for each kernel its variants.
#ifndef KV_DRIVER_COMPILED_H
#define KV_DRIVER_COMPILED_H

#include "compiler/driver/KernelSpec.h"

#include <array>

namespace kv {

/// One row of a kernel's table: a kernel on one target. Empty symbols are null pointers.
struct Variant {
  size_t kernel = 0; ///< index into ModuleSpec::kernels
  std::string target, architecture;
  std::string base, route; ///< the target's name without its route; mlir or halide
  uint64_t features = 0;   ///< KV_FEATURE_*
  std::array<std::string, KV_NUM_PHASES> run;
  int64_t splitTokens = 1;
  int64_t alignTokens = 1;
  int64_t queryBlock = 1;
  int64_t itemHeads = 1;
  int64_t scratchBytes = 0;
  int64_t rowBytes = 0;
};

struct ObjectFile {
  std::string name; ///< of the archive's member: "cache.x86-64-v4.o"
  std::string bytes;
  std::string architecture = {};         ///< of the machine that links it
  std::vector<std::string> targets = {}; ///< that it serves, most capable first; none: tables for those of one architecture
};

/// A kernel on a target that is launched.
struct DeviceVariant {
  size_t kernel = 0;
  std::string target;
  std::array<std::string, KV_NUM_PHASES> entries; ///< of PTX; empty where a phase has none
  int64_t threads = 1, sharedBytes = 0, splitTokens = 1, alignTokens = 1, queryBlock = 1, rowBytes = 0;

  /// What is launched, and what an append_attend launches before it where a sequence may have several query blocks.
  const std::string &entry() const { return entries[entries[KV_PHASE_ATTEND].empty() ? KV_PHASE_APPEND : KV_PHASE_ATTEND]; }
  std::string appendEntry() const { return entries[KV_PHASE_ATTEND].empty() ? "" : entries[KV_PHASE_APPEND]; }
};

/// What a driver compiles: goes into every library as text.
struct DeviceCode {
  std::string name; ///< of a file: "cache.sm_90.ptx"
  std::string target;
  int64_t capability = 0;
  std::string text;
};

struct Compiled {
  ModuleSpec module;
  std::vector<DeviceVariant> deviceVariants; ///< in order of preference, all kernels mixed
  std::vector<DeviceCode> devices;
  std::vector<Variant> variants;   ///< in order of preference, all kernels mixed
  std::vector<ObjectFile> objects; ///< distinct code of targets, then the descriptor tables, one an architecture

  std::string identity; ///< 16 hexadecimal digits: libraries of one identity are made from the same file in the same way

  const DeviceCode &device(llvm::StringRef target) const;
  /// Architectures of the objects, each of which gets a library of its own; in order of preference.
  std::vector<std::string> architectures() const;
  /// The symbol by which the header knows a kernel: no other library's, so that the linker never takes one kernel for another.
  std::string ownSymbol(const KernelSpec &kernel) const { return kernel.name + "." + identity; }
};

/// Where the library of an architecture lies in the output folder: `libNAME.a`, or one folder down where there are several.
std::string libraryPath(const Compiled &compiled, llvm::StringRef name, llvm::StringRef architecture);

} // namespace kv

#endif
