// kv.append -> the kernel of one item, `NAME.append`: quantises the item's tokens of one kv head and stores them.
//
//   for each token:
//     find its page and slot (slot_mapping, or sequence length and block table)
//     for keys, then values:
//       for each group of channels: scale (and zero) -> page;  codes -> scratch, in the order of channels
//       scatter the codes to their places in the page
//
// The arithmetic is the codec's definition (compiler/frontend/language.md): f32, each operation rounded, never contracted.
#include "compiler/kernels/AttendKernel.h"
#include "compiler/kernels/Passes.h"
#include "dialect/TokenMap.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cfloat>

using namespace mlir;

namespace kv {
namespace {

/// One half of the cache and its tensor.
struct StreamPlan {
  Stream stream;
  CodecAttr codec;
  int64_t dim;
  StepField tensor, tokenStride, headStride;
};

struct Append {
  KernelBuilder b;
  CacheType cache;
  ScheduleAttr schedule;
  Type inputType;
  Value bits; ///< scratch: one i32 a channel

  Append(ModuleOp module, func::FuncOp func, AppendOp op)
      : b(module, func.getLoc(), kernelSymbol(func.getName(), "append"), op->getAttr("schedule")), cache(op.getCache().getType()),
        schedule(op->getAttrOfType<ScheduleAttr>("schedule")),
        inputType(cast<RankedTensorType>(op.getKeys().getType()).getElementType()) {}

  void build();
  void appendByFunction(const StreamPlan &plan, Value tensor, Value element, Value page, Value head, Value slot);
  void appendStream(const StreamPlan &plan, Value token, Value head, Value page, Value slot);
  void encodeScalars(const StreamPlan &plan, Value tensor, Value element);
  void encodeGroup(const StreamPlan &plan, Value tensor, Value element, Value group, Value page, Value head, Value slot);

  Value select(Value condition, Value a, Value other) { return arith::SelectOp::create(b, b.loc, condition, a, other); }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) { return arith::CmpFOp::create(b, b.loc, predicate, x, y); }
  Value bitsOf(Value f32Tile) {
    auto type = cast<RankedTensorType>(f32Tile.getType());
    return arith::BitcastOp::create(b, b.loc, type.clone(b.getI32Type()), f32Tile);
  }
  Value trueValue() { return arith::ConstantOp::create(b, b.loc, b.getBoolAttr(true)); }
  /// A finite number rounded to the scale's type without leaving the finite ones; never -0. And the bits to store.
  std::pair<Value, Value> roundParameter(Value value, Element type);
};

std::pair<Value, Value> Append::roundParameter(Value value, Element type) {
  double largest = type == Element::f16 ? 65504.0 : FLT_MAX;
  Value clamped = b.maxf(value, b.f32(-largest));
  clamped = select(compare(arith::CmpFPredicate::OGT, clamped, b.f32(largest)), b.f32(largest), clamped);
  if (type == Element::f32) {
    Value result = b.addf(clamped, b.f32(0));
    return {result, arith::BitcastOp::create(b, b.loc, b.getI32Type(), result)};
  }
  Value half = ToHalfOp::create(b, b.loc, b.getI16Type(), b.addf(clamped, b.f32(0)));
  Value result = b.addf(FromHalfOp::create(b, b.loc, b.getF32Type(), half), b.f32(0));
  return {result, ToHalfOp::create(b, b.loc, b.getI16Type(), result)};
}

void Append::build() {
  Value seq = b.read(ItemField::seq), head = b.read(ItemField::head);
  Value begin = b.read(ItemField::query_begin), end = b.read(ItemField::query_end);
  Value first = b.read(StepField::query_start_loc, seq);
  Value queries = b.sub(b.read(StepField::query_start_loc, b.add(seq, 1)), first);
  Value firstPosition = b.sub(b.read(StepField::seq_lens, seq), queries);
  Value pages = b.read(StepField::pages), stride = b.read(StepField::page_stride);
  Value mapping = b.read(StepField::slot_mapping), table = b.sequenceTable(cache, seq);
  b.function()->setAttr("kv.scratch_on_stack", b.getUnitAttr());
  bits = b.scratch("bits", 1, std::max(cache.getKeyDim(), cache.getValueDim()), b.getI32Type());

  StreamPlan plans[] = {
      {Stream::key, cache.getKey(), cache.getKeyDim(), StepField::k, StepField::k_token_stride,
       StepField::k_head_stride},
      {Stream::value, cache.getValue(), cache.getValueDim(), StepField::v, StepField::v_token_stride,
       StepField::v_head_stride},
  };
  TokenMap tokens(b, cache.getLayout().getSlots());
  Value mapped = LLVM::ICmpOp::create(b, b.loc, LLVM::ICmpPredicate::ne, mapping, LLVM::ZeroOp::create(b, b.loc, b.ptr()));
  b.loop(begin, end, 1, [&](Value query) {
    Value token = b.add(first, query);
    auto place = scf::IfOp::create(b, b.loc, TypeRange{b.getI64Type(), b.getI64Type()}, mapped, /*withElseRegion=*/true);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(place.thenBlock());
      Value index = b.load(b.getI64Type(), b.at(mapping, b.mul(token, 8)));
      scf::YieldOp::create(b, b.loc, ValueRange{tokens.pageOfNumber(index), tokens.slotOfNumber(index)});
      b.setInsertionPointToStart(place.elseBlock());
      Value position = b.add(firstPosition, query);
      scf::YieldOp::create(b, b.loc, ValueRange{b.entry(table, tokens.entryOf(position)), tokens.slotOf(position)});
    }
    Value slot = place.getResult(1);
    // -1 skips; it is slot 0 of page -1 where a page has one slot.
    Value kept = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sge, b.min(place.getResult(0), slot), b.i64(0));
    b.ifThen(kept, [&] {
      Value page = b.at(pages, b.mul(place.getResult(0), stride));
      for (const StreamPlan &plan : plans)
        appendStream(plan, token, head, page, slot);
    });
  });
}

