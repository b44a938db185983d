// What kvcc asks of kvcc-halide, as JSON from one process to the other: which functions to build, where codes lie, how to schedule.
#ifndef KV_HALIDE_PLAN_H
#define KV_HALIDE_PLAN_H

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace kv::halide {

/// The digit `coordinate / divisor % extent`, `stride` elements from one to the next; coordinate: "h", "t" or "d", where there is
/// a modulus `coordinate % modulus`.
struct Axis {
  std::string coordinate;
  int64_t divisor, extent, stride, modulus;
};

/// Elements of one kind in a page, slowest axis first; a single element has no axes. Without bits there is no such region.
struct Region {
  int64_t bits = 0;
  std::vector<Axis> axes;
};

/// Keys or values.
struct Stream {
  std::string element; ///< "f32", "i8", ... of a stored code
  int64_t dim = 0;     ///< channels
  int64_t group = 0;   ///< channels of a scale; 0: there are none
  int64_t bias = 0;    ///< a stored code is a number plus this
  bool isSigned = true;
  std::string parameter; ///< "f32" or "f16": of scales and zeros
  Region codes, scale, zero;
  /// "f32"; or "u8s8", ...: products of a byte of codes and one of the rows', both unsigned or signed, are summed in i32.
  std::string dot = "f32";
  int64_t flip = 0, shift = 0, factor = 1; ///< of those: bits ^ flip is `factor` times what a code is from its middle, plus `shift`
};

/// One operation of a score expression; its operands are numbers of earlier ones, after the score itself (0), the position of the
/// query (1), of the key (2), and the query head (3).
struct ScoreOp {
  std::string name; ///< "arith.addf", ..., "constant", or "array"
  std::vector<int64_t> operands;
  std::string type;      ///< of a constant: "f32", "i32", "i1"
  double value = 0;      ///< of a constant; of an array its number
  int64_t predicate = 0; ///< of a comparison, as MLIR numbers them
};

/// A function that takes a row tile of `rows` rows through a block of `tokens` tokens: scores, softmax, accumulation.
///
///   int NAME(queries, limits, [query scale, [query sums], rest], [positions, heads, arrays], keys, [key scale, [key zero]],
///            values, [value scale, [value zero]], [pages], maximum, sum,
///            int32 count, int32 head, int32 firstSlot / slotUnit, [int32 refined], [int32 token], [ahead], new maximum, new sum,
///            accumulator)
///
/// All but the numbers are halide_buffer_t, of which only `host` is read:
///   queries      f32 [rows][key dim]; i8 where the dot of keys rounds them: then
///   query scale, sums  f32 [rows], of scores, `factor` in it; f32 [groups of keys][rows of sums], of rounded queries, where keys
///   have
///                a shift or zeros
///   rest         i8 [rows][key dim]: what rounding has left of queries, in units of 2^-8; multiplied too where `refined` is not 0
///   limits       i32 [rows]: tokens of the block that a row sees
///   positions, heads, arrays  i32 [rows], i32 [rows], f32 [arrays][rows]: what a score expression knows of a row; of the tokens it
///                knows where the first one is in the sequence, `token`
///   keys, ...    the region's start in its page, or in page 0 where a block has several pages
///   pages        i32 [pages][2]: where each page of the block is, in units of 64 bytes, modulo and divided by 2^16
///   maximum, sum f32 [rows], of the blocks before, and with this one
///   ahead        addresses of where the next block is in each of its pages; prefetched while the products are computed, which
///                Halide has no word for: kvcc adds it to what comes back
///   accumulator  f32 [rows][value dim], read and written
struct Block {
  std::string name;
  int64_t rows, tokens;
  int64_t pages;              ///< of a block; 1: the block lies in one
  int64_t slots;              ///< of a page; where a block lies in one, whole vectors of them
  int64_t slotUnit;           ///< blocks in a page start at multiples of it
  bool ragged;                ///< the last block of a page may reach past its slots
  int64_t spread;             ///< of the tokens that the last row sees, so many at most are hidden from other rows
  double factor;              ///< of scores: to units of log2, or to those of the expression
  std::vector<ScoreOp> score; ///< the last one is the result; none: the score as it is
  int64_t arrays;             ///< that the expression reads
  int64_t lanes, keySlice, valueSlice, unroll;
  int64_t rowsOfSums; ///< from one group's sums of rows to the next group's
  int64_t aheadBytes; ///< of the next block, in each of its pages; 0: it is not prefetched
  Stream key, value;
};

/// A function that encodes and stores a token of one head, its keys or its values.
///
///   int NAME(token, int32 head, int32 slot, codes, [scale, [zero]])
///
///   token        f32 [dim]
///   codes, ...   written: the region's start in the token's page
struct Row {
  std::string name;
  int64_t lanes;
  Stream stream;
};

/// Of what stands in this file: processes of different builds must not talk past each other.
constexpr int64_t planVersion = 5;

struct Plan {
  int64_t version;
  std::string target; ///< of Halide: architecture, system, features
  std::vector<Block> blocks;
  std::vector<Row> rows;

  bool isEmpty() const { return blocks.empty() && rows.empty(); }
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Axis, coordinate, divisor, extent, stride, modulus)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Region, bits, axes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ScoreOp, name, operands, type, value, predicate)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Stream, element, dim, group, bias, isSigned, parameter, codes, scale, zero, dot, flip, shift,
                                   factor)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Block, name, rows, tokens, pages, slots, slotUnit, ragged, spread, factor, score, arrays, lanes,
                                   keySlice, valueSlice, unroll, rowsOfSums, aheadBytes, key, value)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Row, name, lanes, stream)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Plan, version, target, blocks, rows)

} // namespace kv::halide

#endif
