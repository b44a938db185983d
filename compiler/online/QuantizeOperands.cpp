// Row operands of f32 and products of numbers -> what the dot record multiplies.
//
//   kv.operands %w0, %w1 to %p[%r]                      kv.pack (w * levels / greatest) to %p8[%r, ..]    of each tile
//   %s = kv.product %p[..], value s8u8 as numbers  ->   %u = kv.product %p8[..], value s8u8 .. init %start : i32
//        init %i                                        %s = fma (sitofp %u), %unit, %i
//
// A rounded row is relative to its greatest: one of its operands is worth `unit`. Codes are numbers with a shift, times a factor
// (OperandForm, codecs/CodecFamily.h): their sums begin at what the shift adds, -shift * factor * the sum of the row's operands.
// Rows of records of f32 stay as they are.
#include "compiler/codecs/CodecFamily.h"
#include "compiler/online/BlockAttend.h"
#include "compiler/online/Passes.h"
#include "compiler/online/RowNumbers.h"
#include "compiler/schedule/RowTiles.h"
#include "compiler/schedule/StreamAccess.h"
#include "dialect/DotRecord.h"

using namespace mlir;

namespace kv {
namespace {

class Quantizer {
public:
  explicit Quantizer(func::FuncOp func) : b(func), schedule(func->getAttrOfType<ScheduleAttr>("kv.schedule")) {}

  void quantize(OperandsOp op);
  LogicalResult quantize(ProductOp op);

private:
  KernelBuilder b;
  const ScheduleAttr schedule;
  RowNumbers units{b, "pscale", b.getF32Type()};  ///< what one operand of a rounded row is worth
  RowNumbers starts{b, "pstart", b.getI32Type()}; ///< what the shift of codes adds to sums, negative

  void start(Operation *op) {
    b.loc = op->getLoc();
    b.setInsertionPoint(op);
  }
  Dot dotOf(Stream stream) { return schedule.plan(StreamRef(stream).contract).getDot(); }
  Value shiftOf(ProductOp op);
  void placeHere(Value value);
};

/// Puts each tile at its columns; where the record rounds rows, rounded to what it multiplies.
void Quantizer::quantize(OperandsOp op) {
  start(op);
  Dot dot = dotOf(op.getStream());
  RankedTensorType type = typeOf(op.getTiles().front());
  int64_t rows = type.getDimSize(0), width = type.getDimSize(1);
  auto cache = cast<CacheType>(op.getCache());
  auto columnOf = [&](size_t tile) { return b.i64(int64_t(tile) * width); };
  if (!roundsRows(dot)) {
    for (auto [i, tile] : llvm::enumerate(op.getTiles()))
      b.put(tile, op.getHome(), op.getRow(), columnOf(i));
    return;
  }
  CodecAttr codec = cache.getCodec(op.getStream());
  OperandForm form = familyOf(codec).operandForm(codec, dot);
  double levels = double(rowLevels(dot, schedule.getBlock().getTokens()));
  RankedTensorType perRow = b.tileF32({rows}), integers = perRow.clone(b.getI32Type());
  auto splat = [&](double value) { return b.spread(b.f32(value), 0, perRow); };
  // Numbers that are not negative are ordered as their bits are, and NaN is the greatest of them.
  Value bits = b.bitsOf(op.getTiles().front());
  for (Value tile : op.getTiles().drop_front())
    bits = arith::MaxUIOp::create(b, b.loc, b.bitsOf(tile), bits);
  bits = ReduceOp::create(b, b.loc, integers, Reduction::umax, bits);
  Value greatest = arith::BitcastOp::create(b, b.loc, perRow, bits);
  double unit = 1 / levels / double(form.factor) / op.getLift().convertToDouble();
  Value scale = b.mulf(greatest, splat(unit)), check = b.mulf(greatest, splat(0)); // NaN of infinity
  Value checked = b.addf(scale, check);
  Value inverse = b.spread(b.levelsPerUnit(greatest, levels), 0, type), sum;
  for (auto [i, tile] : llvm::enumerate(op.getTiles())) {
    if (op.getAsk())
      AskOp::create(b, b.loc, op.getAsk(), Value(), 0);
    // Rounding may take the product as it is, if nothing else is to round it alike.
    auto fuse = form.shift ? arith::FastMathFlags::none : arith::FastMathFlags::contract;
    Value scaled = arith::MulFOp::create(b, b.loc, tile, inverse, fuse);
    PackOp::create(b, b.loc, scaled, op.getHome(), op.getRow(), columnOf(i), op.getStream(), dot, cache);
    if (form.shift)
      sum = sum ? b.addf(sum, b.round(scaled)) : b.round(scaled);
  }
  if (form.shift) {
    Value total = ReduceOp::create(b, b.loc, perRow, Reduction::add, sum);
    Value start = b.mulf(total, splat(-double(form.shift * form.factor)));
    starts.put(op, arith::FPToSIOp::create(b, b.loc, integers, start));
  }
  units.put(op, checked);
}

static OperandForm formOf(ProductOp op) {
  CodecAttr codec = op.getBlock().getType().getCache().getCodec(op.getStream());
  return familyOf(codec).operandForm(codec, op.getDot());
}

static bool isShifted(ProductOp op) { return formOf(op).shift; }

/// Where the sum of an integer record starts, for each row; null for 0.
Value Quantizer::shiftOf(ProductOp op) {
  OperandForm form = formOf(op);
  if (Value start = starts.get(op); start || !form.shift || !op.getSums())
    return start;
  int64_t rows = typeOf(op.getTile()).getDimSize(0);
  Value sum = b.fetch(op.getSums(), op.getFirstSum(), {rows});
  Value less = b.spread(b.f32(-double(form.shift * form.factor)), 0, b.tileF32({rows}));
  Value start = b.mulf(sum, less);
  return arith::FPToSIOp::create(b, b.loc, b.tile({rows}, b.getI32Type()), start);
}

/// Whether scratch may change between an op and a place further down in its block.
static bool mayChange(Value home, Operation *from, Block::iterator to) {
  auto writes = [&](Operation &op) {
    bool reads = isa<FetchOp, ProductOp, MultiplyOp>(op);
    return op.getNumRegions() || (!reads && llvm::is_contained(op.getOperands(), home));
  };
  return llvm::any_of(llvm::make_range(std::next(from->getIterator()), to), writes);
}

/// Moves what computes `value`, and nothing else, to where the builder stands.
void Quantizer::placeHere(Value value) {
  SmallVector<Operation *> chain;
  auto follow = [&](auto &&self, Value value) -> void {
    Operation *op = value.getDefiningOp();
    bool moves = isa_and_nonnull<FetchOp, RowOp, SpreadOp, arith::MulFOp, arith::AddFOp, arith::CmpIOp>(op);
    if (!moves || (!op->use_empty() && !op->hasOneUse()) || op->getBlock() != b.getInsertionBlock())
      return;
    if (auto fetch = dyn_cast<FetchOp>(op); fetch && mayChange(fetch.getHome(), op, b.getInsertionPoint()))
      return;
    for (Value operand : op->getOperands())
      self(self, operand);
    chain.push_back(op);
  };
  follow(follow, value);
  for (Operation *op : chain)
    op->moveBefore(b.getInsertionBlock(), b.getInsertionPoint());
}

LogicalResult Quantizer::quantize(ProductOp op) {
  start(op);
  bool isInteger = isIntegerDot(op.getDot());
  Value unit = units.get(op), init = op.getInit();
  bool joins = isInteger || unit || op.getApart();
  op.setForm(Form::codes);
  op.setApart(false);
  if (joins) {
    RankedTensorType type = typeOf(op.getTile()), sums = isInteger ? type.clone(b.getI32Type()) : type;
    Value shift = isInteger ? shiftOf(op) : Value(), from;
    if (!shift && isInteger && isShifted(op))
      return op.emitOpError() << "expected `sums` of the rows, or rows of kv.operands: the record's codes are shifted";
    if (shift)
      from = b.spread(shift, 0, sums);
    else
      from = b.spread(isInteger ? b.i32(0) : b.f32(0), 0, sums);
    op.getInitMutable().assign(from);
    op.getTile().setType(sums);
    if (op.getRefined())
      placeHere(op.getRefined());
    b.setInsertionPointAfter(op);
    Value sum = op.getTile();
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : sum.getUses())
      uses.push_back(&use);
    if (isInteger)
      sum = arith::SIToFPOp::create(b, b.loc, type, sum);
    Value worth = unit ? b.spread(unit, 0, type) : Value();
    bool isZero = isZeroTile(init);
    if (!isZero)
      placeHere(init); // until the product is done its sums fill the registers
    if (unit)
      sum = b.fma(sum, worth, init);
    else if (!isZero)
      sum = b.addf(sum, init);
    for (OpOperand *use : uses)
      use->set(sum);
  }
  op.getSumsMutable().clear();
  op.getFirstSumMutable().clear();
  return success();
}

struct QuantizeOperands : PassWrapper<QuantizeOperands, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(QuantizeOperands)
  StringRef getArgument() const final { return "kv-quantize-operands"; }
  StringRef getDescription() const final { return "rows and products of numbers become those of the dot record"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, arith::ArithDialect, math::MathDialect>();
  }

