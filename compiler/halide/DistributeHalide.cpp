// kv.attend_rows and kv.store_token as calls: their arguments are halide_buffer_t, of which a function without bounds queries reads
// where the data are.
#include "compiler/distribute/Distributor.h"
#include "compiler/halide/HalideBuffer.h"
#include "compiler/halide/Passes.h"

using namespace mlir;

namespace kv {

/// Where the data of a buffer are.
static Value halideBuffer(Distributor &d, Value data) {
  TeamBuilder &b = d.b;
  Value buffer = d.allocate(halideBufferBytes);
  b.store(data, b.at(buffer, halideHostOffset));
  return buffer;
}

static void distribute(Distributor &d, StoreTokenOp op) {
  TeamBuilder &b = d.b;
  auto cache = cast<CacheType>(op.getCache());
  PageMap map = mapPage(cache);
  SmallVector<Value> arguments = {halideBuffer(d, d.homeAddress(op.getToken())), b.toI32(d.scalar(op.getHead())),
                                  b.toI32(d.scalar(op.getSlot()))};
  for (const Region &region : map.of(op.getStream()))
    arguments.push_back(halideBuffer(d, b.at(d.scalar(op.getPage()), region.offset)));
  func::CallOp::create(b, b.loc, op.getFunctionAttr(), {b.getI32Type()}, arguments);
}

static void distribute(Distributor &d, AttendRowsOp op) {
  TeamBuilder &b = d.b;
  const BlockPages &block = d.blocks.find(op.getBlock())->second;
  SmallVector<Value> arguments;
  auto pass = [&](Value data) { arguments.push_back(halideBuffer(d, data)); };
  auto row = [&](Value home) { return d.rowAddress(home, d.scalar(op.getRow())); };
  auto first = [&](Value home) { return d.homeAddress(home); };
  pass(row(op.getQueries()));
  pass(first(op.getLimits()));
  for (Value home : op.getRounding())
    pass(row(home));
  if (op.getRest())
    pass(row(op.getRest()));
  for (Value home : op.getKnown())
    pass(first(home));
  // Several pages are found by where they are from the cache's start; one is what the others are relative to.
  bool several = block.pages.size() > 1;
  Value start = several ? b.read(StepField::pages) : block.pages[0];
  for (Stream stream : allStreams)
    for (const Region &region : block.map.of(stream))
      pass(b.at(start, region.offset));
  if (several) {
    Value table = d.allocate(int64_t(block.pages.size()) * 8);
    auto address = [&](Value pointer) { return LLVM::PtrToIntOp::create(b, b.loc, b.getI64Type(), pointer); };
    for (auto [i, page] : llvm::enumerate(block.pages)) {
      Value to = address(page), from = address(start);
      Value units = b.div(b.sub(to, from), 64), entry = b.at(table, int64_t(i) * 8);
      b.store(b.toI32(b.rem(units, 1 << 16)), entry);
      Value high = b.toI32(b.div(units, 1 << 16));
      b.store(high, b.at(entry, 4));
    }
    pass(table);
  }
  pass(row(op.getMaximum()));
  pass(row(op.getSum()));
  arguments.push_back(b.toI32(d.scalar(op.getCount())));
  arguments.push_back(b.toI32(block.head));
  arguments.push_back(b.toI32(b.div(block.firstSlot, block.tokens)));
  if (Value refined = op.getRefined())
    arguments.push_back(arith::ExtUIOp::create(b, b.loc, b.getI32Type(), d.scalar(refined)));
  if (Value token = op.getToken())
    arguments.push_back(b.toI32(d.scalar(token)));
  if (block.ahead && block.tilesAhead) {
    Value starts = d.allocate(int64_t(block.ahead->pages.size()) * 8);
    for (auto [i, page] : llvm::enumerate(block.ahead->pages)) {
      Value tile = b.at(page, block.ahead->tileOffset);
      b.store(tile, b.at(starts, int64_t(i) * 8));
    }
    pass(starts);
  }
  pass(first(op.getNewMaximum()));
  pass(first(op.getNewSum()));
  pass(row(op.getAccumulator()));
  func::CallOp::create(b, b.loc, op.getFunctionAttr(), {b.getI32Type()}, arguments);
}

void registerHalideModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, KvDialect *) {
    attachModel<AttendRowsOp, distribute, writesTeam>(context);
    attachModel<StoreTokenOp, distribute, writesTeam>(context);
  });
}

} // namespace kv
