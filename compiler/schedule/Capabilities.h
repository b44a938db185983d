// What a processor offers, as the shared path asks for it: numbers and records, never a name.
#ifndef KV_CAPABILITIES_H
#define KV_CAPABILITIES_H

#include "dialect/DotRecord.h"

namespace kv {

/// Dot records and the names that a schedule has for their instructions.
using DotTable = llvm::SmallVector<std::pair<Dot, std::string>>;

/// A team of SIMD lanes and the dot records it runs as instructions.
struct Capabilities {
  std::string name;       ///< as the user writes it in `schedule NAME for TARGET` and in messages; never compared by a transform
  int64_t lanes = 4;      ///< of a team, 32 bits each
  bool threads = false;   ///< lanes are threads of their own
  bool halide = false;    ///< row tiles go through blocks in functions that Halide makes
  int64_t ringBytes = 0;  ///< what blocks on their way may take of the memory that a team of threads shares
  int64_t teamBytes = 0;  ///< the most memory that a team of threads shares
  int64_t registers = 16; ///< vector registers
  int64_t pointers = 6;   ///< that an innermost loop can carry in registers
  int64_t block = 0;      ///< tokens of a block where nobody says; 0: four vectors of lanes
  /// Dot records with an instruction of their own and that instruction's name as a schedule writes it, best first: what stands
  /// after f32 is taken only where a schedule says so.
  DotTable dots = {{Dot::f32, "fma"}};

  /// Empty where the target has none for the record.
  llvm::StringRef instructionOf(Dot dot) const {
    auto entry = llvm::find_if(dots, [&](const auto &entry) { return entry.first == dot; });
    return entry == dots.end() ? llvm::StringRef() : llvm::StringRef(entry->second);
  }
  bool has(Dot dot) const { return !instructionOf(dot).empty(); }
};

} // namespace kv

#endif
