// Where a token is, as IR: the twin of kv/kv_tokens.h, which says what the words mean.
#ifndef KV_TOKENMAP_H
#define KV_TOKENMAP_H

#include "dialect/KernelBuilder.h"

namespace kv {

/// Indices are not negative. Entry and slot are built apart, so that what needs one of them has no op of the other.
class TokenMap {
public:
  using Value = mlir::Value;
  TokenMap(KernelBuilder &b, int64_t pageTokens) : b(b), pageTokens(pageTokens) {}

  Value entryOf(Value index) { return b.div(index, pageTokens); }
  Value slotOf(Value index) { return b.rem(index, pageTokens); }
  /// The index of an entry's first token.
  Value firstOf(Value entry) { return b.mul(entry, pageTokens); }

private:
  KernelBuilder &b;
  int64_t pageTokens;
};

} // namespace kv

#endif
