// What a codec does, as IR. A family is a file of this folder: how append encodes a token, what stored bits stand for, and what dot
// records multiply. Its twin in compiler/reference/codecs/ is the definition, in the words of compiler/frontend/language.md.
//
// Every codec has one algebra:
//
//   value = zero + scale * (number + middle)
//
// A number is what products sum: a value of a scalar codec, or a centred code, which is an integer code less its middle: that keeps
// sums small. Scale and zero are there where CodecAttr has them (hasScale, hasZero), one for each group of channels.
#ifndef KV_CODEC_FAMILY_H
#define KV_CODEC_FAMILY_H

#include "dialect/DotRecord.h"
#include "dialect/KernelBuilder.h"

namespace kv {

/// The channels of one token of a stream, of one kv head: what append encodes, and where the result goes.
struct TokenRow {
  CacheType cache;
  Stream stream;
  mlir::Value tensor, element;  ///< channel c is element `element + c` of `tensor`
  mlir::Type input;             ///< of the tensor's elements: f32, f16 or bf16
  mlir::Value bits;             ///< scratch, [1, channels] of i32: takes the stored bits of each channel, in the low ends
  mlir::Value page, head, slot; ///< of the token, for the addresses of its scales and zeros

  CodecAttr codec() const { return cache.getCodec(stream); }
  int64_t dim() const { return cache.getDim(stream); }
  /// Channels `channel` .. `channel + count - 1`, f32 [1, count].
  mlir::Value load(KernelBuilder &b, mlir::Value channel, int64_t count) const;
  /// Stores i32 [1, count] as the bits of the channels from `channel` on.
  void store(KernelBuilder &b, mlir::Value stored, mlir::Value channel) const;
};

/// The token of a kv.encode_token.
TokenRow rowOf(EncodeTokenOp op);

/// What a dot record multiplies row operands by: (number + shift) * factor, so that the bits fit the record's operand. Stored bits
/// become those of number + shift by an xor with `flip`, element by element.
struct OperandForm {
  int64_t shift = 0, factor = 1, flip = 0;
};

/// An element of a lane: its lowest bit in an i32.
struct Field {
  mlir::Value word;
  int64_t bit;
};

/// What all codecs of one kind do. A family has no state: methods take the codec. `raw` is what one load brings, an integer of 8,
/// 16 or 32 bits for each lane of a vector, or a thread's alone; it holds one element of a lane, or several, xored with the form's
/// flip.
class CodecFamily {
public:
  using Value = mlir::Value;

  /// Encodes a token: stored bits into row.bits, scales and zeros into the page.
  virtual void encode(KernelBuilder &b, const TokenRow &row) const = 0;

  /// The middle of the algebra above, a number: the builder of products adds zero + scale * middle times the sum of the rows.
  virtual double middle(CodecAttr codec) const = 0;
  /// Whether a number may be NaN or infinite: 0 times it is then not 0.
  virtual bool mayBeNan() const = 0;
  /// The numbers of the elements at bit `bit` of each lane, f32.
  virtual Value decode(KernelBuilder &b, CodecAttr codec, Value raw, int64_t bit) const = 0;
  /// Registers that a load takes while its elements are decoded one after another: what it brought, and what targets keep of
  /// decoding one element for another.
  virtual int64_t decodeRegisters(CodecAttr) const { return 1; }

  /// How `dot` takes numbers. Records of f32 take what `decode` gives: of their form, the flip alone counts.
  virtual OperandForm operandForm(CodecAttr codec, Dot dot) const = 0;
  /// Whether a record on vectors, of less than f32, multiplies elements that lie together in a lane. (How many must, the order of
  /// the cache decides: schedule/StreamAccess.h.)
  virtual bool fitsVectorDot(CodecAttr codec, Dot dot) const = 0;
  /// What the record multiplies in step `step` of a load. With operands of 32 / depth bits, its operand i is the element at bit
  /// i * 32 / depth + step * bits of the lane.
  virtual Value vectorOperand(KernelBuilder &b, CodecAttr codec, Value raw, Dot dot, int64_t step) const = 0;

  /// Whether a record on matrix tiles multiplies the codec's numbers.
  virtual bool fitsMatrixDot(CodecAttr codec, Dot dot) const = 0;
  /// Two stored elements, not flipped, as the halves of an i32 of a matrix record. `keep` makes 0 of the first's or the second's
  /// bits (`which` 0 or 1) where the element lies past the end: needed by families whose bits may be NaN.
  virtual Value matrixOperand(KernelBuilder &b, CodecAttr codec, Field low, Field high,
                              llvm::function_ref<Value(Value bits, int64_t which)> keep) const = 0;

protected:
  ~CodecFamily() = default;
};

/// The family that a codec is of.
const CodecFamily &familyOf(CodecAttr codec);

/// The families, in a file each.
const CodecFamily &scalarFamily();
const CodecFamily &integerFamily();

/// f32 to the bits of a scalar element, to nearest even, in the low ends of i32: kv.encode on lanes.
mlir::Value narrow(KernelBuilder &b, Element element, mlir::Value numbers);

/// An element as the low bits of an i32, zeros above.
mlir::Value extract(KernelBuilder &b, CodecAttr codec, Field field);

} // namespace kv

#endif
