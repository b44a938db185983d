// WarpTest.cpp: instructions between lanes, and matrices: fragments against the tables of the manual written out once more.
#include "Harness.h"

#include "FloatFormats.h"

#include <bit>
#include <cmath>
#include <fmt/format.h>
#include <random>

using namespace kv::ptx;
using namespace kv::ptx::test;

namespace {

std::vector<uint64_t> laneNumbers() {
  std::vector<uint64_t> lanes(warpSize);
  for (unsigned lane = 0; lane < warpSize; ++lane)
    lanes[lane] = lane;
  return lanes;
}

std::vector<uint64_t> shuffle(const std::string &mode, unsigned by, unsigned c) {
  return evaluate("shfl.sync." + mode + ".b32", 32, {{32, laneNumbers()}}, fmt::format(", {}, {}, -1", by, c));
}

/// Where an element of a fragment lies: lane, register, bits from `shift`.
struct Slot {
  unsigned lane, reg, shift;
};

// PTX ISA 9.7.14.5.8 (m16n8k16 f16): row groupID for a0,a1,a4,a5 and groupID + 8 otherwise; column threadID_in_group * 2 + (i & 1),
// + 8 from a4. 9.7.14.5.9, .10 (8-bit): four elements a register. 9.7.14.5.11 (4-bit): eight. tf32: one.
Slot slotOfA(unsigned bits, unsigned row, unsigned column) {
  const unsigned per = 32 / bits, inGroup = column % (4 * per);
  return {row % 8 * 4 + inGroup / per, row / 8 + column / (4 * per) * 2, inGroup % per * bits};
}
Slot slotOfB(unsigned bits, unsigned row, unsigned column) {
  const unsigned per = 32 / bits, inGroup = row % (4 * per);
  return {column * 4 + inGroup / per, row / (4 * per), inGroup % per * bits};
}
Slot slotOfC(bool halves, unsigned row, unsigned column) {
  const unsigned lane = row % 8 * 4 + column / 2;
  return halves ? Slot{lane, row / 8, column % 2 * 16} : Slot{lane, row / 8 * 2 + column % 2, 0};
}

struct Shape {
  std::string suffix; // after m16n8
  unsigned k, bits;
  Type a, b;
  bool integer, halves, saturates;
};

double valueOf(Type type, uint32_t bits) {
  if (type == Type::s8 || type == Type::s4)
    return double(signExtend(bits, kv::ptx::bitsOf(type)));
  if (type == Type::u8 || type == Type::u4)
    return bits;
  if (type == Type::e4m3 || type == Type::e5m2)
    return decode(type == Type::e4m3 ? formatE4M3 : formatE5M2, bits);
  if (type == Type::tf32)
    return std::bit_cast<float>(bits);
  return halfToDouble(type, bits);
}

/// Random bits whose value is small and exact in sums.
uint32_t randomElement(Type type, std::mt19937 &random) {
  if (type == Type::f16 || type == Type::bf16)
    return encode(halfFormat(type), double(int(random() % 31) - 15) / 4);
  if (type == Type::tf32)
    return std::bit_cast<uint32_t>(float(int(random() % 31) - 15) / 4);
  if (type == Type::e4m3 || type == Type::e5m2)
    return encode(type == Type::e4m3 ? formatE4M3 : formatE5M2, double(int(random() % 15) - 7));
  return uint32_t(lowBits(random(), kv::ptx::bitsOf(type)));
}

std::string list(const std::string &prefix, unsigned n) {
  std::string text = "{";
  for (unsigned i = 0; i < n; ++i)
    text += fmt::format("{}{}{}", i ? ", " : "", prefix, i);
  return text + "}";
}

/// A kernel of one warp: fragments from memory (register r of lane l at word 32 r + l), one mma, the result back.
std::string mmaKernel(const Shape &shape, unsigned aRegs, unsigned bRegs, unsigned cRegs) {
  std::string text =
      ".visible .entry f(.param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d) {\n.reg .b32 %a<8>, %b<8>, %c<8>, %d<8>, %l;\n"
      ".reg .b64 %p;\nmov.u32 %l, %laneid;\n";
  auto access = [&](const char *name, unsigned n, bool store) {
    text += fmt::format("ld.param.u64 %p, [{}];\nmad.wide.u32 %p, %l, 4, %p;\n", name);
    for (unsigned i = 0; i < n; ++i)
      text += store ? fmt::format("st.global.b32 [%p+{}], %{}{};\n", i * 128, name, i)
                    : fmt::format("ld.global.b32 %{1}{2}, [%p+{0}];\n", i * 128, name, i);
  };
  access("a", aRegs, false);
  access("b", bRegs, false);
  access("c", cRegs, false);
  text += fmt::format("mma.sync.aligned.m16n8{} {}, {}, {}, {};\n", shape.suffix, list("%d", cRegs), list("%a", aRegs),
                      list("%b", bRegs), list("%c", cRegs));
  access("d", cRegs, true);
  return text + "ret;\n}\n";
}

void checkMma(const Shape &shape) {
  std::mt19937 random(shape.k + shape.bits);
  const unsigned k = shape.k, aRegs = 16 * k * shape.bits / 1024, bRegs = 8 * k * shape.bits / 1024, cRegs = shape.halves ? 2 : 4;
  std::vector<double> a(16 * k), b(k * 8), c(16 * 8);
  std::vector<uint32_t> aBits(aRegs * 32), bBits(bRegs * 32), cBits(cRegs * 32);
  for (unsigned row = 0; row < 16; ++row)
    for (unsigned column = 0; column < k; ++column) {
      const uint32_t bits = randomElement(shape.a, random);
      const Slot slot = slotOfA(shape.bits, row, column);
      a[row * k + column] = valueOf(shape.a, bits);
      aBits[slot.reg * 32 + slot.lane] |= bits << slot.shift;
    }
  for (unsigned row = 0; row < k; ++row)
    for (unsigned column = 0; column < 8; ++column) {
      const uint32_t bits = randomElement(shape.b, random);
      const Slot slot = slotOfB(shape.bits, row, column);
      b[row * 8 + column] = valueOf(shape.b, bits);
      bBits[slot.reg * 32 + slot.lane] |= bits << slot.shift;
    }
  auto encoded = [&](double x) {
    return shape.integer ? uint32_t(int32_t(x)) : shape.halves ? encode(formatF16, x) : std::bit_cast<uint32_t>(float(x));
  };
  for (unsigned row = 0; row < 16; ++row)
    for (unsigned column = 0; column < 8; ++column) {
      const Slot slot = slotOfC(shape.halves, row, column);
      c[row * 8 + column] = shape.saturates && row == 3 ? 2147483000.0 : double(int(random() % 200)) - 100;
      cBits[slot.reg * 32 + slot.lane] |= encoded(c[row * 8 + column]) << slot.shift;
    }
  Scene scene(mmaKernel(shape, aRegs, bRegs, cRegs));
  for (const auto *bits : {&aBits, &bBits, &cBits})
    scene.pass(scene.buffer(*bits));
  const uint64_t out = scene.uninitialised(cRegs * 128);
  scene.pass(out);
  for (MmaOrder order : {MmaOrder::exact, MmaOrder::sequential, MmaOrder::reversed}) {
    scene.machine.options.mmaOrder = order;
    ASSERT_EQ(scene.run({}, {32}), "") << shape.suffix;
    const auto dBits = scene.read<uint32_t>(out, cRegs * 32);
    for (unsigned row = 0; row < 16; ++row)
      for (unsigned column = 0; column < 8; ++column) {
        double sum = c[row * 8 + column];
        for (unsigned i = 0; i < k; ++i)
          sum += a[row * k + i] * b[i * 8 + column];
        if (shape.saturates)
          sum = std::min(std::max(sum, -2147483648.0), 2147483647.0);
        const Slot slot = slotOfC(shape.halves, row, column);
        ASSERT_EQ(lowBits(dBits[slot.reg * 32 + slot.lane] >> slot.shift, shape.halves ? 16 : 32), encoded(sum))
            << shape.suffix << " row " << row << " column " << column;
      }
  }
}

} // namespace

