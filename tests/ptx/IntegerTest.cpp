// IntegerTest.cpp: integer and bit instructions against results worked out by hand or in wider arithmetic.
#include "Harness.h"

#include <random>

using namespace kv::ptx;
using namespace kv::ptx::test;

namespace {

std::vector<uint64_t> randomLanes(unsigned bits, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> lanes = {0, 1, ~uint64_t(0), uint64_t(1) << (bits - 1), (uint64_t(1) << (bits - 1)) - 1, 2, 7};
  while (lanes.size() < warpSize)
    lanes.push_back(random() >> (random() % 64));
  for (uint64_t &lane : lanes)
    lane = lowBits(lane, bits);
  return lanes;
}

/// Checks `op` on random lanes of `bits` bits against `expected(a, b)`, both extended to 128 bits by signedness.
template <class F> void check(const std::string &op, unsigned bits, bool isSigned, F expected) {
  const auto a = randomLanes(bits, 1), b = randomLanes(bits, 2);
  std::vector<uint64_t> shuffled(b.rbegin(), b.rend());
  const auto got = evaluate(op, bits, {{bits, a}, {bits, shuffled}});
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    const __int128 x = isSigned ? __int128(signExtend(a[lane], bits)) : __int128(a[lane]);
    const __int128 y = isSigned ? __int128(signExtend(shuffled[lane], bits)) : __int128(shuffled[lane]);
    EXPECT_EQ(got[lane], lowBits(uint64_t(expected(x, y)), bits))
        << op << " lane " << lane << " " << a[lane] << " " << shuffled[lane];
  }
}

uint64_t one(const std::string &op, unsigned bits, const std::vector<Source> &sources, const std::string &tail = "") {
  return evaluate(op, bits, sources, tail)[0];
}

} // namespace

TEST(Integer, ArithmeticWraps) {
  for (const char *sign : {"u", "s"})
    for (unsigned bits : {16u, 32u, 64u}) {
      const std::string type = "." + std::string(sign) + std::to_string(bits);
      const bool isSigned = *sign == 's';
      check("add" + type, bits, isSigned, [](__int128 a, __int128 b) { return a + b; });
      check("sub" + type, bits, isSigned, [](__int128 a, __int128 b) { return a - b; });
      check("mul.lo" + type, bits, isSigned,
            [](__int128 a, __int128 b) { return (unsigned __int128)(a) * (unsigned __int128)(b); });
      check("mul.hi" + type, bits, isSigned, [=](__int128 a, __int128 b) {
        return isSigned ? (a * b) >> bits : __int128(((unsigned __int128)(a) * (unsigned __int128)(b)) >> bits);
      });
      check("min" + type, bits, isSigned, [](__int128 a, __int128 b) { return a < b ? a : b; });
      check("max" + type, bits, isSigned, [](__int128 a, __int128 b) { return a < b ? b : a; });
      check("div" + type, bits, isSigned, [](__int128 a, __int128 b) { return b ? a / b : -1; });
      check("rem" + type, bits, isSigned, [](__int128 a, __int128 b) { return b ? a % b : a; });
    }
  check("add.sat.s32", 32, true,
        [](__int128 a, __int128 b) { return std::min<__int128>(std::max<__int128>(a + b, INT32_MIN), INT32_MAX); });
  check("and.b32", 32, false, [](__int128 a, __int128 b) { return a & b; });
  check("xor.b64", 64, false, [](__int128 a, __int128 b) { return a ^ b; });
}

TEST(Integer, WideAndMad) {
  EXPECT_EQ(one("mul.wide.s32", 64, {{32, {0xffffffff}}, {32, {5}}}), uint64_t(-5));
  EXPECT_EQ(one("mul.wide.u32", 64, {{32, {0xffffffff}}, {32, {5}}}), 5 * uint64_t(0xffffffff));
  EXPECT_EQ(one("mul.wide.s16", 32, {{16, {0x8000}}, {16, {0x8000}}}), 0x40000000u);
  EXPECT_EQ(one("mad.wide.s32", 64, {{32, {0xffffffff}}, {32, {5}}, {64, {7}}}), 2u);
  EXPECT_EQ(one("mad.lo.s32", 32, {{32, {6}}, {32, {7}}, {32, {100}}}), 142u);
  EXPECT_EQ(one("mad.hi.u32", 32, {{32, {0x80000000}}, {32, {6}}, {32, {1}}}), 4u);
  EXPECT_EQ(one("mul24.lo.u32", 32, {{32, {0xff000003}}, {32, {0xff000005}}}), 15u);
  EXPECT_EQ(one("mul24.hi.s32", 32, {{32, {0x800000}}, {32, {0x800000}}}), 0x40000000u);
  EXPECT_EQ(one("sad.u32", 32, {{32, {3}}, {32, {10}}, {32, {1}}}), 8u);
}