void Append::appendStream(const StreamPlan &plan, Value token, Value head, Value page, Value slot) {
  Value tensor = b.read(plan.tensor);
  Value element = b.add(b.mul(token, b.read(plan.tokenStride)), b.mul(head, b.read(plan.headStride)));
  if (schedule.getHalide())
    return appendByFunction(plan, tensor, element, page, head, slot);
  if (!plan.codec.isInteger())
    encodeScalars(plan, tensor, element);
  else
    b.loop(b.i64(0), b.i64(plan.dim / plan.codec.getGroup()), 1,
           [&](Value group) { encodeGroup(plan, tensor, element, group, page, head, slot); });
  ScatterOp::create(b, b.loc, bits, page, plan.stream, cache, head, slot);
}

/// By a function that Halide makes, `NAME_keys` or `NAME_values`: its declaration says what it is to do
/// (compiler/halide/WritePlan.cpp).
void Append::appendByFunction(const StreamPlan &plan, Value tensor, Value element, Value page, Value head, Value slot) {
  std::string name = b.function().getName().str() + (plan.stream == Stream::key ? "_keys" : "_values");
  llvm::replace(name, '.', '_');
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(b.function()->getParentOfType<ModuleOp>().getBody());
    SmallVector<Type> arguments = {b.ptr(), b.getI32Type(), b.getI32Type()};
    arguments.append(1 + plan.codec.isInteger() + plan.codec.isAsym(), b.ptr());
    auto function = func::FuncOp::create(b, b.loc, name, b.getFunctionType(arguments, {b.getI32Type()}));
    function.setPrivate();
    function->setAttr("kv.halide", b.getDictionaryAttr({
                                       b.getNamedAttr("cache", TypeAttr::get(cache)),
                                       b.getNamedAttr("schedule", schedule),
                                       b.getNamedAttr("stream", StreamAttr::get(b.getContext(), plan.stream)),
                                   }));
  }
  int64_t chunk = b.rowChunk(plan.dim);
  Value token = b.scratch(plan.stream == Stream::key ? "keys" : "values", 1, plan.dim, b.getF32Type());
  b.loop(b.i64(0), b.i64(plan.dim), chunk, [&](Value channel) {
    b.put(LoadOp::create(b, b.loc, b.tileF32({1, chunk}), tensor, b.add(element, channel), inputType), token, b.i64(0), channel);
  });
  StoreTokenOp::create(b, b.loc, FlatSymbolRefAttr::get(b.getContext(), name), token, page,
                       StreamAttr::get(b.getContext(), plan.stream), TypeAttr::get(cache), head, slot);
}

void Append::encodeScalars(const StreamPlan &plan, Value tensor, Value element) {
  int64_t chunk = b.rowChunk(plan.dim);
  b.loop(b.i64(0), b.i64(plan.dim), chunk, [&](Value channel) {
    Value tile = LoadOp::create(b, b.loc, b.tileF32({1, chunk}), tensor, b.add(element, channel), inputType);
    b.put(EncodeOp::create(b, b.loc, b.tile({1, chunk}, b.getI32Type()), tile, plan.codec.getElement()), bits, b.i64(0), channel);
  });
}

