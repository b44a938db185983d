// What touches the pages of a cache, products and stages apart: where a block's tokens are, its scales and zeros, the lines of the
// block ahead, and what append stores.
#include "compiler/distribute/Distributor.h"

using namespace mlir;

namespace kv {

/// Whether the pages of a block are listed in scratch: they are several, and not only staged.
static bool keepsList(AcquireOp op) {
  auto type = cast<BlockType>(op.getBlock().getType());
  return fitBlocks(type.getCache(), type.getTokens()) == BlockFit::whole &&
         !llvm::all_of(op.getBlock().getUsers(), llvm::IsaPred<StageOp>);
}

static TeamMemory memoryOf(AcquireOp op) { return {.writes = keepsList(op)}; }

static TeamMemory memoryOf(ReadOp op) {
  auto acquired = op.getBlock().getDefiningOp<AcquireOp>();
  return {.reads = acquired && keepsList(acquired)};
}

static TokenPages findPages(Distributor &d, AcquireOp op, Value head, Value token, Value count, bool several, bool list) {
  TeamBuilder &b = d.b;
  int64_t slots = cast<BlockType>(op.getBlock().getType()).getCache().getLayout().getSlots();
  int64_t tokens = cast<BlockType>(op.getBlock().getType()).getTokens();
  TokenMap map(b, slots);
  TokenPages found;
  b.aheadOfBarrier([&] {
    Value first = map.entryOf(d.scalar(token));
    Value end = b.add(d.scalar(token), d.scalar(count)), one = b.i64(1), last = map.entryOf(b.sub(end, one));
    found.head = d.scalar(head);
    found.firstSlot = several ? b.i64(0) : b.sub(d.scalar(token), map.firstOf(first));
    for (int64_t i = 0; i < (several ? tokens / slots : 1); ++i) {
      Value number = b.entry(d.scalar(op.getTable()), i ? b.min(b.add(first, i), last) : first);
      found.pages.push_back(b.at(d.scalar(op.getPages()), b.mul(number, d.scalar(op.getStride()))));
    }
    // The last page stands for the one after it, which linesAhead loads.
    found.list = list ? d.allocate((found.pages.size() + 1) * 8) : Value();
  });
  if (list) {
    b.onOwners(b.threads ? b.threads - 1 : 0, [&] {
      for (auto [i, page] : llvm::enumerate(found.pages))
        b.store(page, b.at(found.list, i * 8));
      b.store(found.pages.back(), b.at(found.list, int64_t(found.pages.size()) * 8));
    });
  }
  return found;
}

static void distribute(Distributor &d, AcquireOp op) {
  TeamBuilder &b = d.b;
  auto type = cast<BlockType>(op.getBlock().getType());
  PageMap map = mapPage(type.getCache());
  int64_t slots = map.slots, tokens = type.getTokens();
  bool several = fitBlocks(type.getCache(), tokens) == BlockFit::whole;
  bool list = keepsList(op);
  BlockPages block{findPages(d, op, op.getHead(), op.getToken(), op.getCount(), several, list),
                   map,
                   tokens,
                   /*ragged=*/!several && slots % tokens != 0,
                   std::nullopt,
                   std::nullopt};
  if (OperandRange ahead = op.getAhead(); !ahead.empty()) {
    block.ahead = findPages(d, op, ahead[0], ahead[1], ahead[2], several, list);
    block.tilesAhead = wholeTiles(type.getCache(), tokens, d.schedule.getScores().getLoad());
    if (block.tilesAhead) {
      const Region &first = map.regions.front();
      Value index = b.element(first, block.ahead->head, block.ahead->firstSlot, b.i64(0));
      block.ahead->tileOffset = b.add(b.div(b.mul(index, first.bits), 8), first.offset);
    }
  }
  d.blocks.insert({op.getBlock(), block});
}

static void distribute(Distributor &d, ShareOp op) {
  BlockPages block = d.blocks.find(op.getBlock())->second;
  d.blocks.insert({op.getMine(), block});
}

static void distribute(Distributor &d, AskOp op) {
  const BlockPages &block = d.blocks.find(op.getBlock())->second;
  if (!block.tilesAhead || !op.getFrom())
    return;
  llvm::append_range(d.linesToAsk, d.linesAhead(block, d.scalar(op.getFrom()), int64_t(op.getLines())));
}

std::pair<Value, Value> Distributor::placeOfToken(const BlockPages &block, const TokenPages &where, Value first, int64_t offset) {
  int64_t inPage = block.tokensPerPage();
  if (APInt constant; matchPattern(first, m_ConstantInt(&constant))) {
    int64_t token = constant.getSExtValue() + offset;
    return {where.pages[token / inPage], b.add(where.firstSlot, token % inPage)};
  }
  Value token = b.add(first, offset);
  if (!where.list)
    return {where.pages[0], b.KernelBuilder::add(where.firstSlot, token)};
  Value page = pageInList(block, where, token);
  return {page, TokenMap(b, inPage).slotOf(token)};
}

Value Distributor::pageInList(const BlockPages &block, const TokenPages &where, Value token) {
  return b.load(b.ptr(), b.at(where.list, b.mul(TokenMap(b, block.tokensPerPage()).entryOf(token), 8)));
}

SmallVector<Value> Distributor::linesAhead(const BlockPages &block, Value byte, int64_t lines) {
  if (!lines) // the byte may be the one after the last
    return {};
  const TokenPages &where = *block.ahead;
  auto tileOn = [&](Value page) { return b.at(page, where.tileOffset); };
  int64_t bytes = block.tilesAhead->bytes;
  Value here, next;
  if (!where.list) {
    here = tileOn(where.pages[0]);
  } else {
    Value entry = b.at(where.list, b.mul(b.div(byte, bytes), 8));
    byte = b.rem(byte, bytes);
    here = tileOn(b.load(b.ptr(), entry));
    if (lines > 1)
      next = b.at(tileOn(b.load(b.ptr(), b.at(entry, 8))), -bytes);
  }
  SmallVector<Value> addresses;
  for (int64_t line = 0; line < lines; ++line) {
    Value tile = here;
    if (line && next) {
      Value isNext = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sge, byte, b.i64(bytes - line * 64));
      tile = arith::SelectOp::create(b, b.loc, isNext, next, here);
    }
    addresses.push_back(b.at(b.at(tile, byte), line * 64));
  }
  return addresses;
}

