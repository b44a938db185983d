#include "compiler/distribute/DistributeOpInterface.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

#include "compiler/distribute/DistributeOpInterface.cpp.inc"

namespace kv {

void registerDistributeModels(DialectRegistry &registry) {
  registry.insert<KvDialect, func::FuncDialect, scf::SCFDialect, LLVM::LLVMDialect, vector::VectorDialect>();
  registry.addExtension(+[](MLIRContext *context, KvDialect *, func::FuncDialect *, scf::SCFDialect *, LLVM::LLVMDialect *) {
    attachControlFlowModels(context);
    attachElementwiseModels(context);
    attachMemoryModels(context);
    attachCacheModels(context);
    attachProductModels(context);
    attachDecodeModels(context);
    attachRelayoutModels(context);
    attachStageModels(context);
  });
}

} // namespace kv
