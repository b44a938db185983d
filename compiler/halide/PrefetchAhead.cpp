// Prefetches of the block ahead in the loops of products: a cursor walks through its pages, some lines an iteration, so that it has
// been through all of them when the products are done. Memory that is asked for in bursts delivers less.
#include "compiler/halide/Halide.h"
#include "compiler/halide/HalideBuffer.h"
#include "compiler/halide/Words.h"
#include "compiler/schedule/Pacing.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/Transforms/Utils/PromoteMemToReg.h"

using namespace llvm;

namespace kv::halide {

/// Innermost loops that carry sums of vectors.
static SmallVector<Loop *> productLoops(const LoopInfo &loops) {
  SmallVector<Loop *> found;
  for (Loop *loop : loops.getLoopsInPreorder())
    if (loop->isInnermost() && loop->getLoopLatch() &&
        any_of(loop->getHeader()->phis(), [](const PHINode &phi) { return isa<FixedVectorType>(phi.getType()); }))
      found.push_back(loop);
  return found;
}

/// Iterations of both products of a block that is full.
static int64_t iterationsOf(const Block &plan) {
  int64_t run = plan.key.group ? plan.key.group : plan.key.dim, inPage = plan.pages > 1 ? plan.slots : plan.tokens;
  int64_t keys = plan.key.dim / elementsTogether(findWords(plan.key.codes, "d"), run);
  int64_t values = plan.tokens / elementsTogether(findWords(plan.value.codes, "t"), inPage);
  int64_t all = plan.tokens / plan.keySlice * keys + plan.value.dim / plan.valueSlice * values;
  return std::max<int64_t>(all / std::max<int64_t>(plan.unroll, 1), 1);
}

/// The address of a byte of the block ahead; a byte past its end counts as one of its last page.
static Value *addressAhead(IRBuilder<> &b, const Block &plan, Value *pages, Value *byte) {
  Value *page = b.getInt64(0), *offset = byte;
  if (plan.pages > 1) {
    Value *last = b.getInt64(uint64_t(plan.pages - 1)), *size = b.getInt64(uint64_t(plan.aheadBytes));
    page = b.CreateUDiv(byte, size);
    offset = b.CreateURem(byte, size);
    page = b.CreateSelect(b.CreateICmpULT(page, last), page, last);
  }
  Value *start = b.CreateLoad(b.getPtrTy(), b.CreateGEP(b.getPtrTy(), pages, page));
  return b.CreateGEP(b.getInt8Ty(), start, offset);
}

void prefetchAhead(Function &function, const Block &plan) {
  auto argument = find_if(function.args(), [](const Argument &one) { return one.getName().starts_with("ahead"); });
  if (!plan.aheadBytes || argument == function.arg_end())
    return;
  constexpr uint64_t line = 64;
  DominatorTree dominators(function);
  LoopInfo loops(dominators);
  IRBuilder<> b(&*function.getEntryBlock().getFirstInsertionPt());
  Type *number = b.getInt64Ty();
  AllocaInst *cursor = b.CreateAlloca(number, nullptr, "cursor");
  b.CreateStore(b.getInt64(0), cursor);
  Value *pages = b.CreateLoad(b.getPtrTy(), b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), argument, halideHostOffset), "pages_ahead");
  int64_t bytes = plan.aheadBytes * plan.pages, step = (bytes / iterationsOf(plan) + 7) / 8 * 8;
  for (Loop *loop : productLoops(loops)) {
    b.SetInsertPoint(loop->getHeader()->getFirstInsertionPt());
    Value *at = b.CreateLoad(number, cursor);
    for (uint64_t ahead = 0; ahead < uint64_t(step); ahead += line)
      b.CreateIntrinsic(b.getVoidTy(), Intrinsic::prefetch,
                        {addressAhead(b, plan, pages, b.CreateAdd(at, b.getInt64(ahead))), b.getInt32(0),
                         b.getInt32(prefetchLocality), b.getInt32(1)});
    b.CreateStore(b.CreateAdd(at, b.getInt64(uint64_t(step))), cursor);
  }
  PromoteMemToReg({cursor}, dominators);
}

} // namespace kv::halide