Distributor::OwnToken Distributor::ownToken(const BlockPages &block, Value token) {
  if (!block.list) {
    Value slot = b.KernelBuilder::add(block.firstSlot, token);
    // What lies past the page is masked, but must not be read outside: the page's last slot stands for it.
    return {block.pages[0], block.ragged ? b.min(slot, b.i64(block.map.slots - 1)) : slot};
  }
  Value page = pageInList(block, block, token);
  return {page, TokenMap(b, block.tokensPerPage()).slotOf(token)};
}

static const Region &parameterRegion(const PageMap &map, Stream stream, CodecParameter parameter) {
  return map.at(stream, parameter == CodecParameter::scale ? RegionRole::scale : RegionRole::zero);
}

static void distribute(Distributor &d, ReadOp op) {
  TeamBuilder &b = d.b;
  const BlockPages &block = d.blocks.find(op.getBlock())->second;
  const Region &region = parameterRegion(block.map, op.getStream(), op.getParameter());
  auto type = cast<RankedTensorType>(op.getTile().getType());
  SmallVector<Value> parts;
  if (b.threads) {
    for (const Distributor::Cell &cell : d.cells(type)) {
      Distributor::OwnToken own = d.ownToken(block, b.KernelBuilder::add(d.scalar(op.getToken()), cell.row));
      Value address = b.elementAddress(region, own.page, b.element(region, block.head, own.slot, d.scalar(op.getGroup())));
      if (region.bits == 32)
        parts.push_back(b.loadVector(b.getF32Type(), address));
      else
        parts.push_back(WidenOp::create(b, b.loc, b.getF32Type(), Element::f16, b.loadVector(b.getI16Type(), address)));
    }
    d.tiles[op.getTile()] = parts;
    return;
  }
  int64_t lanes = d.encoding(type).getLanes();
  for (int64_t c = 0; c < type.getDimSize(0); c += lanes) {
    auto locate = [&](const TokenPages &where) {
      auto [page, slot] = d.placeOfToken(block, where, d.scalar(op.getToken()), c);
      if (block.ragged) // stay inside the region: what lies past the end is masked
        slot = b.min(slot, b.i64(block.map.paddedSlots() - lanes));
      return b.elementAddress(region, page, b.element(region, where.head, slot, d.scalar(op.getGroup())));
    };
    Value address = locate(block);
    if (block.ahead && !block.tilesAhead && c % (512 / region.bits) == 0)
      b.prefetch(locate(*block.ahead));
    if (region.bits == 32)
      parts.push_back(b.loadVector(b.vec(lanes, b.getF32Type()), address));
    else
      parts.push_back(WidenOp::create(b, b.loc, b.vec(lanes, b.getF32Type()), Element::f16,
                                      b.loadVector(b.vec(lanes, b.getI16Type()), address)));
  }
  d.tiles[op.getTile()] = parts;
}