void Append::encodeGroup(const StreamPlan &plan, Value tensor, Value element, Value group, Value page, Value head, Value slot) {
  CodecAttr codec = plan.codec;
  int64_t width = codec.getGroup(), chunk = b.rowChunk(width);
  Value firstChannel = b.mul(group, width), end = b.end(firstChannel, width);
  RankedTensorType tile = b.tileF32({1, chunk});
  auto load = [&](Value channel) -> Value { return LoadOp::create(b, b.loc, tile, tensor, b.add(element, channel), inputType); };
  auto splat = [&](Value scalar) { return b.spread(scalar, 0, tile); };
  auto total = [&](Reduction kind, Value source) -> Value {
    return RowOp::create(b, b.loc, b.getF32Type(), ReduceOp::create(b, b.loc, b.tileF32({1}), kind, source));
  };

  // The greatest magnitude, or least and greatest value; and 0 * x, which is NaN where x is not finite.
  bool asym = codec.isAsym();
  SmallVector<Value> init = {splat(b.f32(asym ? -FLT_MAX : 0)), splat(b.f32(FLT_MAX)), splat(b.f32(0))};
  SmallVector<Value> found = b.loop(firstChannel, end, chunk, init, [&](Value channel, ValueRange carried) -> SmallVector<Value> {
    Value x = load(channel), magnitude = asym ? x : math::AbsFOp::create(b, b.loc, x).getResult();
    Value least = select(compare(arith::CmpFPredicate::OLT, x, carried[1]), x, carried[1]);
    return {b.maxf(magnitude, carried[0]), least, b.addf(carried[2], b.mulf(x, splat(b.f32(0))))};
  });
  Value greatest = total(Reduction::max, found[0]), check = total(Reduction::add, found[2]);
  Value bad = compare(arith::CmpFPredicate::UNO, check, check);

  int64_t levels = asym ? (int64_t(1) << codec.bits()) - 1 : (int64_t(1) << (codec.bits() - 1)) - 1;
  Value zero = b.f32(0), zeroBits;
  if (asym) {
    Value least = total(Reduction::min, found[1]);
    std::tie(zero, zeroBits) = roundParameter(least, codec.getScale());
    greatest = b.subf(greatest, least);
  }
  auto [scale, scaleBits] = roundParameter(arith::DivFOp::create(b, b.loc, greatest, b.f32(levels)), codec.getScale());
  Value inverse = b.levelsPerUnit(scale, 1);
  Value usable = compare(arith::CmpFPredicate::OGT, inverse, b.f32(0)); // scale 0 and the tiniest have none: codes 0

  b.loop(firstChannel, end, chunk, [&](Value channel) {
    Value x = load(channel);
    if (asym)
      x = b.subf(x, splat(zero));
    Value code = b.mulf(x, splat(inverse));
    Value most = splat(b.f32(levels));
    code = b.maxf(code, splat(b.f32(asym ? 0 : -levels)));
    code = select(compare(arith::CmpFPredicate::OGT, code, most), most, code);
    Value integer = arith::FPToSIOp::create(b, b.loc, tile.clone(b.getI32Type()), b.round(code));
    Value keep = arith::AndIOp::create(b, b.loc, usable, arith::XOrIOp::create(b, b.loc, bad, trueValue()));
    integer = select(b.spread(keep, 0, tile.clone(b.getI1Type())), integer, b.spread(b.i32(0), 0, tile.clone(b.getI32Type())));
    Value stored = b.add(integer, b.spread(b.i32(codec.storedBias()), 0, tile.clone(b.getI32Type())));
    b.put(stored, bits, b.i64(0), channel);
  });

  auto storeParameter = [&](CodecParameter parameter, Value value) {
    bool half = codec.getScale() == Element::f16;
    Value quiet = half ? arith::ConstantOp::create(b, b.loc, b.getI16IntegerAttr(0x7e00)).getResult() : b.i32(0x7fc00000);
    Value address = ParameterAddressOp::create(b, b.loc, b.ptr(), page, plan.stream, parameter, cache, head, slot, group);
    b.store(select(bad, quiet, value), address);
  };
  storeParameter(CodecParameter::scale, scaleBits);
  if (asym)
    storeParameter(CodecParameter::zero, zeroBits);
}

struct TileAppend : PassWrapper<TileAppend, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TileAppend)
  StringRef getArgument() const final { return "kv-tile-append"; }
  StringRef getDescription() const final { return "lower appends to loops over tokens and groups of channels"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, LLVM::LLVMDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect>();
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<std::pair<func::FuncOp, AppendOp>> appends;
    for (func::FuncOp func : module.getOps<func::FuncOp>())
      for (AppendOp op : func.getOps<AppendOp>())
        appends.push_back({func, op});
    for (auto [func, op] : appends) {
      if (!op->getAttrOfType<ScheduleAttr>("schedule")) {
        op.emitOpError() << "expected a `schedule`, which kv-select-schedule writes";
        return signalPassFailure();
      }
      Append(module, func, op).build();
      buildOwnAppendKernel(module, func, op->getAttr("schedule"));
      func.erase();
    }
  }
};

} // namespace

std::unique_ptr<Pass> createTileAppendPass() { return std::make_unique<TileAppend>(); }

} // namespace kv