TEST(Integer, ShiftsClampAndWrap) {
  EXPECT_EQ(one("shl.b32", 32, {{32, {1}}, {32, {31}}}), 0x80000000u);
  EXPECT_EQ(one("shl.b32", 32, {{32, {1}}, {32, {32}}}), 0u);
  EXPECT_EQ(one("shr.u32", 32, {{32, {0x80000000}}, {32, {40}}}), 0u);
  EXPECT_EQ(one("shr.s32", 32, {{32, {0x80000000}}, {32, {40}}}), 0xffffffffu);
  EXPECT_EQ(one("shr.s16", 16, {{16, {0x8000}}, {32, {3}}}), 0xf000u);
  EXPECT_EQ(one("shr.b64", 64, {{64, {uint64_t(1) << 63}}, {32, {63}}}), 1u);
  EXPECT_EQ(one("shf.l.wrap.b32", 32, {{32, {0x11223344}}, {32, {0xaabbccdd}}, {32, {8}}}), 0xbbccdd11u);
  EXPECT_EQ(one("shf.r.wrap.b32", 32, {{32, {0x11223344}}, {32, {0xaabbccdd}}, {32, {8}}}), 0xdd112233u);
  EXPECT_EQ(one("shf.l.clamp.b32", 32, {{32, {0x11223344}}, {32, {0xaabbccdd}}, {32, {40}}}), 0x11223344u);
  EXPECT_EQ(one("shf.l.wrap.b32", 32, {{32, {0x11223344}}, {32, {0xaabbccdd}}, {32, {40}}}), 0xbbccdd11u);
}

TEST(Integer, FieldsBytesAndTables) {
  EXPECT_EQ(one("bfe.u32", 32, {{32, {0x12345678}}, {32, {8}}, {32, {12}}}), 0x456u);
  EXPECT_EQ(one("bfe.s32", 32, {{32, {0x0000f000}}, {32, {12}}, {32, {4}}}), 0xffffffffu);
  EXPECT_EQ(one("bfe.s32", 32, {{32, {0x80000000}}, {32, {28}}, {32, {8}}}), 0xfffffff8u);
  EXPECT_EQ(one("bfe.u32", 32, {{32, {0xffffffff}}, {32, {4}}, {32, {0}}}), 0u);
  EXPECT_EQ(one("bfi.b32", 32, {{32, {0xab}}, {32, {0x12345678}}, {32, {8}}, {32, {8}}}), 0x1234ab78u);
  EXPECT_EQ(one("prmt.b32", 32, {{32, {0x33221100}}, {32, {0x77665544}}, {32, {0x6420}}}), 0x66442200u);
  EXPECT_EQ(one("prmt.b32", 32, {{32, {0x00008000}}, {32, {0}}, {32, {0x8891}}}), 0x0000ff80u);
  EXPECT_EQ(one("prmt.b32.b4e", 32, {{32, {0x33221100}}, {32, {0x77665544}}, {32, {1}}}), 0x66770011u);
  EXPECT_EQ(one("prmt.b32.rc16", 32, {{32, {0x33221100}}, {32, {0}}, {32, {1}}}), 0x33223322u);
  const std::vector<Source> abc = {{32, {0xf0f0f0f0}}, {32, {0xcccccccc}}, {32, {0xaaaaaaaa}}};
  EXPECT_EQ(one("lop3.b32", 32, abc, ", 0xe2"), (0xf0f0f0f0u & 0u) | 0xe2e2e2e2u); // the table read off its own inputs
  EXPECT_EQ(one("clz.b32", 32, {{32, {1}}}), 31u);
  EXPECT_EQ(one("clz.b64", 32, {{64, {0}}}), 64u);
  EXPECT_EQ(one("popc.b64", 32, {{64, {0xff00ff}}}), 16u);
  EXPECT_EQ(one("brev.b32", 32, {{32, {0x00000003}}}), 0xc0000000u);
  EXPECT_EQ(one("bfind.u32", 32, {{32, {0x00010000}}}), 16u);
  EXPECT_EQ(one("bfind.shiftamt.s32", 32, {{32, {0xffff0000}}}), 16u);
  EXPECT_EQ(one("bmsk.clamp.b32", 32, {{32, {4}}, {32, {8}}}), 0xff0u);
  EXPECT_EQ(one("szext.wrap.s32", 32, {{32, {0x8}}, {32, {4}}}), 0xfffffff8u);
  EXPECT_EQ(one("dp4a.s32.s32", 32, {{32, {0x01ff0280}}, {32, {0x02030405}}, {32, {100}}}), uint32_t(100 + 2 - 3 + 8 - 640));
  EXPECT_EQ(one("dp4a.u32.s32", 32, {{32, {0x000000ff}}, {32, {0x000000ff}}, {32, {0}}}), uint32_t(-255));
  EXPECT_EQ(one("dp2a.hi.s32.s32", 32, {{32, {0x00020003}}, {32, {0x05ff0000}}, {32, {0}}}), uint32_t(2 * 5 - 3));
}