  void runOnOperation() override {
    SmallVector<OperandsOp> writers;
    SmallVector<ProductOp> products;
    WalkResult result = getOperation().walk([&](Operation *op) {
      if (auto writer = dyn_cast<OperandsOp>(op))
        writers.push_back(writer);
      auto product = dyn_cast<ProductOp>(op);
      if (product && product.getForm() == Form::values) {
        op->emitOpError() << "expected a product of numbers, as kv-fold-scales leaves it";
        return WalkResult::interrupt();
      }
      if (product && product.getForm() == Form::numbers)
        products.push_back(product);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    if (writers.empty() && products.empty())
      return;
    if (failed(roundHomes(writers)))
      return signalPassFailure();
    Quantizer quantizer(getOperation());
    for (OperandsOp op : writers)
      quantizer.quantize(op);
    for (ProductOp op : products)
      if (failed(quantizer.quantize(op)))
        return signalPassFailure();
    for (OperandsOp op : writers)
      op.erase();
  }

private:
  /// Homes of rows that are rounded become as wide as their words.
  LogicalResult roundHomes(ArrayRef<OperandsOp> writers) {
    auto schedule = getOperation()->getAttrOfType<ScheduleAttr>("kv.schedule");
    DenseSet<Value> done;
    for (OperandsOp op : writers) {
      Dot dot = schedule.plan(StreamRef(op.getStream()).contract).getDot();
      auto home = op.getHome().getDefiningOp<ScratchOp>();
      if (!home)
        return op.emitOpError() << "expected a home of kv.scratch";
      if (!roundsRows(dot) || !done.insert(home).second)
        continue;
      MemRefType type = cast<MemRefType>(home.getHome().getType());
      type = MemRefType::get({type.getDimSize(0), rowWords(dot, type.getDimSize(1))}, IntegerType::get(&getContext(), 32));
      home.getHome().setType(type);
    }
    return success();
  }
};

} // namespace

std::unique_ptr<Pass> createQuantizeOperandsPass() { return std::make_unique<QuantizeOperands>(); }

} // namespace kv
