// Products of values -> products of numbers, with scales and zeros outside. A codec's algebra (codecs/CodecFamily.h) says
// value = zero + scale * number.
//
//   scores, which contract channels:   add over runs of channels of  (q . numbers) * scale + zero' * (add q)
//   sums, which contract tokens:       (p * scale) . numbers + add p * zero'
//
// where zero' is what number 0 stands for. What a product keeps multiplies its results; what it sums multiplies its rows, before
// they are rounded (kv.weigh).
#include "compiler/codecs/CodecFamily.h"
#include "compiler/online/BlockAttend.h"
#include "compiler/online/Passes.h"
#include "compiler/online/RowNumbers.h"
#include "compiler/schedule/StreamAccess.h"
#include "dialect/DotRecord.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace kv {

bool isZeroTile(Value tile) {
  auto spread = tile.getDefiningOp<SpreadOp>();
  return spread && (matchPattern(spread.getSource(), m_AnyZeroFloat()) || matchPattern(spread.getSource(), m_Zero()));
}

namespace {

class Folder {
public:
  explicit Folder(func::FuncOp func) : b(func), schedule(func->getAttrOfType<ScheduleAttr>("kv.schedule")) {}

  LogicalResult fold(WeighOp op);
  LogicalResult fold(ProductOp op);

private:
  KernelBuilder b;
  const ScheduleAttr schedule;
  RowNumbers biases{b, "bias", b.getF32Type()}; ///< what zeros add to sums

