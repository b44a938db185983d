// What each dot record (#kv.dot, KvAttrs.td) multiplies and adds.
#ifndef KV_DOT_RECORD_H
#define KV_DOT_RECORD_H

#include "dialect/KvAttrs.h"

namespace kv {

/// Whether in every four lanes it takes two rows and two columns, two words of each: 2 x 2 sums of a contraction twice as deep.
inline bool isPaired(Dot dot) { return dot == Dot::s8s8mm || dot == Dot::s8u8mm || dot == Dot::u8u8mm || dot == Dot::bf16mm; }

/// The record whose words, of cache and rows, a paired one or one with two parts of rows takes.
inline Dot plainDot(Dot dot) {
  switch (dot) {
  case Dot::s8s8mm:
  case Dot::s8s8x2:
    return Dot::s8s8;
  case Dot::s8u8mm:
  case Dot::s8u8x2:
    return Dot::s8u8;
  case Dot::u8u8mm:
  case Dot::u8u8x2:
    return Dot::u8u8;
  case Dot::u8s8x2:
    return Dot::u8s8;
  case Dot::bf16mm:
  case Dot::bf16x2:
    return Dot::bf16;
  default:
    return dot;
  }
}

/// Elements of the contraction in one 32-bit lane of a record.
inline int64_t dotDepth(Dot dot) {
  switch (plainDot(dot)) {
  case Dot::f32:
    return 1;
  case Dot::s16:
  case Dot::f16:
  case Dot::bf16:
    return 2;
  default:
    return 4;
  }
}

/// Whether an integer record takes codes, and row operands, in two's complement.
inline bool hasSignedCodes(Dot dot) { return plainDot(dot) != Dot::u8s8 && plainDot(dot) != Dot::u8u8; }
inline bool hasSignedRows(Dot dot) { return plainDot(dot) != Dot::s8u8 && plainDot(dot) != Dot::u8u8; }

/// Whether sums are of i32, or of f32.
inline bool isIntegerDot(Dot dot) { return dotDepth(dot) == 4 || dot == Dot::s16; }
/// Whether row operands are rounded to less than f32, with a scale for each row.
inline bool roundsRows(Dot dot) { return dot != Dot::f32; }
/// Whether a row operand has 16 bits, 256 * high + low: sums of the high bytes first, then 256 times them and those of the low.
inline bool isTwoBytes(Dot dot) { return dot == Dot::u8s8x2 || dot == Dot::s8u8x2 || dot == Dot::s8s8x2 || dot == Dot::u8u8x2; }
/// How many numbers of the record's type a row operand is made of; their words lie in so many homes' widths, greatest first.
inline int64_t rowParts(Dot dot) { return dot == Dot::bf16x2 || isTwoBytes(dot) ? 2 : 1; }

} // namespace kv

#endif