static void distribute(Distributor &d, ParameterAddressOp op) {
  TeamBuilder &b = d.b;
  PageMap map = mapPage(cast<CacheType>(op.getCache()));
  const Region &region = parameterRegion(map, op.getStream(), op.getParameter());
  Value index = b.element(region, d.scalar(op.getHead()), d.scalar(op.getSlot()), d.scalar(op.getGroup()));
  d.scalars.map(op.getAddress(), b.elementAddress(region, d.scalar(op.getPage()), index));
}

/// Stores `run` channels from `channel` on, which lie together.
static void scatterRun(Distributor &d, ScatterOp op, const Region &region, int64_t run, Value channel) {
  TeamBuilder &b = d.b;
  Value index = b.element(region, d.scalar(op.getHead()), d.scalar(op.getSlot()), channel);
  Value address = b.elementAddress(region, d.scalar(op.getPage()), index);
  Value source = b.at(d.scalar(op.getBits()), b.mul(channel, 4));
  if (region.bits >= 8) {
    auto several = [&](Type element) { return run > 1 ? Type(VectorType::get({run}, element)) : element; };
    Value bits = b.loadVector(several(b.getI32Type()), source);
    if (region.bits < 32)
      bits = arith::TruncIOp::create(b, b.loc, several(b.getIntegerType(region.bits)), bits);
    b.storeVector(bits, address);
    return;
  }
  Value low = b.andBits(b.load(b.getI32Type(), source), 15);
  if (run > 1) { // two channels share a byte
    for (int64_t i = 0; i < run; i += 2) {
      Value first = i ? b.andBits(b.load(b.getI32Type(), b.at(source, i * 4)), 15) : low;
      Value second = b.shl(b.andBits(b.load(b.getI32Type(), b.at(source, i * 4 + 4)), 15), 4);
      Value byte = arith::TruncIOp::create(b, b.loc, b.getI8Type(), arith::OrIOp::create(b, b.loc, first, second));
      b.storeVector(byte, b.at(address, i / 2));
    }
    return;
  }
  // The other half of the byte belongs to another token or channel.
  Value shift = b.toI32(b.mul(b.rem(index, 2), 4));
  Value kept = arith::ExtUIOp::create(b, b.loc, b.getI32Type(), b.loadVector(b.getI8Type(), address));
  Value hole = b.xorBits(arith::ShLIOp::create(b, b.loc, b.i32(15), shift), -1);
  Value other = arith::AndIOp::create(b, b.loc, kept, hole), own = arith::ShLIOp::create(b, b.loc, low, shift);
  Value byte = arith::OrIOp::create(b, b.loc, other, own);
  b.storeVector(arith::TruncIOp::create(b, b.loc, b.getI8Type(), byte), address);
}

/// Channels that lie together are stored together; the loop over them is rolled, append is not bound by it.
static void distribute(Distributor &d, ScatterOp op) {
  TeamBuilder &b = d.b;
  auto cache = cast<CacheType>(op.getCache());
  PageMap map = mapPage(cache);
  const Region &region = map.codes(op.getStream());
  int64_t dim = cache.getDim(op.getStream());
  const Axis &fastest = region.axes.back();
  int64_t run = 1; // consecutive channels in consecutive elements
  if (fastest.digit.coordinate == 'd' && fastest.digit.divisor == 1)
    while (run < 16 && fastest.extent % (run * 2) == 0 && dim % (run * 2) == 0)
      run *= 2;
  // Channels that share a byte are one thread's.
  int64_t own = region.bits < 8 && fastest.digit.coordinate == 'd' ? std::max(run, 2 * fastest.digit.divisor) : run;
  auto storeRun = [&](Value channel) { scatterRun(d, op, region, run, channel); };
  if (!b.threads)
    return b.loop(0, dim, run, storeRun);
  b.loop(0, dim, own * b.threads, [&](Value first) {
    Value begin = b.KernelBuilder::add(first, b.mul(b.lane(), own)), end = b.add(begin, own), all = b.i64(dim);
    b.loop(begin, b.min(end, all), run, storeRun);
  });
}

void attachCacheModels(MLIRContext *context) {
  attachModel<AcquireOp, distribute, memoryOf>(context);
  attachModel<ShareOp, distribute>(context);
  attachModel<AskOp, distribute>(context);
  attachModel<ReadOp, distribute, memoryOf>(context);
  attachModel<ParameterAddressOp, distribute>(context);
  attachModel<ScatterOp, distribute, readsTeam>(context);
}

} // namespace kv