TEST(Warp, Shuffles) {
  const auto up = shuffle("up", 3, 0), down = shuffle("down", 5, 31), butterfly = shuffle("bfly", 9, 31),
             indexed = shuffle("idx", 4, 31);
  const auto eights = shuffle("idx", 2, 0x181f), downEights = shuffle("down", 1, 0x181f);
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    EXPECT_EQ(up[lane], lane < 3 ? lane : lane - 3);
    EXPECT_EQ(down[lane], lane > 26 ? lane : lane + 5);
    EXPECT_EQ(butterfly[lane], lane ^ 9);
    EXPECT_EQ(indexed[lane], 4u);
    EXPECT_EQ(eights[lane], lane / 8 * 8 + 2);
    EXPECT_EQ(downEights[lane], lane % 8 == 7 ? lane : lane + 1);
  }
  const auto predicate = evaluate("shfl.sync.down.b32 %t|%d, %s0, 5, 31, -1; //", 1, {{32, laneNumbers()}});
  for (unsigned lane = 0; lane < warpSize; ++lane)
    EXPECT_EQ(predicate[lane], lane + 5 < 32);
}

TEST(Warp, VotesAndReductions) {
  std::vector<uint64_t> some(warpSize), values(warpSize);
  uint32_t ballot = 0, sum = 0;
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    some[lane] = lane % 3 == 0;
    ballot |= uint32_t(some[lane]) << lane;
    values[lane] = uint32_t(lane * 77 - 1000);
    sum += uint32_t(values[lane]);
  }
  EXPECT_EQ(evaluate("vote.sync.ballot.b32", 32, {{1, some}}, ", -1")[5], ballot);
  EXPECT_EQ(evaluate("vote.sync.any.pred", 1, {{1, some}}, ", -1")[5], 1u);
  EXPECT_EQ(evaluate("vote.sync.all.pred", 1, {{1, some}}, ", -1")[5], 0u);
  EXPECT_EQ(evaluate("vote.sync.uni.pred", 1, {{1, {0}}}, ", -1")[5], 1u);
  EXPECT_EQ(evaluate("redux.sync.add.s32", 32, {{32, values}}, ", -1")[5], sum);
  EXPECT_EQ(evaluate("redux.sync.min.s32", 32, {{32, values}}, ", -1")[5], uint32_t(-1000));
  EXPECT_EQ(evaluate("redux.sync.max.u32", 32, {{32, values}}, ", -1")[5], uint32_t(12 * 77 - 1000));
  EXPECT_EQ(evaluate("match.any.sync.b32", 32, {{32, {7, 8, 7, 9}}}, ", -1")[0], 0x55555555u);
}

