// Products of several row tiles that share a block -> products of codes that are decoded once a block, ahead of the tiles, where
// the schedule says so.
//
//   scf.for %row .. {                            scf.for .. { kv.store (kv.decode key of %b ..) to %keys }
//     %mine = kv.share %b row %row ..            scf.for %row .. {
//     %s = kv.product %q[..], key of %mine   ->    %mine = kv.share %b row %row ..
//   }                                              %s = kv.multiply %q[..], %keys[..] of %mine
//                                                }
//
// The scratch holds slice after slice of tokens, or channels, as many as a product's result has columns: a row for each z.
#include "compiler/online/BlockAttend.h"
#include "compiler/online/Passes.h"
#include "compiler/schedule/StreamAccess.h"

using namespace mlir;

namespace kv {
namespace {

struct HoistDecode : PassWrapper<HoistDecode, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(HoistDecode)
  StringRef getArgument() const final { return "kv-hoist-decode"; }
  StringRef getDescription() const final { return "decode what several row tiles multiply once a block"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<scf::SCFDialect, arith::ArithDialect>(); }

  void runOnOperation() override {
    schedule = getOperation()->getAttrOfType<ScheduleAttr>("kv.schedule");
    homes.clear();
    SmallVector<ShareOp> shares;
    getOperation().walk([&](ShareOp op) { shares.push_back(op); });
    for (ShareOp share : shares) {
      SmallVector<ProductOp> products;
      for (Operation *user : share.getMine().getUsers())
        if (auto product = dyn_cast<ProductOp>(user); product && schedule.plan(product.getContract()).getDecode() == Decoding::once)
          products.push_back(product);
      if (products.empty())
        continue;
      auto acquire = share.getBlock().getDefiningOp<AcquireOp>();
      if (!acquire || !isa<scf::ForOp>(share->getParentOp())) {
        share.emitOpError() << "expected a block that is acquired, and the loop over row tiles around it";
        return signalPassFailure();
      }
      decodeAhead(share, acquire, products);
      for (ProductOp product : products)
        multiply(product);
    }
  }

private:
  ScheduleAttr schedule;
  std::map<Contract, Value> homes; ///< scratch of the function, for what a product contracts

  static int64_t columnsOf(ProductOp product) { return cast<RankedTensorType>(product.getTile().getType()).getDimSize(1); }
  /// How long the contraction is, of all that the block has.
  static int64_t lengthOf(ProductOp product) {
    BlockType block = product.getBlock().getType();
    return product.getContract() == Contract::d ? block.getCache().getDim(product.getStream()) : block.getTokens();
  }

  void decodeAhead(ShareOp share, AcquireOp acquire, ArrayRef<ProductOp> products) {
    KernelBuilder b(getOperation());
    b.loc = share.getLoc();
    b.setInsertionPoint(share->getParentOp());
    auto decode = [&] {
      std::map<Contract, ProductOp> one; // of each contraction
      for (ProductOp product : products)
        one[product.getContract()] = product;
      for (auto [contract, product] : one)
        contract == Contract::d ? decodeTokens(b, acquire, product) : decodeChannels(b, acquire, product);
    };
    if (!share.getAlone())
      return decode();
    b.ifElse(
        share.getAlone(), [] {}, decode);
  }

  /// Scratch for the codes that a product takes, of `slices` slices.
  Value homeOf(KernelBuilder &b, ProductOp product, StringRef name, int64_t slices) {
    Value &home = homes[product.getContract()];
    if (!home)
      addScratch(b, [&] { home = b.scratch(name, slices * lengthOf(product), columnsOf(product), b.getF32Type()); });
    return home;
  }
  int64_t depthOf(ProductOp product) const {
    return loadDepth(schedule.plan(product.getContract()).getLoad(), schedule.getTeam().getLanes());
  }

  /// Decodes all channels of every token that a block has room for.
  void decodeTokens(KernelBuilder &b, AcquireOp acquire, ProductOp product) {
    int64_t lanes = schedule.getTeam().getLanes(), tokens = acquire.getBlock().getType().getTokens();
    int64_t columns = columnsOf(product), channels = lengthOf(product), depth = depthOf(product);
    int64_t width = depth > 4 ? lanes : columns; // what the registers hold of so many loads
    Value home = homeOf(b, product, "keys", tokens / columns);
    Value zero = b.i64(0), endOfTokens = b.i64(tokens), endOfChannels = b.i64(channels);
    b.loop(zero, endOfTokens, width, [&](Value x) {
      Value first = b.mul(b.div(x, columns), channels);
      Value column = b.rem(x, columns);
      b.loop(zero, endOfChannels, depth, [&](Value z) {
        Value codes = decode(b, acquire, product, {depth, width}, z, x);
        Value row = b.add(first, z);
        b.put(codes, home, row, column);
      });
    });
  }

  /// Decodes all channels of the tokens that the block has.
  void decodeChannels(KernelBuilder &b, AcquireOp acquire, ProductOp product) {
    int64_t columns = columnsOf(product), tokens = lengthOf(product), depth = depthOf(product);
    int64_t slices = acquire.getBlock().getType().getCache().getDim(product.getStream()) / columns;
    Value home = homeOf(b, product, "values", slices);
    Value zero = b.i64(0), endOfSlices = b.i64(slices);
    b.loop(zero, acquire.getCount(), depth, [&](Value z) {
      b.loop(zero, endOfSlices, 1, [&](Value slice) {
        Value codes = decode(b, acquire, product, {depth, columns}, z, b.mul(slice, columns));
        Value row = b.add(b.mul(slice, tokens), z);
        b.put(codes, home, row, zero);
      });
    });
  }

  Value decode(KernelBuilder &b, AcquireOp acquire, ProductOp product, ArrayRef<int64_t> shape, Value z, Value x) {
    return DecodeOp::create(b, b.loc, b.tileF32(shape), acquire.getBlock(), product.getStream(), product.getContract(), z, x);
  }

  void multiply(ProductOp op) {
    KernelBuilder b(getOperation());
    b.loc = op.getLoc();
    b.setInsertionPoint(op);
    Value first = b.mul(b.div(op.getX(), columnsOf(op)), lengthOf(op));
    auto multiply = MultiplyOp::create(b, b.loc, op.getTile().getType(), op.getRows(), op.getRow(), homes[op.getContract()], first,
                                       op.getBlock(), op.getContract(), op.getZBegin(), op.getZEnd(), elementsOfDecoded,
                                       op.getInit(), op.getLimits(), op.getStarts(), op.getAsk(), op.getLines());
    op.replaceAllUsesWith(multiply.getTile());
    op.erase();
  }
};

} // namespace

std::unique_ptr<Pass> createHoistDecodePass() { return std::make_unique<HoistDecode>(); }

} // namespace kv
