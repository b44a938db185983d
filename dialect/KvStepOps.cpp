// Rules of the operations on the step and its item (KvStepOps.td). Each check names the rule that it enforces.
#include "dialect/KvOps.h"

#include "kv/kv_abi.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace kv {

FieldKind kindOf(StepField field) {
  switch (field) {
  case StepField::page_stride:
  case StepField::num_seqs:
  case StepField::block_table_stride:
  case StepField::q_token_stride:
  case StepField::q_head_stride:
  case StepField::k_token_stride:
  case StepField::k_head_stride:
  case StepField::v_token_stride:
  case StepField::v_head_stride:
  case StepField::o_token_stride:
  case StepField::o_head_stride:
    return FieldKind::number;
  case StepField::query_start_loc:
  case StepField::seq_lens:
  case StepField::block_table:
    return FieldKind::numbers32;
  case StepField::slot_mapping:
    return FieldKind::numbers64;
  case StepField::pages:
  case StepField::q:
  case StepField::k:
  case StepField::v:
  case StepField::o:
  case StepField::lse:
  case StepField::workspace:
    return FieldKind::pointer;
  }
  llvm_unreachable("all fields are handled");
}

FieldKind kindOf(ItemField field) {
  return field == ItemField::partial || field == ItemField::scratch ? FieldKind::pointer : FieldKind::number;
}

Speculation::Speculatability StepOp::getSpeculatability() {
  return getIndex() ? Speculation::NotSpeculatable : Speculation::Speculatable;
}

LogicalResult StepOp::verify() {
  FieldKind kind = kindOf(getField());
  bool isArray = kind == FieldKind::numbers32 || kind == FieldKind::numbers64;
  if (getIndex() && !isArray) // C1
    return emitOpError() << "expected an array of numbers, and `" << stringifyStepField(getField()) << "` is none";
  bool isNumber = getIndex() || kind == FieldKind::number;
  if (isNumber != getValue().getType().isInteger(64)) // C2
    return emitOpError() << "expected `" << stringifyStepField(getField()) << "` to be " << (isNumber ? "i64" : "a pointer")
                         << ", got " << getValue().getType();
  return success();
}

template <typename OpType> static LogicalResult verifyItemField(OpType op) {
  bool isNumber = kindOf(op.getField()) == FieldKind::number;
  if (isNumber != op.getValue().getType().isInteger(64)) // item C1, set_item C1
    return op.emitOpError() << "expected `" << stringifyItemField(op.getField()) << "` to be " << (isNumber ? "i64" : "a pointer")
                            << ", got " << op.getValue().getType();
  return success();
}

LogicalResult ItemOp::verify() { return verifyItemField(*this); }

LogicalResult SetItemOp::verify() { return verifyItemField(*this); }

LogicalResult ArgumentOp::verify() {
  if (getNumber() >= KV_MAX_ARGUMENTS) // C1; the attribute is unsigned
    return emitOpError() << "expected one of " << KV_MAX_ARGUMENTS << " arrays, got number " << int64_t(getNumber());
  return success();
}

} // namespace kv
