// Scalar codecs, bit for bit: f32, f16, bf16 and f8e4m3 round to their type to nearest, halves to even, and keep subnormal numbers.
// f16 and bf16 overflow to infinity; a NaN stays a NaN. f8e4m3, which has no infinity, saturates: what is finite rounds to 448 at
// most, and what is not is stored as its NaN, 0x7f.
#ifndef KV_REFERENCE_SCALAR_H
#define KV_REFERENCE_SCALAR_H

#include "dialect/KvAttrs.h"
#include "llvm/ADT/ArrayRef.h"

#include <cstdint>

namespace kv {

/// Bits of a float16 or bfloat16 nearest to `value`; halves to even, overflow to infinity, NaN to a quiet NaN.
uint16_t f16FromFloat(float value);
uint16_t bf16FromFloat(float value);
float floatFromF16(uint16_t bits);
float floatFromBf16(uint16_t bits);

/// The same of float8 e4m3: 1 sign, 4 bits of exponent with a bias of 7, 3 of fraction; NaN are 0x7f and 0xff.
uint8_t f8e4m3FromFloat(float value);
float floatFromF8e4m3(uint8_t bits);

/// One value of a scalar codec, there and back.
uint32_t encodeScalar(Element element, float value);
float decodeScalar(Element element, uint32_t stored);

/// The value a float type keeps of `value`, as a float: f32, f16 or bf16.
float roundTo(Element type, float value);

/// As many values of a scalar codec as there are.
void encodeScalars(Element element, llvm::ArrayRef<float> values, llvm::MutableArrayRef<uint32_t> stored);
void decodeScalars(Element element, llvm::ArrayRef<uint32_t> stored, llvm::MutableArrayRef<float> values);

/// Whether two stored numbers are equal, or NaN of a type that has no one code for it.
bool isSameScalar(Element element, uint32_t a, uint32_t b);

} // namespace kv

#endif
