// What a kernel is told becomes memory: fields of the step and its item are loads at their offsets in kv_abi.h. The one place that
// knows these offsets.
//
//   %length = kv.step seq_lens[%seq] : i64   ->   %array = llvm.load (%step + 56);  %length = extsi (llvm.load (%array + 4 * %seq))
#include "compiler/kernels/LowerEntry.h"
#include "compiler/kernels/Passes.h"
#include "dialect/KernelBuilder.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace kv {
#define KV_FIELD(name)                                                                                                             \
  case StepField::name:                                                                                                            \
    return offsetof(kv_step, name);
#define KV_TENSOR(name)                                                                                                            \
  case StepField::name:                                                                                                            \
    return offsetof(kv_step, name.data);                                                                                           \
  case StepField::name##_token_stride:                                                                                             \
    return offsetof(kv_step, name.token_stride);                                                                                   \
  case StepField::name##_head_stride:                                                                                              \
    return offsetof(kv_step, name.head_stride);
int64_t offsetOf(StepField field) {
  switch (field) {
    KV_FIELD(pages)
    KV_FIELD(page_stride)
    KV_FIELD(num_seqs)
    KV_FIELD(query_start_loc)
    KV_FIELD(seq_lens)
    KV_FIELD(block_table)
    KV_FIELD(block_table_stride)
    KV_FIELD(slot_mapping)
    KV_TENSOR(q)
    KV_TENSOR(k)
    KV_TENSOR(v)
    KV_TENSOR(o)
    KV_FIELD(lse)
    KV_FIELD(workspace)
  }
#undef KV_TENSOR
#undef KV_FIELD
  llvm_unreachable("all fields are handled");
}

// Flags and the fields of features follow.
int64_t stepBytes() { return offsetof(kv_step, flags); }

int64_t offsetOf(ItemField field) {
#define KV_FIELD(name)                                                                                                             \
  case ItemField::name:                                                                                                            \
    return offsetof(kv_item, name);
  switch (field) {
    KV_FIELD(seq)
    KV_FIELD(head)
    KV_FIELD(num_heads)
    KV_FIELD(query_begin)
    KV_FIELD(query_end)
    KV_FIELD(token_begin)
    KV_FIELD(token_end)
    KV_FIELD(partial)
    KV_FIELD(num_partials)
    KV_FIELD(scratch)
  }
#undef KV_FIELD
  llvm_unreachable("all fields are handled");
}

namespace {

class EntryLowering : KernelBuilder {
public:
  explicit EntryLowering(func::FuncOp func) : KernelBuilder(func) {
    step = func.getArgument(0);
    item = func.getArgument(1);
  }

  void run() {
    SmallVector<Operation *> told;
    function().walk([&](Operation *op) {
      if (isa<StepOp, ItemOp, ArgumentOp, NewItemOp, SetItemOp>(op))
        told.push_back(op);
    });
    for (Operation *op : told) {
      setInsertionPoint(op);
      loc = op->getLoc();
      Value value = llvm::TypeSwitch<Operation *, Value>(op)
                        .Case<StepOp, ItemOp, ArgumentOp, NewItemOp, SetItemOp>([&](auto concrete) { return lower(concrete); })
                        .Default(Value());
      if (value)
        op->replaceAllUsesWith(ValueRange{value});
      op->erase();
    }
  }

private:
  Value lower(StepOp op) {
    Type whole = kindOf(op.getField()) == FieldKind::number ? Type(getI64Type()) : ptr();
    Value field = load(whole, at(step, offsetOf(op.getField())));
    if (!op.getIndex())
      return field;
    if (kindOf(op.getField()) == FieldKind::numbers32)
      return entry(field, op.getIndex());
    Value offset = mul(op.getIndex(), 8);
    return load(getI64Type(), at(field, offset));
  }

  Value lower(ItemOp op) { return load(op.getValue().getType(), at(item, offsetOf(op.getField()))); }

  Value lower(ArgumentOp op) {
    Value array = load(ptr(), at(step, int64_t(offsetof(kv_step, arguments) + op.getNumber() * sizeof(kv_argument))));
    Value offset = mul(op.getIndex(), 4);
    return load(getF32Type(), at(array, offset));
  }

  Value lower(NewItemOp op) { return variable(getI64Type(), sizeof(kv_item) / 8); }

  Value lower(SetItemOp op) {
    store(op.getValue(), at(op.getItem(), offsetOf(op.getField())));
    return Value();
  }
};

struct LowerEntry : PassWrapper<LowerEntry, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerEntry)
  StringRef getArgument() const final { return "kv-lower-entry"; }
  StringRef getDescription() const final { return "fields of the step and its item become loads"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<LLVM::LLVMDialect, arith::ArithDialect>(); }
  void runOnOperation() override {
    if (getOperation()->hasAttr("kv.kernel"))
      lowerEntry(getOperation());
  }
};

} // namespace

void lowerEntry(func::FuncOp func) { EntryLowering(func).run(); }

std::unique_ptr<Pass> createLowerEntryPass() { return std::make_unique<LowerEntry>(); }

} // namespace kv
