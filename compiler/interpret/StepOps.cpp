// What a kernel is told: fields of the step and of its item, and items of its own.
#include "compiler/interpret/Frame.h"
#include "compiler/kernels/LowerEntry.h"

using namespace mlir;

namespace kv::tiles {

/// The 64 bits of a field, a number or a pointer.
static int64_t readField(const kv_step &step, StepField field) {
  int64_t bits = 0;
  std::memcpy(&bits, reinterpret_cast<const char *>(&step) + offsetOf(field), sizeof(bits));
  return bits;
}
static int64_t readField(const kv_item &item, ItemField field) {
  int64_t bits = 0;
  std::memcpy(&bits, reinterpret_cast<const char *>(&item) + offsetOf(field), sizeof(bits));
  return bits;
}

/// Entry `index` of an array of T that the caller owns.
template <typename T> static llvm::Expected<T> entryOf(Frame &frame, Operation *op, const void *array, int64_t index) {
  const T *entry = static_cast<const T *>(array) + index;
  if (!array || !frame.allows(entry, sizeof(T), /*writes=*/false))
    return fail(op, "entry {} is outside the array", index);
  return *entry;
}

static llvm::Error runStep(Frame &frame, StepOp op) {
  const int64_t field = readField(frame.run.step, op.getField());
  if (kindOf(op.getField()) == FieldKind::number) {
    frame.set(op.getValue(), Data::ofInteger(field));
    return llvm::Error::success();
  }
  const void *array = reinterpret_cast<const void *>(field);
  if (!op.getIndex()) {
    frame.set(op.getValue(), Address(const_cast<void *>(array)));
    return llvm::Error::success();
  }
  const int64_t index = frame.integer(op.getIndex());
  llvm::Expected<int64_t> entry = 0;
  if (kindOf(op.getField()) == FieldKind::numbers32) {
    llvm::Expected<int32_t> narrow = entryOf<int32_t>(frame, op, array, index);
    if (!narrow)
      return narrow.takeError();
    entry = *narrow;
  } else {
    entry = entryOf<int64_t>(frame, op, array, index);
  }
  if (!entry)
    return entry.takeError();
  frame.set(op.getValue(), Data::ofInteger(*entry));
  return llvm::Error::success();
}

static llvm::Error runItem(Frame &frame, ItemOp op) {
  const int64_t bits = readField(frame.item, op.getField());
  if (bits == unsetField)
    return fail(op, "`{}` of the item has not been set", stringifyItemField(op.getField()).str());
  if (kindOf(op.getField()) == FieldKind::number)
    frame.set(op.getValue(), Data::ofInteger(bits));
  else
    frame.set(op.getValue(), reinterpret_cast<Address>(bits));
  return llvm::Error::success();
}

static llvm::Error runArgument(Frame &frame, ArgumentOp op) {
  const int64_t index = frame.integer(op.getIndex());
  auto entry = entryOf<float>(frame, op, frame.run.step.arguments[op.getNumber()].data, index);
  if (!entry)
    return entry.takeError();
  frame.set(op.getValue(), Data::ofFloat(*entry));
  return llvm::Error::success();
}

static llvm::Error runNewItem(Frame &frame, NewItemOp op) {
  frame.set(op.getItem(), reinterpret_cast<Address>(&frame.makeItem()));
  return llvm::Error::success();
}

static llvm::Error runSetItem(Frame &frame, SetItemOp op) {
  int64_t bits = 0;
  if (kindOf(op.getField()) == FieldKind::number)
    bits = frame.integer(op.getValue());
  else
    bits = reinterpret_cast<int64_t>(frame.address(op.getValue()));
  std::memcpy(frame.address(op.getItem()) + offsetOf(op.getField()), &bits, sizeof(bits));
  return llvm::Error::success();
}

void addStepOps(Table &table) {
  table.add<StepOp>(runStep);
  table.add<ItemOp>(runItem);
  table.add<ArgumentOp>(runArgument);
  table.add<NewItemOp>(runNewItem);
  table.add<SetItemOp>(runSetItem);
}

} // namespace kv::tiles
