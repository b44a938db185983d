// MatrixOps.cpp: ldmatrix, stmatrix, movmatrix: PTX ISA 9.7.14.5.15 to 9.7.14.5.17. A matrix is 8 rows of 8 b16; lane l holds row l
// / 4, columns 2 * (l % 4) and the next one. Row i of matrix m is where lane 8 * m + i points.
#include "Decoder.h"
#include "Grid.h"

#include <algorithm>
#include <cstring>

namespace kv::ptx {
namespace {

using Matrix = std::array<std::array<uint16_t, 8>, 8>;

Space spaceNamed(const Decoder &decoder) {
  return decoder.has("shared") || decoder.has("shared::cta") ? Space::shared : Space::generic;
}

/// The eight rows of a matrix go at once: extra cycles where two of them lie in the same banks.
void countConflicts(Warp &warp, const Place *rows) {
  ++warp.grid.stats.sharedAccesses;
  std::array<unsigned, 8> banks = {};
  for (unsigned i = 0; i < 8; ++i) {
    bool seen = false;
    for (unsigned j = 0; j < i; ++j)
      seen |= rows[j].offset == rows[i].offset;
    banks[rows[i].offset / 16 % 8] += !seen;
  }
  warp.grid.stats.bankConflicts += *std::max_element(banks.begin(), banks.end()) - 1;
}

uint64_t held(const Matrix &matrix, unsigned lane, bool transposed) {
  const unsigned row = lane / 4, column = lane % 4 * 2;
  if (transposed)
    return uint64_t(matrix[column + 1][row]) << 16 | matrix[column][row];
  return uint64_t(matrix[row][column + 1]) << 16 | matrix[row][column];
}

void hold(Matrix &matrix, unsigned lane, bool transposed, uint64_t bits) {
  const unsigned row = lane / 4, column = lane % 4 * 2;
  for (unsigned i = 0; i < 2; ++i)
    (transposed ? matrix[column + i][row] : matrix[row][column + i]) = uint16_t(bits >> (16 * i));
}

/// Where the words of matrix m lie: the lane that holds them untransposed accesses them.
std::array<Place, 8> rowsOf(Warp &warp, const Instruction &in, const Lanes &addresses, unsigned m) {
  std::array<Place, 8> rows;
  for (unsigned i = 0; i < 8; ++i) {
    const unsigned lane = 8 * m + i;
    rows[i] = warp.resolve(in.space, addresses[lane], 16, 16, lane);
    if (rows[i].space != Space::shared)
      warp.failAt(FaultKind::outOfBounds, "a matrix outside shared memory", lane, addresses[lane]);
  }
  countConflicts(warp, rows.data());
  return rows;
}

void load(Warp &warp, const Instruction &in, uint32_t mask) {
  warp.needConverged(mask, true);
  const Lanes addresses = warp.addresses(in.operands[in.vector], mask);
  for (unsigned m = 0; m < in.vector; ++m) {
    const auto rows = rowsOf(warp, in, addresses, m);
    Matrix matrix;
    for (unsigned lane = 0; lane < warpSize; ++lane) {
      Place word = rows[lane / 4];
      word.offset += lane % 4 * 4;
      warp.load(word, &matrix[lane / 4][lane % 4 * 2], 4, lane);
    }
    Lanes &to = warp.write(in.operands[m], mask);
    for (unsigned lane = 0; lane < warpSize; ++lane)
      to[lane] = held(matrix, lane, in.code);
  }
}

void store(Warp &warp, const Instruction &in, uint32_t mask) {
  warp.needConverged(mask, true);
  const Lanes addresses = warp.addresses(in.operands[0], mask);
  for (unsigned m = 0; m < in.vector; ++m) {
    const Lanes &from = warp.read(in.operands[m + 1], mask);
    const auto rows = rowsOf(warp, in, addresses, m);
    Matrix matrix;
    for (unsigned lane = 0; lane < warpSize; ++lane)
      hold(matrix, lane, in.code, from[lane]);
    for (unsigned lane = 0; lane < warpSize; ++lane) {
      Place word = rows[lane / 4];
      word.offset += lane % 4 * 4;
      warp.store(word, &matrix[lane / 4][lane % 4 * 2], 4, lane);
    }
  }
}

void transpose(Warp &warp, const Instruction &in, uint32_t mask) {
  warp.needConverged(mask, true);
  const Lanes &from = warp.read(in.operands[1], mask);
  Matrix matrix;
  for (unsigned lane = 0; lane < warpSize; ++lane)
    hold(matrix, lane, false, from[lane]);
  Lanes &to = warp.write(in.operands[0], mask);
  for (unsigned lane = 0; lane < warpSize; ++lane)
    to[lane] = held(matrix, lane, true);
}

uint8_t matrices(const Decoder &decoder) { return decoder.has("x4") ? 4 : decoder.has("x2") ? 2 : 1; }

Handler buildLoad(Decoder &decoder) {
  Instruction &in = decoder.in;
  decoder.count(2);
  in.vector = matrices(decoder);
  in.code = decoder.has("trans");
  in.space = spaceNamed(decoder);
  decoder.writeVector(0, Type::b32, in.vector);
  decoder.address(1, in.space);
  return load;
}

Handler buildStore(Decoder &decoder) {
  Instruction &in = decoder.in;
  decoder.count(2);
  in.vector = matrices(decoder);
  in.code = decoder.has("trans");
  in.space = spaceNamed(decoder);
  decoder.address(0, in.space);
  decoder.readVector(1, Type::b32, in.vector);
  return store;
}

Handler buildTranspose(Decoder &decoder) {
  decoder.count(2);
  decoder.write(0, Type::b32);
  decoder.read(1, Type::b32);
  return transpose;
}

constexpr Row rows[] = {
    {"ldmatrix.sync.aligned.m8n8.{x1|x2|x4}{.trans|}{.shared|.shared::cta|}.b16", buildLoad},
    {"stmatrix.sync.aligned.m8n8.{x1|x2|x4}{.trans|}{.shared|.shared::cta|}.b16", buildStore},
    {"movmatrix.sync.aligned.m8n8.trans.b16", buildTranspose},
};

} // namespace

std::span<const Row> matrixRows() { return rows; }

} // namespace kv::ptx
