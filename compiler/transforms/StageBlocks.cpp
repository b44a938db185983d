// kv.stage and kv.staged: a block of tokens of one head, copied into shared scratch ahead of its use and read from there.
//
// What a slot of the ring holds is a page of a small cache (stagedCache) in the orders of the large one, so that whatever reads a
// block reads a staged one in the same way. Runs of 16, 8 or 4 bytes that lie together in both are copied by the threads in turn.
#include "compiler/transforms/Distributor.h"
#include "compiler/transforms/Staging.h"

using namespace mlir;

namespace kv {

/// The regions of a page, in their order; those that are not there are null.
static SmallVector<const Region *> regionsOf(const PageMap &map) {
  auto some = [](const std::optional<Region> &region) { return region ? &*region : nullptr; };
  return {&map.key, &map.value, some(map.keyScale), some(map.keyZero), some(map.valueScale), some(map.valueZero)};
}

/// Extents of the axes of `region` over one head and `tokens` tokens; empty when a digit of the token reaches beyond them.
static SmallVector<int64_t> extentsOver(const Region &region, int64_t tokens) {
  SmallVector<int64_t> extents;
  for (const Axis &axis : region.axes) {
    int64_t extent = axis.digit.coordinate == 'h' ? 1 : axis.extent, divisor = axis.digit.divisor;
    if (axis.digit.coordinate == 't') {
      int64_t reach = axis.digit.extent ? divisor * axis.extent : tokens;
      if (tokens % std::min(divisor, tokens) || divisor % std::min(divisor, tokens) || (reach < tokens && tokens % reach))
        return {};
      extent = divisor >= tokens ? 1 : std::min(reach, tokens) / divisor;
    }
    extents.push_back(extent);
  }
  return extents;
}

/// Bytes that lie together in both regions from any multiple of as many bytes on: 16, 8, 4, or 0 where there are fewer.
static int64_t commonRun(const Region &from, const Region &to, ArrayRef<int64_t> extents) {
  int64_t run = 1;
  for (size_t i = extents.size(); i-- > 0;) {
    if (extents[i] == 1)
      continue;
    if (from.axes[i].stride != run || to.axes[i].stride != run)
      break;
    run *= extents[i];
  }
  for (int64_t bytes : {16, 8, 4})
    if (run * from.bits % (8 * bytes) == 0)
      return bytes;
  return 0;
}

bool canStage(CacheType cache, int64_t block) {
  BlockFit fit = fitBlocks(cache, block);
  int64_t slots = cache.getLayout().getSlots();
  if (fit == BlockFit::cut || (fit == BlockFit::even && slots % block))
    return false;
  int64_t tokens = fit == BlockFit::whole ? slots : block;
  PageMap from = mapPage(cache), to = mapPage(stagedCache(cache, block));
  for (auto [source, target] : llvm::zip_equal(regionsOf(from), regionsOf(to)))
    if (source) {
      SmallVector<int64_t> extents = extentsOver(*source, tokens);
      if (extents.empty() || !commonRun(*source, *target, extents))
        return false;
    }
  return true;
}

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
    b.loop(b.lane(), b.i64(count / elements), b.threads, [&](Value number) { copyRun(number, head, page, slot, target, token); });
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
  Value copy = b.elementAddress(to, target, b.element(to, b.i64(0), b.add(t, token), d));
  CopyOp::create(b, b.loc, source, copy, bytes);
}

} // namespace

void Distributor::convert(StageOp op) {
  const BlockPages &block = blocks.find(op.getBlock())->second;
  PageMap to = mapPage(stagedCache(op.getBlock().getType().getCache(), block.tokens));
  Value target = homeAddress(op.getRing(), scalar(op.getSlot()), b.i64(0));
  fences.beforeWrite();
  for (auto [i, page] : llvm::enumerate(block.pages))
    for (auto [source, staged] : llvm::zip_equal(regionsOf(block.map), regionsOf(to)))
      if (source)
        RegionCopy(b, *source, *staged, block.tokensPerPage())
            .run(block.head, page, block.firstSlot, target, int64_t(i) * block.tokensPerPage());
}

void Distributor::convert(StagedOp op) {
  AwaitOp::create(b, b.loc, op.getPending());
  fences.now();
  BlockType type = op.getBlock().getType();
  BlockPages block{{b.i64(0), {homeAddress(op.getRing(), scalar(op.getSlot()), b.i64(0))}, Value(), b.i64(0)},
                   mapPage(type.getCache()),
                   type.getTokens(),
                   /*ragged=*/false,
                   std::nullopt,
                   /*staged=*/true};
  blocks.insert({op.getBlock(), block});
}

} // namespace kv
