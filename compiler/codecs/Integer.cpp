// Integer codecs in groups of channels: i8, u8, i4, u4, symmetric, or asymmetric with a zero. compiler/frontend/language.md defines
// the bytes: f32, each operation rounded, never contracted. A group of `sym` has levels 2^(bits-1) - 1, one of `asym` 2^bits - 1.
//
//   sym:   scale = round(max |x| / levels)                                  code = round(x / scale)           in -levels .. levels
//   asym:  zero = round(min x);  scale = round((max x - min x) / levels)    code = round((x - zero) / scale)  in 0 .. levels
//
// Stored bits are code + CodecAttr::storedBias. Numbers are codes of `sym` as they are, those of `asym` less half their range, in
// two's complement: stored bits of offset binary with their sign bit flipped.
#include "compiler/codecs/CodecFamily.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

#include <cfloat>

using namespace mlir;

namespace kv {
namespace {

/// Half the range of codes.
int64_t halfRange(CodecAttr codec) { return int64_t(1) << (codec.bits() - 1); }

/// Encodes the groups of a token, one after another.
struct GroupEncoder {
  KernelBuilder &b;
  const TokenRow &row;
  CodecAttr codec = row.codec();
  bool asym = codec.hasZero();
  double levels = double(asym ? 2 * halfRange(codec) - 1 : halfRange(codec) - 1);
  int64_t width = codec.getGroup(), chunk = b.rowChunk(width);
  RankedTensorType tile = b.tileF32({1, chunk});

  /// What a group's channels have in common.
  struct Extent {
    Value greatest, least; ///< `asym`: of the values; `sym`: the greatest magnitude, and 0
    Value bad;             ///< i1: a channel is not finite
  };
  /// A scale or zero as it is stored, and its value.
  struct Parameter {
    Value value, bits;
  };

  Value splat(Value scalar) { return b.spread(scalar, 0, tile); }
  Value splat(double number) {
    Value scalar = b.f32(number);
    return splat(scalar);
  }
  Value select(Value condition, Value a, Value other) { return arith::SelectOp::create(b, b.loc, condition, a, other); }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) { return arith::CmpFOp::create(b, b.loc, predicate, x, y); }
  Value total(Reduction kind, Value source) {
    Value reduced = ReduceOp::create(b, b.loc, b.tileF32({1}), kind, source);
    return RowOp::create(b, b.loc, b.getF32Type(), reduced);
  }