TEST(Warp, MovmatrixTransposes) {
  // Element (r, c) is 8 r + c; lane l holds row l / 4, columns 2 (l % 4) and the next.
  std::vector<uint64_t> held(warpSize);
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    const unsigned first = lane / 4 * 8 + lane % 4 * 2;
    held[lane] = first | (first + 1) << 16;
  }
  const auto got = evaluate("movmatrix.sync.aligned.m8n8.trans.b16", 32, {{32, held}});
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    const unsigned row = lane / 4, column = lane % 4 * 2;
    EXPECT_EQ(got[lane], (column * 8 + row) | ((column + 1) * 8 + row) << 16);
  }
}

TEST(Warp, LdmatrixAndStmatrix) {
  for (const bool transposed : {false, true})
    for (const bool stored : {false, true}) {
      // Words 0..127 into shared memory; matrix m has its rows at 128 m + 16 i, or stmatrix puts them there.
      std::string text =
          ".visible .entry f(.param .u64 p) {\n.shared .align 16 .b8 s[512];\n.reg .b32 %r<9>, %a, %l;\n.reg .b64 %p;\n"
          "mov.u32 %l, %laneid;\nmov.u32 %a, s;\nld.param.u64 %p, [p];\nmad.wide.u32 %p, %l, 4, %p;\nmad.lo.u32 %r8, %l, 4, %a;\n";
      const std::string rows = "mad.lo.u32 %a, %l, 16, %a;\n", trans = transposed ? ".trans" : "";
      for (unsigned m = 0; m < 4; ++m)
        text += fmt::format("ld.global.b32 %r{0}, [%p+{1}];\n", m, 128 * m);
      if (stored)
        text += rows + "stmatrix.sync.aligned.m8n8.x4" + trans + ".shared.b16 [%a], {%r0, %r1, %r2, %r3};\nbar.warp.sync -1;\n";
      for (unsigned m = 0; m < 4; ++m)
        text += stored ? fmt::format("ld.shared.b32 %r{}, [%r8+{}];\n", m, 128 * m)
                       : fmt::format("st.shared.b32 [%r8+{}], %r{};\n", 128 * m, m);
      if (!stored)
        text +=
            "bar.warp.sync -1;\n" + rows + "ldmatrix.sync.aligned.m8n8.x4" + trans + ".shared.b16 {%r0, %r1, %r2, %r3}, [%a];\n";
      for (unsigned m = 0; m < 4; ++m)
        text += fmt::format("st.global.b32 [%p+{}], %r{};\n", 128 * m, m);
      Scene scene(text + "ret;\n}\n");
      std::vector<uint16_t> content(256);
      for (unsigned i = 0; i < 256; ++i)
        content[i] = uint16_t(i);
      const uint64_t address = scene.buffer(content);
      scene.pass(address);
      ASSERT_EQ(scene.run({}, {32}), "");
      const auto got = scene.read<uint16_t>(address, 256);
      for (unsigned i = 0; i < 256; ++i) { // register m of lane l, half h: element (l / 4, 2 (l % 4) + h) or its mirror image
        const unsigned m = i / 64, row = i / 8 % 8, column = i % 8;
        EXPECT_EQ(got[i], transposed ? m * 64 + column * 8 + row : i) << stored;
      }
      EXPECT_EQ(scene.machine.statistics().bankConflicts, 0u);
    }
}

