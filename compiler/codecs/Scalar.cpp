// Scalar codecs, f32, f16, bf16 and f8e4m3: every channel is rounded by itself, and its bits are the number. No scale, no zero.
//
//   f16    kv.narrow, kv.widen: to nearest even, overflow to infinity
//   bf16   the high half of f32, rounded to nearest even; NaN stays NaN
//   f8e4m3 kv.narrow, kv.widen: to nearest even, finite numbers saturate, others become its NaN; f16 and bf16 hold all its numbers
#include "compiler/codecs/CodecFamily.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace kv {
namespace {

struct Scalar final : CodecFamily {
  void encode(KernelBuilder &b, const TokenRow &row) const override {
    int64_t chunk = b.rowChunk(row.dim());
    Value first = b.i64(0);
    Value end = b.i64(row.dim());
    b.loop(first, end, chunk, [&](Value channel) {
      Value values = row.load(b, channel, chunk);
      Value stored = EncodeOp::create(b, b.loc, b.tile({1, chunk}, b.getI32Type()), values, row.codec().getElement());
      row.store(b, stored, channel);
    });
  }

  bool mayBeNan() const override { return true; }
  double middle(CodecAttr) const override { return 0; }

  Value decode(KernelBuilder &b, CodecAttr codec, Value raw, int64_t bit) const override {
    int64_t width = getElementTypeOrSelf(raw.getType()).getIntOrFloatBitWidth();
    Type f32 = b.withElement(raw.getType(), b.getF32Type()), i32 = b.withElement(raw.getType(), b.getI32Type());
    switch (codec.getElement()) {
    case Element::f32:
      return b.bitcast(f32, raw);
    case Element::bf16: {
      Value word = width == 32 ? raw : arith::ExtUIOp::create(b, b.loc, i32, raw).getResult();
      Value bits = bit == 16 ? b.andBits(word, 0xffff0000) : b.shl(word, 16);
      return b.bitcast(f32, bits);
    }
    case Element::f16:
    case Element::f8e4m3:
      return WidenOp::create(b, b.loc, f32, codec.getElement(), raw, bit);
    default:
      llvm_unreachable("not a scalar element");
    }
  }

  /// Bytes of a word are widened two at a time: two pairs.
  int64_t decodeRegisters(CodecAttr codec) const override { return isByte(codec) ? 3 : 1; }

  OperandForm operandForm(CodecAttr, Dot) const override { return {}; }

  /// Records multiply their own type, whose bits are stored, or a type that holds the codec's numbers.
  bool fitsVectorDot(CodecAttr codec, Dot dot) const override {
    if (plainDot(dot) == Dot::bf16)
      return codec.getElement() == Element::bf16 || isByte(codec);
    return dot == Dot::f16 && codec.getElement() == Element::f16;
  }

  /// Bytes become the upper halves of two f32 numbers, which are those numbers as bf16; other elements are operands as they are.
  Value vectorOperand(KernelBuilder &b, CodecAttr codec, Value raw, Dot, int64_t step) const override {
    if (!isByte(codec))
      return raw;
    Value low = decode(b, codec, raw, 8 * step);
    Value high = decode(b, codec, raw, 16 + 8 * step);
    Value lowBits = b.bitcast(raw.getType(), low);
    lowBits = b.shrU(lowBits, 16);
    Value highBits = b.bitcast(raw.getType(), high);
    highBits = b.andBits(highBits, 0xffff0000);
    return arith::OrIOp::create(b, b.loc, lowBits, highBits);
  }

  bool fitsMatrixDot(CodecAttr codec, Dot dot) const override {
    return isByte(codec) ? dot == Dot::f16 : fitsVectorDot(codec, dot);
  }
  Value matrixOperand(KernelBuilder &b, CodecAttr codec, Field low, Field high,
                      function_ref<Value(Value, int64_t)> keep) const override {
    Value lowBits = extract(b, codec, low);
    Value first = keep(lowBits, 0);
    Value highBits = extract(b, codec, high);
    Value second = keep(highBits, 1);
    Value above = b.shl(second, codec.bits());
    Value both = arith::OrIOp::create(b, b.loc, first, above);
    if (!isByte(codec))
      return both;
    Value pair = arith::TruncIOp::create(b, b.loc, b.getI16Type(), both);
    Value bytes = LLVM::BitcastOp::create(b, b.loc, VectorType::get({2}, b.getI8Type()), pair);
    Value halves = WidenOp::create(b, b.loc, VectorType::get({2}, b.getF16Type()), Element::f8e4m3, bytes);
    return LLVM::BitcastOp::create(b, b.loc, b.getI32Type(), halves);
  }

private:
  static bool isByte(CodecAttr codec) { return codec.getElement() == Element::f8e4m3; }
};

} // namespace

const CodecFamily &scalarFamily() {
  static const Scalar family;
  return family;
}

Value narrow(KernelBuilder &b, Element element, Value numbers) {
  Type i32 = b.withElement(numbers.getType(), b.getI32Type());
  switch (element) {
  case Element::f32:
    return b.bitcast(i32, numbers);
  case Element::bf16:
    return b.bfloatBits(numbers);
  case Element::f16: {
    Value half = NarrowOp::create(b, b.loc, b.withElement(numbers.getType(), b.getI16Type()), Element::f16, numbers);
    return arith::ExtUIOp::create(b, b.loc, i32, half);
  }
  case Element::f8e4m3: {
    Value byte = NarrowOp::create(b, b.loc, b.withElement(numbers.getType(), b.getI8Type()), Element::f8e4m3, numbers);
    return arith::ExtUIOp::create(b, b.loc, i32, byte);
  }
  default:
    llvm_unreachable("not a scalar element");
  }
}

} // namespace kv
