// What a kernel is told: fields of the step and of its item, and items of its own.
#include "compiler/interpret/Frame.h"

using namespace mlir;

namespace kv::tiles {

/// A number or an array of the step, by name.
static std::variant<int64_t, const void *> fieldOf(const kv_step &step, StepField field) {
#define KV_FIELD(name)                                                                                                             \
  case StepField::name:                                                                                                            \
    return step.name;
#define KV_TENSOR(name)                                                                                                            \
  case StepField::name:                                                                                                            \
    return step.name.data;                                                                                                         \
  case StepField::name##_token_stride:                                                                                             \
    return step.name.token_stride;                                                                                                 \
  case StepField::name##_head_stride:                                                                                              \
    return step.name.head_stride;
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

static void *addressOf(kv_item &item, ItemField field) {
#define KV_FIELD(name)                                                                                                             \
  case ItemField::name:                                                                                                            \
    return &item.name;
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

/// Entry `index` of an array of T that the caller owns.
template <typename T> static llvm::Expected<T> entryOf(Frame &frame, Operation *op, const void *array, int64_t index) {
  const T *entry = static_cast<const T *>(array) + index;
  if (!array || !frame.allows(entry, sizeof(T), /*writes=*/false))
    return fail(op, "entry {} is outside the array", index);
  return *entry;
}

static llvm::Error runStep(Frame &frame, StepOp op) {
  auto field = fieldOf(frame.run.step, op.getField());
  if (auto *number = std::get_if<int64_t>(&field)) {
    frame.set(op.getValue(), Data::ofInteger(*number));
    return llvm::Error::success();
  }
  const void *array = std::get<const void *>(field);
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
  int64_t bits = 0;
  std::memcpy(&bits, addressOf(const_cast<kv_item &>(frame.item), op.getField()), sizeof(bits));
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
  void *field = addressOf(*reinterpret_cast<kv_item *>(frame.address(op.getItem())), op.getField());
  int64_t bits = 0;
  if (kindOf(op.getField()) == FieldKind::number)
    bits = frame.integer(op.getValue());
  else
    bits = reinterpret_cast<int64_t>(frame.address(op.getValue()));
  std::memcpy(field, &bits, sizeof(bits));
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
