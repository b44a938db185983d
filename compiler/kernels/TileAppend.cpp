// kv.append -> the kernel of one item, `NAME.append`: encodes the item's tokens of one kv head.
//
//   for each token:
//     find its page and slot (slot_mapping, or sequence length and block table)
//     for keys, then values:  kv.encode_token
#include "compiler/kernels/AttendKernel.h"
#include "compiler/kernels/Passes.h"
#include "dialect/TokenMap.h"

using namespace mlir;

namespace kv {
namespace {

/// One half of the cache and its tensor.
struct StreamPlan {
  Stream stream;
  StepField tensor, tokenStride, headStride;
};

struct Append {
  KernelBuilder b;
  CacheType cache;
  Type inputType;
  Value bits; ///< scratch: one i32 a channel

  Append(ModuleOp module, func::FuncOp func, AppendOp op)
      : b(module, func.getLoc(), kernelSymbol(func.getName(), "append"), op->getAttr("schedule")), cache(op.getCache().getType()),
        inputType(cast<RankedTensorType>(op.getKeys().getType()).getElementType()) {}

  void build();
  void appendStream(const StreamPlan &plan, Value token, Value head, Value page, Value slot);
};

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
      {Stream::key, StepField::k, StepField::k_token_stride, StepField::k_head_stride},
      {Stream::value, StepField::v, StepField::v_token_stride, StepField::v_head_stride},
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
    Value lesser = b.min(place.getResult(0), slot);
    Value kept = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sge, lesser, b.i64(0));
    b.ifThen(kept, [&] {
      Value page = b.at(pages, b.mul(place.getResult(0), stride));
      for (const StreamPlan &plan : plans)
        appendStream(plan, token, head, page, slot);
    });
  });
}

void Append::appendStream(const StreamPlan &plan, Value token, Value head, Value page, Value slot) {
  Value tensor = b.read(plan.tensor);
  Value ofToken = b.mul(token, b.read(plan.tokenStride)), ofHead = b.mul(head, b.read(plan.headStride));
  Value element = b.add(ofToken, ofHead);
  EncodeTokenOp::create(b, b.loc, tensor, element, page, head, slot, bits, inputType, plan.stream, cache);
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