TEST(Warp, MmaOfEveryShape) {
  auto floats = [](const std::string &name, Type type, unsigned k, unsigned bits) {
    checkMma({fmt::format("k{0}.row.col.f32.{1}.{1}.f32", k, name), k, bits, type, type, false, false, false});
  };
  floats("f16", Type::f16, 16, 16);
  floats("f16", Type::f16, 8, 16);
  floats("bf16", Type::bf16, 16, 16);
  floats("bf16", Type::bf16, 8, 16);
  floats("tf32", Type::tf32, 8, 32);
  floats("tf32", Type::tf32, 4, 32);
  floats("e4m3", Type::e4m3, 32, 8);
  floats("e5m2", Type::e5m2, 32, 8);
  for (unsigned k : {8u, 16u})
    checkMma({fmt::format("k{}.row.col.f16.f16.f16.f16", k), k, 16, Type::f16, Type::f16, false, true, false});
  const std::pair<std::string, Type> types[] = {{"s8", Type::s8}, {"u8", Type::u8}, {"s4", Type::s4}, {"u4", Type::u4}};
  for (const auto &[a, typeA] : types)
    for (const auto &[b, typeB] : types) {
      const unsigned bits = kv::ptx::bitsOf(typeA);
      if (bits != kv::ptx::bitsOf(typeB))
        continue;
      for (unsigned k : {128 / bits, 256 / bits})
        for (const bool saturates : {false, true})
          checkMma({fmt::format("k{}.row.col{}.s32.{}.{}.s32", k, saturates ? ".satfinite" : "", a, b), k, bits, typeA, typeB, true,
                    false, saturates});
    }
}

TEST(Warp, MmaNeedsTheWholeWarp) {
  Scene scene(".visible .entry f() {\n.reg .b32 %r;\nmov.b32 %r, 0;\nmovmatrix.sync.aligned.m8n8.trans.b16 %r, %r;\nret;\n}\n");
  EXPECT_EQ(scene.run({}, {32}), "");
  EXPECT_NE(scene.run({}, {16}).find("divergence: needs lanes 0xffffffff"), std::string::npos);
}
