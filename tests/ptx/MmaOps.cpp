// MmaOps.cpp: mma.sync, PTX ISA 9.7.14.5. Fragments after 9.7.14.5.4 (.m16n8k4, tf32) to 9.7.14.5.11 (.m16n8k64): with P elements
// in a 32-bit register, g = lane / 4, t = lane % 4,
//   A  register r, element e: row g + 8 * (r % 2), column P * t + e + 4 * P * (r / 2)
//   B  register r, element e: row P * t + e + 4 * P * r, column g
//   C  element i:             row g + 8 * (i / 2), column 2 * t + i % 2; for f16 two elements a register.
// How products are added is MmaOrder's (Machine.h); integers are exact.
#include "Decoder.h"
#include "FloatFormats.h"
#include "Grid.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace kv::ptx {
namespace {

constexpr unsigned M = 16, N = 8, mostK = 64;

template <class T> struct Tiles {
  T a[M][mostK], b[mostK][N], c[M][N];
};

double floatElement(Type type, uint32_t bits) {
  switch (type) {
  case Type::tf32:
    return std::bit_cast<float>(bits & 0xffffe000); // the low 13 bits are ignored
  case Type::e4m3:
    return decode(formatE4M3, bits);
  case Type::e5m2:
    return decode(formatE5M2, bits);
  default:
    return halfToDouble(type, bits);
  }
}

int64_t integerElement(Type type, uint32_t bits) { return isSigned(type) ? signExtend(bits, bitsOf(type)) : int64_t(bits); }

/// Calls f(lane, register, shift, elementBits mask, row or k, column) for the elements of A or B.
template <class F> void eachElement(unsigned registers, unsigned bits, bool isA, F f) {
  const unsigned perRegister = 32 / bits;
  for (unsigned r = 0; r < registers; ++r)
    for (unsigned lane = 0; lane < warpSize; ++lane)
      for (unsigned e = 0; e < perRegister; ++e) {
        const unsigned g = lane / 4, t = lane % 4, along = perRegister * t + e;
        isA ? f(lane, r, e * bits, g + 8 * (r % 2), along + 4 * perRegister * (r / 2))
            : f(lane, r, e * bits, along + 4 * perRegister * r, g);
      }
}

template <class T, auto Element> void loadTiles(Warp &warp, const Instruction &in, Tiles<T> &tiles, uint32_t mask) {
  const unsigned k = in.code, aRegisters = M * k * bitsOf(in.type) / 1024, bRegisters = N * k * bitsOf(in.type) / 1024;
  const Operand *a = in.operands.data() + in.vector, *b = a + aRegisters;
  const Lanes *rows[8];
  for (unsigned r = 0; r < aRegisters; ++r)
    rows[r] = &warp.read(a[r], mask);
  const unsigned bits = bitsOf(in.type);
  eachElement(aRegisters, bits, true, [&](unsigned lane, unsigned r, unsigned shift, unsigned row, unsigned column) {
    tiles.a[row][column] = T(Element(in.type, uint32_t(lowBits((*rows[r])[lane] >> shift, bits))));
  });
  for (unsigned r = 0; r < bRegisters; ++r)
    rows[r] = &warp.read(b[r], mask);
  eachElement(bRegisters, bits, false, [&](unsigned lane, unsigned r, unsigned shift, unsigned row, unsigned column) {
    tiles.b[row][column] = T(Element(in.from, uint32_t(lowBits((*rows[r])[lane] >> shift, bits))));
  });
}

/// Calls f(lane, register, shift, row, column) for the elements of C and D.
template <class F> void eachAccumulator(unsigned registers, F f) {
  const bool halves = registers == 2;
  for (unsigned i = 0; i < 4; ++i)
    for (unsigned lane = 0; lane < warpSize; ++lane)
      f(lane, halves ? i / 2 : i, halves ? 16 * (i % 2) : 0, lane / 4 + 8 * (i / 2), 2 * (lane % 4) + i % 2);
}

void multiplyExact(const Tiles<double> &tiles, unsigned k, double (&sum)[M][N]) {
  for (unsigned row = 0; row < M; ++row)
    for (unsigned i = 0; i < k; ++i)
      for (unsigned column = 0; column < N; ++column)
        sum[row][column] += tiles.a[row][i] * tiles.b[i][column];
  for (unsigned row = 0; row < M; ++row)
    for (unsigned column = 0; column < N; ++column)
      sum[row][column] += tiles.c[row][column];
}

void multiplyFloat(const Tiles<double> &tiles, unsigned k, bool reversed, double (&sum)[M][N]) {
  for (unsigned row = 0; row < M; ++row)
    for (unsigned column = 0; column < N; ++column) {
      float total = float(tiles.c[row][column]);
      for (unsigned i = 0; i < k; ++i) {
        const unsigned at = reversed ? k - 1 - i : i;
        total = std::fma(float(tiles.a[row][at]), float(tiles.b[at][column]), total);
      }
      sum[row][column] = total;
    }
}

void mmaFloat(Warp &warp, const Instruction &in, uint32_t mask) {
  warp.needConverged(mask, true);
  Tiles<double> tiles;
  loadTiles<double, floatElement>(warp, in, tiles, mask);
  const unsigned registers = in.vector, k = in.code;
  const bool halves = registers == 2;
  const Operand *c = in.operands.data() + in.operands.size() - registers;
  const Lanes *rows[4];
  for (unsigned r = 0; r < registers; ++r)
    rows[r] = &warp.read(c[r], mask);
  eachAccumulator(registers, [&](unsigned lane, unsigned r, unsigned shift, unsigned row, unsigned column) {
    const uint32_t bits = uint32_t((*rows[r])[lane] >> shift);
    tiles.c[row][column] = halves ? halfToDouble(Type::f16, bits & 0xffff) : double(std::bit_cast<float>(bits));
  });
  double sum[M][N] = {};
  const MmaOrder order = warp.grid.machine.options.mmaOrder;
  if (order == MmaOrder::exact)
    multiplyExact(tiles, k, sum);
  else
    multiplyFloat(tiles, k, order == MmaOrder::reversed, sum);
  Lanes *to[4];
  for (unsigned r = 0; r < registers; ++r) {
    to[r] = &warp.write(in.operands[r], mask);
    to[r]->fill(0);
  }
  const Format &format = halves ? formatF16 : formatF32;
  eachAccumulator(registers, [&](unsigned lane, unsigned r, unsigned shift, unsigned row, unsigned column) {
    const double x = sum[row][column];
    const uint32_t bits = halves || std::isnan(x) ? encode(format, x) : std::bit_cast<uint32_t>(float(x));
    (*to[r])[lane] |= uint64_t(bits) << shift;
  });
}

void mmaInteger(Warp &warp, const Instruction &in, uint32_t mask) {
  warp.needConverged(mask, true);
  Tiles<int64_t> tiles;
  loadTiles<int64_t, integerElement>(warp, in, tiles, mask);
  const Operand *c = in.operands.data() + in.operands.size() - 4;
  int64_t sum[M][N];
  const Lanes *rows[4];
  for (unsigned r = 0; r < 4; ++r)
    rows[r] = &warp.read(c[r], mask);
  eachAccumulator(
      4, [&](unsigned lane, unsigned r, unsigned, unsigned row, unsigned column) { sum[row][column] = int32_t((*rows[r])[lane]); });
  for (unsigned row = 0; row < M; ++row)
    for (unsigned i = 0; i < in.code; ++i)
      for (unsigned column = 0; column < N; ++column)
        sum[row][column] += tiles.a[row][i] * tiles.b[i][column];
  Lanes *to[4];
  for (unsigned r = 0; r < 4; ++r)
    to[r] = &warp.write(in.operands[r], mask);
  eachAccumulator(4, [&](unsigned lane, unsigned r, unsigned, unsigned row, unsigned column) {
    const int64_t x = sum[row][column];
    (*to[r])[lane] = uint32_t(in.finite ? std::clamp<int64_t>(x, INT32_MIN, INT32_MAX) : x); // .satfinite, otherwise wraps
  });
}

Handler build(Decoder &decoder) {
  Instruction &in = decoder.in;
  const Type accumulator = decoder.type(0);
  in.type = decoder.type(1);
  in.from = decoder.type(2);
  in.finite = decoder.has("satfinite");
  const std::string_view shape = decoder.words[3];
  in.code = uint8_t(std::stoi(std::string(shape.substr(shape.find('k') + 1))));
  in.vector = accumulator == Type::f16 ? 2 : 4;
  const unsigned bits = bitsOf(in.type) == 32 ? 32 : bitsOf(in.type);
  decoder.count(4);
  decoder.writeVector(0, Type::b32, in.vector);
  decoder.readVector(1, Type::b32, M * in.code * bits / 1024);
  decoder.readVector(2, Type::b32, N * in.code * bits / 1024);
  decoder.readVector(3, Type::b32, in.vector);
  return accumulator == Type::s32 ? mmaInteger : mmaFloat;
}

constexpr Row rows[] = {
    {"mma.sync.aligned.m16n8{k8|k16}.row.col.{f32.f16.f16.f32|f16.f16.f16.f16|f32.bf16.bf16.f32}", build},
    {"mma.sync.aligned.m16n8{k4|k8}.row.col.f32.tf32.tf32.f32", build},
    {"mma.sync.aligned.m16n8{k16|k32}.row.col{.satfinite|}.s32.{s8|u8}.{s8|u8}.s32", build},
    {"mma.sync.aligned.m16n8{k32|k64}.row.col{.satfinite|}.s32.{s4|u4}.{s4|u4}.s32", build},
    {"mma.sync.aligned.m16n8{k16|k32}.row.col.f32.{e4m3|e5m2}.{e4m3|e5m2}.f32", build},
    {"mma.sync.aligned.m16n8{k16|k32}.row.col.f16.{e4m3|e5m2}.{e4m3|e5m2}.f16", build},
};

} // namespace

std::span<const Row> mmaRows() { return rows; }

} // namespace kv::ptx
