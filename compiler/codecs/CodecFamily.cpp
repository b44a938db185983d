#include "compiler/codecs/CodecFamily.h"

using namespace mlir;

namespace kv {

Value TokenRow::load(KernelBuilder &b, Value channel, int64_t count) const {
  Value first = b.add(element, channel);
  return LoadOp::create(b, b.loc, b.tileF32({1, count}), tensor, first, input);
}

void TokenRow::store(KernelBuilder &b, Value stored, Value channel) const {
  Value row = b.i64(0);
  b.put(stored, bits, row, channel);
}

TokenRow rowOf(EncodeTokenOp op) {
  auto cache = cast<CacheType>(op.getCache());
  return {cache,        op.getStream(), op.getTensor(), op.getElement(), op.getType(),
          op.getBits(), op.getPage(),   op.getHead(),   op.getSlot()};
}

const CodecFamily &familyOf(CodecAttr codec) { return codec.isInteger() ? integerFamily() : scalarFamily(); }

Value extract(KernelBuilder &b, CodecAttr codec, Field field) {
  Value low = b.shrU(field.word, field.bit);
  return b.andBits(low, (int64_t(1) << codec.bits()) - 1);
}

} // namespace kv
