#include "compiler/interpret/RunKernel.h"
#include "compiler/interpret/Frame.h"

namespace kv {

llvm::Error runKernel(mlir::func::FuncOp kernel, const kv_step &step, const kv_item &item, const KernelMemory &memory) {
  tiles::Run run{step, memory, {}};
  tiles::Frame frame(run, item);
  if (kernel.getNumArguments() != 2 || kernel.getNumResults())
    return tiles::fail(kernel, "`{}` is no kernel of a step and an item", kernel.getName().str());
  // Nothing writes through these: ops that write check what memory allows.
  auto address = [](const void *told) { return tiles::Address(const_cast<void *>(told)); };
  return frame.call(kernel, {address(&step), address(&item)});
}

} // namespace kv