  void encode(Value group);
  Extent extentOf(Value first, Value end);
  Parameter roundParameter(Value value);
  Value storedBits(Value x, Value zero, Value inverse, Value usable, Value bad);
  void storeParameter(CodecParameter parameter, Value group, Value value, Value bad);
};

void GroupEncoder::encode(Value group) {
  Value first = b.mul(group, width);
  Value end = b.end(first, width);
  Extent extent = extentOf(first, end);
  Parameter zero{extent.least, Value()};
  Value range = extent.greatest;
  if (asym) {
    zero = roundParameter(extent.least);
    range = b.subf(range, extent.least);
  }
  Value most = b.f32(levels);
  Value step = arith::DivFOp::create(b, b.loc, range, most);
  Parameter scale = roundParameter(step);
  Value inverse = b.levelsPerUnit(scale.value, 1);
  Value none = b.f32(0);
  Value usable = compare(arith::CmpFPredicate::OGT, inverse, none); // scale 0 and the tiniest have no inverse: codes 0

  b.loop(first, end, chunk, [&](Value channel) {
    Value x = row.load(b, channel, chunk);
    Value stored = storedBits(x, zero.value, inverse, usable, extent.bad);
    row.store(b, stored, channel);
  });
  storeParameter(CodecParameter::scale, group, scale.bits, extent.bad);
  if (asym)
    storeParameter(CodecParameter::zero, group, zero.bits, extent.bad);
}

/// The greatest magnitude, or least and greatest value, of channels [first, end); the sum of 0 * x is NaN where one is not finite.
GroupEncoder::Extent GroupEncoder::extentOf(Value first, Value end) {
  SmallVector<Value> init = {splat(asym ? -FLT_MAX : 0), splat(FLT_MAX), splat(0.0)};
  SmallVector<Value> found = b.loop(first, end, chunk, init, [&](Value channel, ValueRange carried) -> SmallVector<Value> {
    Value x = row.load(b, channel, chunk);
    Value magnitude = asym ? x : math::AbsFOp::create(b, b.loc, x).getResult();
    Value isLess = compare(arith::CmpFPredicate::OLT, x, carried[1]);
    Value least = select(isLess, x, carried[1]);
    Value greatest = b.maxf(magnitude, carried[0]);
    Value nothing = splat(0.0);
    Value check = b.mulf(x, nothing);
    Value checks = b.addf(carried[2], check);
    return {greatest, least, checks};
  });
  Extent extent;
  extent.greatest = total(Reduction::max, found[0]);
  Value check = total(Reduction::add, found[2]);
  extent.bad = compare(arith::CmpFPredicate::UNO, check, check);
  extent.least = b.f32(0);
  if (asym)
    extent.least = total(Reduction::min, found[1]);
  return extent;
}

/// A finite number rounded to the scale's type without leaving the finite ones; never -0.
GroupEncoder::Parameter GroupEncoder::roundParameter(Value value) {
  double largest = codec.getScale() == Element::f16 ? 65504.0 : FLT_MAX;
  Value least = b.f32(-largest);
  Value clamped = b.maxf(value, least);
  Value most = b.f32(largest);
  Value isGreater = compare(arith::CmpFPredicate::OGT, clamped, most);
  Value greatest = b.f32(largest);
  clamped = select(isGreater, greatest, clamped);
  Value plusZero = b.f32(0);
  Value finite = b.addf(clamped, plusZero);
  if (codec.getScale() == Element::f32)
    return {finite, arith::BitcastOp::create(b, b.loc, b.getI32Type(), finite)};
  Value half = NarrowOp::create(b, b.loc, b.getI16Type(), Element::f16, finite);
  Value widened = WidenOp::create(b, b.loc, b.getF32Type(), Element::f16, half);
  Value zero = b.f32(0);
  Value rounded = b.addf(widened, zero);
  return {rounded, NarrowOp::create(b, b.loc, b.getI16Type(), Element::f16, rounded)};
}

/// What is stored of channels `x`: codes, or code 0 where the scale has no inverse or the group is bad; biased.
Value GroupEncoder::storedBits(Value x, Value zero, Value inverse, Value usable, Value bad) {
  RankedTensorType integers = tile.clone(b.getI32Type());
  auto splatInteger = [&](int64_t number) {
    Value scalar = b.i32(int32_t(number));
    return b.spread(scalar, 0, integers);
  };
  if (asym) {
    Value zeros = splat(zero);
    x = b.subf(x, zeros);
  }
  Value inverses = splat(inverse);
  Value code = b.mulf(x, inverses);
  Value most = splat(levels);
  Value least = splat(asym ? 0 : -levels);
  code = b.maxf(code, least);
  Value isGreater = compare(arith::CmpFPredicate::OGT, code, most);
  code = select(isGreater, most, code);
  Value rounded = b.round(code);
  Value integer = arith::FPToSIOp::create(b, b.loc, integers, rounded);
  Value isTrue = arith::ConstantOp::create(b, b.loc, b.getBoolAttr(true));
  Value good = arith::XOrIOp::create(b, b.loc, bad, isTrue);
  Value keep = arith::AndIOp::create(b, b.loc, usable, good);
  Value keeps = b.spread(keep, 0, tile.clone(b.getI1Type()));
  Value none = splatInteger(0);
  integer = select(keeps, integer, none);
  Value bias = splatInteger(codec.storedBias());
  return b.add(integer, bias);
}

void GroupEncoder::storeParameter(CodecParameter parameter, Value group, Value value, Value bad) {
  bool half = codec.getScale() == Element::f16;
  Value quiet = half ? arith::ConstantOp::create(b, b.loc, b.getI16IntegerAttr(0x7e00)).getResult() : b.i32(0x7fc00000);
  Value address =
      ParameterAddressOp::create(b, b.loc, b.ptr(), row.page, row.stream, parameter, row.cache, row.head, row.slot, group);
  Value stored = select(bad, quiet, value);
  b.store(stored, address);
}

struct Integer final : CodecFamily {
  void encode(KernelBuilder &b, const TokenRow &row) const override {
    GroupEncoder encoder{b, row};
    Value first = b.i64(0);
    Value groups = b.i64(row.cache.getGroups(row.stream));
    b.loop(first, groups, 1, [&](Value group) { encoder.encode(group); });
  }

  bool mayBeNan() const override { return false; }
  double middle(CodecAttr codec) const override { return codec.hasZero() ? double(halfRange(codec)) : 0; }

