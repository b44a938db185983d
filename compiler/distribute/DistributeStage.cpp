// kv.stage and kv.staged: a block of tokens of one head, copied into shared scratch ahead of its use and read from there.
//
// What a slot of the ring holds is a page of a small cache (stagedCache) in the orders of the large one, so that whatever reads a
// block reads a staged one in the same way. Runs of 16, 8 or 4 bytes that lie together in both are copied by the threads in turn.
#include "compiler/distribute/Distributor.h"
#include "compiler/schedule/Staging.h"

using namespace mlir;

namespace kv {

namespace {

/// Copies `tokens` tokens of one region: from `slot` on of a page, to `token` on of a staged one.
struct RegionCopy {
  RegionCopy(TeamBuilder &b, const Region &from, const Region &to, int64_t tokens)
      : b(b), from(from), to(to), extents(extentsOver(from, tokens)), bytes(commonRun(from, to, extents)),
        elements(bytes * 8 / from.bits) {}

  TeamBuilder &b;
  const Region &from, &to;
  SmallVector<int64_t> extents;
  int64_t bytes, elements; ///< of a run

  void copyRun(Value number, Value head, Value page, Value slot, Value target, int64_t token);
  void run(Value head, Value page, Value slot, Value target, int64_t token) {
    int64_t count = 1;
    for (int64_t extent : extents)
      count *= extent;
    Value lane = b.lane(), end = b.i64(count / elements);
    b.loop(lane, end, b.threads, [&](Value number) { copyRun(number, head, page, slot, target, token); });
  }
};

/// Run `number` of those of the region, in its order.
void RegionCopy::copyRun(Value number, Value head, Value page, Value slot, Value target, int64_t token) {
  Value t = b.i64(0), d = b.i64(0), rest = b.mul(number, elements);
  int64_t inner = 1;
  for (size_t i = extents.size(); i-- > 0; inner *= extents[i]) {
    const Digit &digit = from.axes[i].digit;
    if (digit.coordinate == 'h' || extents[i] == 1)
      continue;
    Value part = b.mul(b.rem(b.div(rest, inner), extents[i]), digit.divisor);
    Value &coordinate = digit.coordinate == 't' ? t : d;
    coordinate = b.KernelBuilder::add(coordinate, part);
  }
  Value source = b.elementAddress(from, page, b.element(from, head, b.KernelBuilder::add(slot, t), d));
  Value ownHead = b.i64(0), ownToken = b.add(t, token);
  Value copy = b.elementAddress(to, target, b.element(to, ownHead, ownToken, d));
  CopyOp::create(b, b.loc, source, copy, bytes);
}

} // namespace

static void distribute(Distributor &d, StageOp op) {
  TeamBuilder &b = d.b;
  const BlockPages &block = d.blocks.find(op.getBlock())->second;
  PageMap to = mapPage(stagedCache(op.getBlock().getType().getCache(), block.tokens));
  Value target;
  b.aheadOfBarrier([&] { target = d.rowAddress(op.getRing(), d.scalar(op.getSlot())); });
  for (auto [i, page] : llvm::enumerate(block.pages))
    for (auto [source, staged] : llvm::zip_equal(block.map.regions, to.regions))
      RegionCopy(b, source, staged, block.tokensPerPage())
          .run(block.head, page, block.firstSlot, target, int64_t(i) * block.tokensPerPage());
}

static void distribute(Distributor &d, StagedOp op) {
  TeamBuilder &b = d.b;
  AwaitOp::create(b, b.loc, op.getPending());
  BarrierOp::create(b, b.loc);
  BlockType type = op.getBlock().getType();
  BlockPages block{{b.i64(0), {d.rowAddress(op.getRing(), d.scalar(op.getSlot()))}, Value(), b.i64(0)},
                   mapPage(type.getCache()),
                   type.getTokens(),
                   /*ragged=*/false,
                   std::nullopt};
  d.blocks.insert({op.getBlock(), block});
}

static TeamMemory memoryOf(StagedOp) { return {.waits = true}; }

void attachStageModels(MLIRContext *context) {
  attachModel<StageOp, distribute, writesTeam>(context);
  attachModel<StagedOp, distribute, memoryOf>(context);
}

} // namespace kv
