// The kernels that make one step of append and attend:
//
//   CACHE_append.own         appends those of an item's tokens that are new in this step, as CACHE_append.append does
//   CACHE_append_NAME.attend the two in turn: CACHE_append.own, then CACHE_NAME.attend, while what was stored is in cache
//
// Both only call, so that fusing costs no second copy of anything. Where queries do not see their own tokens in the one range that
// they see, an attend appends nothing (KV_NEEDS_APPEND).
#include "compiler/kernels/AttendKernel.h"
#include "compiler/kernels/VisibleTokens.h"

using namespace mlir;

namespace kv {

void buildOwnAppendKernel(ModuleOp module, func::FuncOp func, Attribute schedule) {
  KernelBuilder b(module, func.getLoc(), kernelSymbol(func.getName(), "own"), schedule);
  Value seq = b.read(ItemField::seq);
  Value queryBegin = b.read(ItemField::query_begin), queryEnd = b.read(ItemField::query_end);
  Value queriesEnd = b.read(StepField::query_start_loc, b.add(seq, 1));
  Value queries = b.sub(queriesEnd, b.read(StepField::query_start_loc, seq));
  Value firstNew = b.sub(b.read(StepField::seq_lens, seq), queries);
  Value zero = b.i64(0);
  Value begin = b.max(zero, b.sub(b.read(ItemField::token_begin), firstNew));
  Value end = b.min(queries, b.sub(b.read(ItemField::token_end), firstNew));
  Value some = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::slt, begin, end);
  // A sequence of several query blocks has been appended before the step's first attend.
  Value whole = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::eq, b.sub(queryEnd, queryBegin), queries);
  b.ifThen(arith::AndIOp::create(b, b.loc, some, whole), [&] {
    Value own = NewItemOp::create(b, b.loc, b.ptr());
    auto set = [&](ItemField field, Value value) { SetItemOp::create(b, b.loc, field, own, value); };
    set(ItemField::seq, seq);
    set(ItemField::num_heads, b.i64(1));
    set(ItemField::query_begin, begin);
    set(ItemField::query_end, end);
    set(ItemField::scratch, b.read(ItemField::scratch));
    Value firstHead = b.read(ItemField::head);
    Value first = b.i64(0), numHeads = b.read(ItemField::num_heads);
    b.loop(first, numHeads, 1, [&](Value index) {
      set(ItemField::head, b.add(firstHead, index));
      func::CallOp::create(b, b.loc, kernelSymbol(func.getName(), "append"), TypeRange{}, ValueRange{b.step, own});
    });
  });
}

/// The item with token_begin and token_end as indices: tokens are appended by their place in the sequence.
static Value itemOfIndices(KernelBuilder &b, const AttendSpec &spec, int64_t align) {
  if (!spec.visible.hasLow())
    return b.item;
  Value own = NewItemOp::create(b, b.loc, b.ptr()), seq = b.read(ItemField::seq);
  auto set = [&](ItemField field, Value value) { SetItemOp::create(b, b.loc, field, own, value); };
  for (ItemField field :
       {ItemField::seq, ItemField::head, ItemField::num_heads, ItemField::query_begin, ItemField::query_end, ItemField::scratch})
    set(field, b.read(field));
  Value length = b.read(StepField::seq_lens, seq), end = b.read(StepField::query_start_loc, b.add(seq, 1));
  Value queries = b.sub(end, b.read(StepField::query_start_loc, seq));
  Value queryBegin = b.read(ItemField::query_begin), queryEnd = b.read(ItemField::query_end);
  VisibleRange range = visibleRanges(b, spec.visible, length, queries, queryBegin, queryEnd, align).front();
  for (ItemField field : {ItemField::token_begin, ItemField::token_end})
    set(field, b.add(range.begin, b.read(field)));
  return own;
}

void buildFusedKernel(ModuleOp module, func::FuncOp func, const AttendSpec &spec, int64_t align) {
  StringRef name = spec.cache.getName().getValue();
  KernelBuilder b(module, func.getLoc(), kernelSymbol(func.getName(), "attend"), spec.schedule);
  auto call = [&](const std::string &part, Value item) {
    func::CallOp::create(b, b.loc, part, TypeRange{}, ValueRange{b.step, item});
  };
  if (spec.visible.seesItself())
    call(kernelSymbol((name + "_append").str(), "own"), itemOfIndices(b, spec, align));
  call(kernelSymbol(plainAttend(func.getName(), name), "attend"), b.item);
}

} // namespace kv