  void start(Operation *op) {
    b.loc = op->getLoc();
    b.setInsertionPoint(op);
  }
  double liftOf(CodecAttr codec, Stream stream);
  Value middleOf(CodecAttr codec, Value zeroTile, Value scaleTile);
  LogicalResult foldOverTokens(ProductOp op);
  LogicalResult foldOverChannels(ProductOp op);
  Value readAgain(Value value);
  Value multiplyRun(ProductOp op, Value run, int64_t width);
};

/// Weights that are rounded to integers are lifted by this, so that those of scales near the least numbers of f32 have inverses
/// too.
double Folder::liftOf(CodecAttr codec, Stream stream) {
  bool isRounded = isIntegerDot(schedule.plan(StreamRef(stream).contract).getDot());
  return codec.getScale() == Element::f32 && isRounded ? 0x1p24 : 1;
}

/// What number 0 of a group with a zero stands for: zero + scale * middle.
Value Folder::middleOf(CodecAttr codec, Value zeroTile, Value scaleTile) {
  Value middle = b.spreadLike(b.f32(familyOf(codec).middle(codec)), scaleTile);
  return b.addf(zeroTile, b.mulf(scaleTile, middle));
}

LogicalResult Folder::fold(WeighOp op) {
  CodecAttr codec = op.getBlock().getType().getCache().getCodec(op.getStream());
  if (!codec.hasScale()) {
    op.replaceAllUsesWith(op.getProbabilities());
    op.erase();
    return success();
  }
  auto operands = op.getWeights().front().hasOneUse() ? dyn_cast<OperandsOp>(*op.getWeights().front().user_begin()) : OperandsOp();
  if (!operands || operands.getTiles() != op.getWeights())
    return op.emitOpError() << "expected one kv.operands that takes the weights";
  start(op);
  RankedTensorType type = typeOf(op.getProbabilities().front());
  int64_t width = type.getDimSize(1);
  double lift = liftOf(codec, op.getStream());
  Value bias;
  SmallVector<Value> weighted, masks = masksBetween(b, type, int64_t(op.getWeights().size()), op.getBegin(), op.getEnd());
  for (auto [i, p] : llvm::enumerate(op.getProbabilities())) {
    auto read = [&, i = int64_t(i)](CodecParameter parameter) -> Value {
      Value read =
          ReadOp::create(b, b.loc, b.tileF32({width}), op.getBlock(), op.getStream(), parameter, b.i64(i * width), op.getGroup());
      return b.spread(read, 1, type);
    };
    auto weigh = [&, i = i, p = p](Value by) -> Value {
      Value product = b.mulf(p, by);
      if (!masks[i])
        return product;
      // What lies past the end may be anything: 0 * NaN is NaN.
      return arith::SelectOp::create(b, b.loc, masks[i], product, b.spreadLike(b.f32(0), product));
    };
    Value scale = read(CodecParameter::scale), lifted = scale;
    if (lift != 1)
      lifted = b.mulf(scale, b.spreadLike(b.f32(lift), scale));
    weighted.push_back(weigh(lifted));
    if (codec.hasZero()) {
      Value middle = weigh(middleOf(codec, read(CodecParameter::zero), scale));
      bias = bias ? b.addf(bias, middle) : middle;
    }
  }
  if (bias)
    biases.put(operands, ReduceOp::create(b, b.loc, b.tileF32({type.getDimSize(0)}), Reduction::add, bias));
  operands.setLift(APFloat(lift));
  op.replaceAllUsesWith(weighted);
  op.erase();
  return success();
}

LogicalResult Folder::fold(ProductOp op) {
  start(op);
  return op.getContract() == Contract::t ? foldOverTokens(op) : foldOverChannels(op);
}

/// Where numbers are finite, and so their weights, limits and starts are of no use: what rows do not see has weight 0.
LogicalResult Folder::foldOverTokens(ProductOp op) {
  CodecAttr codec = op.getBlock().getType().getCache().getCodec(op.getStream());
  Value bias = biases.get(op);
  if (codec.hasZero() && !bias)
    return op.emitOpError() << "expected rows of kv.operands that takes weights of kv.weigh: the codec has zeros";
  if (!familyOf(codec).mayBeNan()) {
    op.getLimitsMutable().clear();
    op.getStartsMutable().clear();
  }
  op.setForm(Form::numbers);
  if (bias)
    op.getInitMutable().assign(b.addf(op.getInit(), b.spread(bias, 0, typeOf(op.getInit()))));
  return success();
}

/// Runs of channels that share a scale or, where there are more sums of rows than such, a sum.
LogicalResult Folder::foldOverChannels(ProductOp op) {
  CacheType cache = op.getBlock().getType().getCache();
  CodecAttr codec = cache.getCodec(op.getStream());
  if (!codec.hasScale()) {
    op.setForm(Form::numbers);
    return success();
  }
  if (codec.hasZero() && !op.getSums())
    return op.emitOpError() << "expected `sums` of the rows: the codec has zeros";
  int64_t dim = cache.getDim(op.getStream()), width = cache.getRun(op.getStream());
  if (op.getSums())
    width = dim * cast<MemRefType>(op.getRows().getType()).getDimSize(0) / cast<MemRefType>(op.getSums().getType()).getDimSize(0);
  Value result;
  if (dim == width) {
    Value sum = multiplyRun(op, b.i64(0), width);
    result = isZeroTile(op.getInit()) ? sum : b.addf(op.getInit(), sum);
  } else {
    Value first = b.i64(0), end = b.i64(dim / width);
    result = b.loop(first, end, 1, {op.getInit()}, [&](Value run, ValueRange sum) -> SmallVector<Value> {
      return {b.addf(sum[0], multiplyRun(op, run, width))};
    })[0];
  }
  op.replaceAllUsesWith(result);
  op.erase();
  return success();
}

/// What is read from scratch, once more: kept, it would take a register from the loops of all runs.
Value Folder::readAgain(Value value) {
  Operation *op = value.getDefiningOp();
  if (!isa_and_nonnull<FetchOp, RowOp, arith::CmpIOp>(op))
    return value;
  IRMapping mapping;
  for (Value operand : op->getOperands())
    mapping.map(operand, readAgain(operand));
  return b.clone(*op, mapping)->getResult(0);
}

/// The sum over a run of channels of q * (zero' + number * scale).
Value Folder::multiplyRun(ProductOp op, Value run, int64_t width) {
  CodecAttr codec = op.getBlock().getType().getCache().getCodec(op.getStream());
  RankedTensorType type = typeOf(op.getTile());
  Value group = b.div(run, codec.getGroup() / width), begin = b.mul(run, width), none = b.spread(b.f32(0), 0, type), firstSum;
  if (op.getSums()) {
    Value ofRun = b.mul(run, cast<MemRefType>(op.getRows().getType()).getDimSize(0));
    firstSum = b.add(ofRun, op.getFirstSum());
  }
  auto product = cast<ProductOp>(b.clone(*op));
  product.setForm(Form::numbers);
  product.getInitMutable().assign(none);
  product.getZBeginMutable().assign(begin);
  product.getZEndMutable().assign(b.end(begin, width));
  if (firstSum)
    product.getFirstSumMutable().assign(firstSum);
  if (op.getRefined())
    product.getRefinedMutable().assign(readAgain(op.getRefined()));
  product->moveBefore(b.getInsertionBlock(), b.getInsertionPoint());
  auto read = [&](CodecParameter parameter) -> Value {
    Value read =
        ReadOp::create(b, b.loc, b.tileF32({type.getDimSize(1)}), op.getBlock(), op.getStream(), parameter, op.getX(), group);
    return b.spread(read, 1, type);
  };
  Value s = b.mulf(product.getTile(), read(CodecParameter::scale));
  if (!codec.hasZero())
    return s;
  Value zeros = read(CodecParameter::zero), scales = read(CodecParameter::scale);
  Value middle = middleOf(codec, zeros, scales);
  Value sum = b.fetch(op.getSums(), firstSum, {type.getDimSize(0)});
  return b.addf(s, b.mulf(middle, b.spread(sum, 0, type)));
}

struct FoldScales : PassWrapper<FoldScales, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FoldScales)
  StringRef getArgument() const final { return "kv-fold-scales"; }
  StringRef getDescription() const final { return "products of values become products of numbers, scales and zeros outside"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<scf::SCFDialect, arith::ArithDialect>(); }

  void runOnOperation() override {
    SmallVector<WeighOp> weighs;
    SmallVector<ProductOp> products;
    getOperation().walk([&](Operation *op) {
      if (auto weigh = dyn_cast<WeighOp>(op))
        weighs.push_back(weigh);
      else if (auto product = dyn_cast<ProductOp>(op); product && product.getForm() == Form::values)
        products.push_back(product);
    });
    if (weighs.empty() && products.empty())
      return;
    Folder folder(getOperation());
    for (WeighOp op : weighs)
      if (failed(folder.fold(op)))
        return signalPassFailure();
    for (ProductOp op : products)
      if (failed(folder.fold(op)))
        return signalPassFailure();
  }
};

} // namespace

std::unique_ptr<Pass> createFoldScalesPass() { return std::make_unique<FoldScales>(); }

} // namespace kv
