// Where a token is, as IR: the twin of kv/kv_tokens.h, which says what the words mean.
#ifndef KV_TOKENMAP_H
#define KV_TOKENMAP_H

#include "dialect/KernelBuilder.h"

namespace kv {

/// Entry and slot are built apart, so that what needs one of them has no op of the other.
class TokenMap {
public:
  using Value = mlir::Value;
  TokenMap(KernelBuilder &b, int64_t pageTokens) : b(b), pageTokens(pageTokens) {}

  /// Entry and slot of an index, which is not negative.
  Value entryOf(Value index) { return b.div(index, pageTokens); }
  Value slotOf(Value index) { return b.rem(index, pageTokens); }
  /// The index of an entry's first token.
  Value firstOf(Value entry) { return b.mul(entry, pageTokens); }
  /// The page and slot that a slot number names; of -1, which skips, the slot is -1 or, where a page has one slot, the page.
  Value pageOfNumber(Value number) { return b.createOrFold<mlir::arith::DivSIOp>(b.loc, number, b.i64(pageTokens)); }
  Value slotOfNumber(Value number) { return b.createOrFold<mlir::arith::RemSIOp>(b.loc, number, b.i64(pageTokens)); }

private:
  KernelBuilder &b;
  int64_t pageTokens;
};

} // namespace kv

#endif
