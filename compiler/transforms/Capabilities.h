// What a processor offers, as the shared path asks for it: numbers and records, never a name.
#ifndef KV_CAPABILITIES_H
#define KV_CAPABILITIES_H

#include "dialect/KvAttrs.h"

namespace kv {

/// A team of SIMD lanes and the dot records it runs as instructions.
struct Capabilities {
  std::string name;        ///< as the user writes it in `schedule NAME for TARGET` and in messages; never compared by a transform
  int64_t lanes = 4;       ///< of a team, 32 bits each
  bool threads = false;    ///< lanes are threads of their own
  int64_t registers = 16;  ///< vector registers
  /// Dot records with an instruction of their own and that instruction's name as a schedule writes it, best first: what stands after
  /// f32 is taken only where a schedule says so.
  llvm::SmallVector<std::pair<Dot, std::string>> dots = {{Dot::f32, "fma"}};

  bool has(Dot dot) const {
    return llvm::any_of(dots, [&](const auto &entry) { return entry.first == dot; });
  }
};

/// Elements of the contraction in one 32-bit lane of a record.
inline int64_t dotDepth(Dot dot) {
  switch (dot) {
  case Dot::f32:
    return 1;
  case Dot::s16:
  case Dot::f16:
  case Dot::bf16:
    return 2;
  case Dot::u8s8:
  case Dot::s8u8:
  case Dot::s8s8:
  case Dot::u8u8:
    return 4;
  }
  return 1;
}

/// Whether an integer record takes codes, and row operands, in two's complement.
inline bool hasSignedCodes(Dot dot) { return dot != Dot::u8s8 && dot != Dot::u8u8; }
inline bool hasSignedRows(Dot dot) { return dot != Dot::s8u8 && dot != Dot::u8u8; }

/// Whether sums are of i32, or of f32.
inline bool isIntegerDot(Dot dot) { return dot != Dot::f32 && dot != Dot::f16 && dot != Dot::bf16; }
/// Whether row operands are rounded to less than f32, with a scale for each row.
inline bool roundsRows(Dot dot) { return dot != Dot::f32; }
/// Whether it is a matrix instruction, whose tiles have so many rows; else rows are multiplied one by one.
inline int64_t matrixRows(Dot dot) { return dot == Dot::f16 ? 16 : 0; }

} // namespace kv

#endif