TEST(Integer, ComparisonsAndSelection) {
  EXPECT_EQ(one("setp.lt.s32", 1, {{32, {0xffffffff}}, {32, {0}}}), 1u);
  EXPECT_EQ(one("setp.lt.u32", 1, {{32, {0xffffffff}}, {32, {0}}}), 0u);
  EXPECT_EQ(one("setp.hs.u64", 1, {{64, {5}}, {64, {5}}}), 1u);
  EXPECT_EQ(one("setp.ge.and.s16", 1, {{16, {0x8000}}, {16, {0}}, {1, {1}}}), 0u);
  EXPECT_EQ(one("setp.eq.or.b32", 1, {{32, {1}}, {32, {2}}, {1, {1}}}), 1u);
  EXPECT_EQ(one("set.lt.u32.s32", 32, {{32, {0xffffffff}}, {32, {0}}}), 0xffffffffu);
  EXPECT_EQ(one("selp.b64", 64, {{64, {3}}, {64, {4}}, {1, {0}}}), 4u);
  EXPECT_EQ(one("slct.b32.s32", 32, {{32, {3}}, {32, {4}}, {32, {0xffffffff}}}), 4u);
  const auto lanes = evaluate("setp.ne.b32", 1, {{32, {0, 1, 2}}, {32, {0, 2}}});
  for (unsigned lane = 0; lane < warpSize; ++lane)
    EXPECT_EQ(lanes[lane], unsigned(lane % 3 != lane % 2 * 2));
}

TEST(Integer, ConversionsExtendTruncateAndSaturate) {
  EXPECT_EQ(one("cvt.s32.s8", 32, {{16, {0x0080}}}), 0xffffff80u);
  EXPECT_EQ(one("cvt.u32.u8", 32, {{32, {0x1ff}}}), 0xffu);
  EXPECT_EQ(one("cvt.s64.s32", 64, {{32, {0x80000000}}}), 0xffffffff80000000u);
  EXPECT_EQ(one("cvt.u16.u32", 16, {{32, {0x12345}}}), 0x2345u);
  EXPECT_EQ(one("cvt.s8.s32", 32, {{32, {0x180}}}), 0xffffff80u);
  EXPECT_EQ(one("cvt.sat.u8.s32", 32, {{32, {0xffffffff}}}), 0u);
  EXPECT_EQ(one("cvt.sat.s8.s32", 32, {{32, {300}}}), 127u);
  EXPECT_EQ(one("cvt.pack.sat.u8.s32.b32", 32, {{32, {300}}, {32, {0xffffffff}}, {32, {0x12345678}}}), 0x5678ff00u);
  EXPECT_EQ(one("cvt.pack.sat.s16.s32", 32, {{32, {0x7fffffff}}, {32, {5}}}), 0x7fff0005u);
}