  Value decode(KernelBuilder &b, CodecAttr codec, Value raw, int64_t bit) const override {
    int64_t width = getElementTypeOrSelf(raw.getType()).getIntOrFloatBitWidth(), bits = codec.bits();
    Type f32 = b.withElement(raw.getType(), b.getF32Type()), i32 = b.withElement(raw.getType(), b.getI32Type());
    Value number;
    if (width == bits) {
      number = arith::ExtSIOp::create(b, b.loc, i32, raw);
    } else {
      Value word = width == 32 ? raw : arith::ExtUIOp::create(b, b.loc, i32, raw).getResult();
      Value top = b.shl(word, 32 - bits - bit);
      number = b.shrS(top, 32 - bits);
    }
    return arith::SIToFPOp::create(b, b.loc, f32, number);
  }

  /// Records of signed bytes take numbers, those whose rows are unsigned in the high ends of bytes; others take unsigned codes,
  /// which a wider signed operand holds too.
  OperandForm operandForm(CodecAttr codec, Dot dot) const override {
    int64_t half = halfRange(codec), flip = isOffsetBinary(codec.getElement()) ? half : 0;
    if (!isIntegerDot(dot))
      return {0, 1, flip};
    dot = plainDot(dot);
    if (dot == Dot::s8u8)
      return {0, int64_t(1) << (8 - codec.bits()), flip};
    if (dot == Dot::s8s8 && codec.bits() == 8)
      return {0, 1, flip};
    return {half, 1, flip ^ half};
  }

  bool fitsVectorDot(CodecAttr codec, Dot dot) const override { return isIntegerDot(dot) && codec.bits() <= 32 / dotDepth(dot); }

  /// Every element in the low end of its place, or with a factor in the high one.
  Value vectorOperand(KernelBuilder &b, CodecAttr codec, Value raw, Dot dot, int64_t step) const override {
    int64_t bits = codec.bits(), width = 32 / dotDepth(dot);
    if (bits == width)
      return raw;
    int64_t place = operandForm(codec, dot).factor > 1 ? width - bits : 0, mask = 0;
    for (int64_t bit = place; bit < 32; bit += width)
      mask |= ((int64_t(1) << bits) - 1) << bit;
    int64_t down = bits * step - place;
    Value moved = down >= 0 ? b.shrU(raw, down) : b.shl(raw, -down);
    return b.andBits(moved, mask);
  }

  bool fitsMatrixDot(CodecAttr, Dot dot) const override { return dot == Dot::f16; }

  /// Without conversions: f16 1024 + u has the bits 0x6400 | u. u = number + half the range, then 1024 + u less 1024 and the half:
  /// exact. Codes are numbers whatever they are, and past the end their row operands are 0.
  Value matrixOperand(KernelBuilder &b, CodecAttr codec, Field low, Field high,
                      function_ref<Value(Value, int64_t)>) const override {
    int64_t half = halfRange(codec), flip = operandForm(codec, Dot::f16).flip ^ half;
    auto bytes = VectorType::get({4}, b.getI8Type()), halves = VectorType::get({2}, b.getF16Type());
    Value both;
    if (low.word == high.word && low.bit % 8 == high.bit % 8) { // two bytes of one word
      Value word = low.word;
      if (codec.bits() < 8) {
        word = b.shrU(word, low.bit % 8);
        word = b.andBits(word, ((int64_t(1) << codec.bits()) - 1) * 0x01010101);
      }
      word = b.xorBits(word, flip * 0x01010101);
      Value codes = LLVM::BitcastOp::create(b, b.loc, bytes, word);
      Value exponent = b.i32(0x64646464);
      Value exponents = LLVM::BitcastOp::create(b, b.loc, bytes, exponent);
      both = vector::ShuffleOp::create(b, b.loc, codes, exponents, ArrayRef<int64_t>{low.bit / 8, 5, high.bit / 8, 7});
    } else {
      Value second = extract(b, codec, high);
      Value first = extract(b, codec, low);
      Value above = b.shl(second, 16);
      both = arith::OrIOp::create(b, b.loc, first, above);
      both = b.xorBits(both, 0x64006400 | flip | flip << 16);
    }
    auto bias = DenseElementsAttr::get(halves, Attribute(b.getF16FloatAttr(float(1024 + half))));
    Value biases = arith::ConstantOp::create(b, b.loc, bias);
    Value biased = LLVM::BitcastOp::create(b, b.loc, halves, both);
    Value numbers = arith::SubFOp::create(b, b.loc, biased, biases);
    return LLVM::BitcastOp::create(b, b.loc, b.getI32Type(), numbers);
  }
};

} // namespace

const CodecFamily &integerFamily() {
  static const Integer family;
  return family;
}

} // namespace kv
