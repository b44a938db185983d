#include "compiler/reference/Codec.h"

#include "compiler/reference/codecs/Integer.h"
#include "compiler/reference/codecs/Scalar.h"

namespace kv {

Codec::Codec(CodecAttr attr)
    : element(attr.getElement()), bits(attr.bits()), bias(attr.storedBias()), integer(attr.isInteger()), asym(attr.hasZero()),
      group(attr.getGroup()), scale(attr.getScale()) {}

void encode(const Codec &codec, llvm::ArrayRef<float> values, llvm::MutableArrayRef<uint32_t> stored,
            llvm::MutableArrayRef<GroupParameters> parameters) {
  if (codec.integer)
    encodeGroups(codec, values, stored, parameters);
  else
    encodeScalars(codec.element, values, stored);
}

void decode(const Codec &codec, llvm::ArrayRef<uint32_t> stored, llvm::ArrayRef<GroupParameters> parameters,
            llvm::MutableArrayRef<float> values) {
  if (codec.integer)
    decodeGroups(codec, stored, parameters, values);
  else
    decodeScalars(codec.element, stored, values);
}

bool isSameCode(const Codec &codec, uint32_t a, uint32_t b) {
  return a == b || (!codec.integer && isSameScalar(codec.element, a, b));
}

} // namespace kv
