// Blocks of the cache, their codes and parameters, and the places of new tokens.
#include "compiler/interpret/Frame.h"
#include "compiler/reference/codecs/Scalar.h"

using namespace mlir;

namespace kv::tiles {

/// The page table of a staged block: its one page is the first.
static const int32_t firstPage = 0;

static llvm::Error runAcquire(Frame &frame, AcquireOp op) {
  BlockType type = op.getBlock().getType();
  const CacheReader &reader = frame.reader(type.getCache());
  BlockData block;
  block.cache = type.getCache();
  block.count = frame.integer(op.getCount());
  block.pages = frame.address(op.getPages());
  block.stride = frame.integer(op.getStride());
  block.table = reinterpret_cast<const int32_t *>(frame.address(op.getTable()));
  block.head = frame.integer(op.getHead());
  block.token = frame.integer(op.getToken());
  if (block.count < 1 || block.count > type.getTokens())
    return fail(op, "{} tokens are no block of {}", block.count, type.getTokens());
  if (block.head < 0 || block.head >= block.cache.getHeads() || block.token < 0)
    return fail(op, "head {}, token {} are in no page", block.head, block.token);
  for (int64_t token = 0; token < block.count; ++token) {
    const kv_place place = reader.placeOf(block.token + token);
    if (token && place.slot)
      continue;
    const int32_t *entry = block.table + place.entry;
    if (!frame.allows(entry, sizeof(int32_t), /*writes=*/false))
      return fail(op, "the page of token {} is outside the table", block.token + token);
    if (!frame.allows(block.pages + *entry * block.stride, reader.map.bytes, /*writes=*/false))
      return fail(op, "page {} of token {} is none of the cache", *entry, block.token + token);
  }
  frame.set(op.getBlock(), block);
  return llvm::Error::success();
}

static llvm::Error runShare(Frame &frame, ShareOp op) {
  frame.set(op.getMine(), frame.block(op.getBlock()));
  return llvm::Error::success();
}

//===- staging ---------------------------------------------------------------------------------------------------------------===//

static llvm::Expected<StagedBlock *> slotOf(Frame &frame, Operation *op, mlir::Value ring, mlir::Value slot) {
  HomeData &home = frame.home(ring);
  const int64_t number = frame.integer(slot);
  if (number < 0 || number >= int64_t(home.ring.size()))
    return fail(op, "slot {} is outside `{}`, which has {}", number, home.name, home.ring.size());
  return &home.ring[size_t(number)];
}

/// Copies at once; the slot knows the group of copies that says when it may be read.
static llvm::Error runStage(Frame &frame, StageOp op) {
  llvm::Expected<StagedBlock *> slot = slotOf(frame, op, op.getRing(), op.getSlot());
  if (!slot)
    return slot.takeError();
  const BlockData &block = frame.block(op.getBlock());
  StagedBlock &staged = **slot;
  staged.cache = stagedCache(block.cache, op.getBlock().getType().getTokens());
  staged.count = block.count;
  staged.group = frame.groups + 1;
  const CacheReader &from = frame.reader(block.cache), &to = frame.reader(staged.cache);
  staged.page.assign(size_t(to.map.bytes), 0xff);
  for (int64_t token = 0; token < block.count; ++token) {
    const CacheReader::Place place = from.find(block, token);
    auto copy = [&](const Places &source, const Places &target, int64_t channels) {
      for (int64_t d = 0; d < channels; ++d)
        target.store(staged.page.data(), 0, token, d, source.load(place.page, block.head, place.slot, d));
    };
    for (Stream stream : allStreams) {
      copy(from.codes(stream), to.codes(stream), block.cache.getDim(stream));
      for (CodecParameter parameter : {CodecParameter::scale, CodecParameter::zero})
        if (block.cache.getCodec(stream).has(parameter))
          copy(from.parameters(stream, parameter), to.parameters(stream, parameter), block.cache.getGroups(stream));
    }
  }
  return llvm::Error::success();
}

static llvm::Error runStaged(Frame &frame, StagedOp op) {
  llvm::Expected<StagedBlock *> slot = slotOf(frame, op, op.getRing(), op.getSlot());
  if (!slot)
    return slot.takeError();
  StagedBlock &staged = **slot;
  if (staged.group == 0)
    return fail(op, "nothing was copied into slot {}", frame.integer(op.getSlot()));
  if (staged.group > frame.groups - int64_t(op.getPending()))
    return fail(op, "slot {} is still on its way", frame.integer(op.getSlot()));
  if (staged.cache != op.getBlock().getType().getCache())
    return fail(op, "slot {} has a block of another cache", frame.integer(op.getSlot()));
  BlockData block;
  block.cache = staged.cache;
  block.count = staged.count;
  block.pages = staged.page.data();
  block.table = &firstPage;
  frame.set(op.getBlock(), block);
  return llvm::Error::success();
}

static llvm::Error runCommit(Frame &frame, CommitOp) {
  ++frame.groups;
  return llvm::Error::success();
}

//===- codes -----------------------------------------------------------------------------------------------------------------===//

static llvm::Error runRead(Frame &frame, ReadOp op) {
  const BlockData &block = frame.block(op.getBlock());
  const CacheReader &reader = frame.reader(block.cache);
  const int64_t first = frame.integer(op.getToken()), group = frame.integer(op.getGroup());
  Data tile = Data::ofFloats(cast<RankedTensorType>(op.getTile().getType()).getShape());
  if (first < 0 || first + tile.rows() > op.getBlock().getType().getTokens())
    return fail(op, "tokens {} to {} are outside the block", first, first + tile.rows());
  if (group < 0 || group >= block.cache.getGroups(op.getStream()))
    return fail(op, "there is no group {}", group);
  for (int64_t t = 0; t < tile.rows(); ++t)
    tile.floats[size_t(t)] = reader.parameter(block, op.getStream(), op.getParameter(), first + t, group);
  frame.set(op.getTile(), std::move(tile));
  return llvm::Error::success();
}

static llvm::Error runDecode(Frame &frame, DecodeOp op) {
  const BlockData &block = frame.block(op.getBlock());
  const CacheReader &reader = frame.reader(block.cache);
  const int64_t z = frame.integer(op.getZ()), x = frame.integer(op.getX());
  Data tile = Data::ofFloats(cast<RankedTensorType>(op.getTile().getType()).getShape());
  const bool overChannels = op.getContract() == Contract::d;
  const int64_t tokens = op.getBlock().getType().getTokens(), channels = block.cache.getDim(op.getStream());
  if (z < 0 || x < 0 || z + tile.rows() > (overChannels ? channels : tokens) ||
      x + tile.columns() > (overChannels ? tokens : channels))
    return fail(op, "elements from {}, {} on are outside the block", z, x);
  for (int64_t i = 0; i < tile.rows(); ++i)
    for (int64_t j = 0; j < tile.columns(); ++j)
      tile.floats[size_t(i * tile.columns() + j)] =
          overChannels ? reader.number(block, op.getStream(), x + j, z + i) : reader.number(block, op.getStream(), z + i, x + j);
  frame.set(op.getTile(), std::move(tile));
  return llvm::Error::success();
}

//===- new tokens ------------------------------------------------------------------------------------------------------------===//

/// Says why a token's elements have no place in a page, or nothing.
static llvm::Error checkPlace(Frame &frame, Operation *op, const CacheReader &reader, Address page, int64_t head, int64_t slot) {
  if (head < 0 || head >= reader.cache.getHeads() || slot < 0 || slot >= reader.map.slots)
    return fail(op, "head {}, slot {} are outside a page", head, slot);
  if (!frame.allows(page, reader.map.bytes, /*writes=*/true))
    return fail(op, "the page is none of the cache");
  return llvm::Error::success();
}

static llvm::Error runEncode(Frame &frame, EncodeOp op) {
  const Data &source = frame.data(op.getSource());
  Data stored = Data::ofIntegers(source.shape);
  for (size_t i = 0; i < source.count(); ++i)
    stored.integers[i] = int32_t(encodeScalar(op.getElement(), source.floats[i]));
  frame.set(op.getTile(), std::move(stored));
  return llvm::Error::success();
}

static llvm::Error runScatter(Frame &frame, ScatterOp op) {
  const CacheReader &reader = frame.reader(cast<CacheType>(op.getCache()));
  const int64_t head = frame.integer(op.getHead()), slot = frame.integer(op.getSlot());
  const Address page = frame.address(op.getPage());
  if (llvm::Error error = checkPlace(frame, op, reader, page, head, slot))
    return error;
  const HomeData &bits = frame.home(op.getBits());
  for (int64_t d = 0; d < reader.cache.getDim(op.getStream()); ++d) {
    if (!bits.known[size_t(d)])
      return fail(op, "nothing has written channel {} of `{}`", d, bits.name);
    reader.codes(op.getStream()).store(page, head, slot, d, uint32_t(bits.cells.integers[size_t(d)]));
  }
  return llvm::Error::success();
}

static llvm::Error runParameterAddress(Frame &frame, ParameterAddressOp op) {
  const CacheReader &reader = frame.reader(cast<CacheType>(op.getCache()));
  const int64_t head = frame.integer(op.getHead()), slot = frame.integer(op.getSlot()), group = frame.integer(op.getGroup());
  const Address page = frame.address(op.getPage());
  if (llvm::Error error = checkPlace(frame, op, reader, page, head, slot))
    return error;
  if (group < 0 || group >= reader.cache.getGroups(op.getStream()))
    return fail(op, "there is no group {}", group);
  frame.set(op.getAddress(), page + reader.parameters(op.getStream(), op.getParameter()).byte(head, slot, group));
  return llvm::Error::success();
}

static llvm::Error runNothing(Frame &, Operation *) { return llvm::Error::success(); }

void addCacheOps(Table &table) {
  table.add<AcquireOp>(runAcquire);
  table.add<ShareOp>(runShare);
  table.add<StageOp>(runStage);
  table.add<StagedOp>(runStaged);
  table.add<CommitOp>(runCommit);
  table.add<ReadOp>(runRead);
  table.add<DecodeOp>(runDecode);
  table.add<EncodeOp>(runEncode);
  table.add<ScatterOp>(runScatter);
  table.add<ParameterAddressOp>(runParameterAddress);
  table.addGeneric<AskOp>(runNothing);
  table.addGeneric<AwaitOp>(runNothing); // kv.staged checks what has come
  table.addGeneric<BarrierOp>(runNothing);
}

} // namespace kv::tiles
