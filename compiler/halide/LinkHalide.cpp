// Bitcode of Halide's LLVM as functions of ours. What is repaired:
//
//   products that are added may be fused (Halide has no word for that alone; it was told to round every operation)
//   memset of accumulators becomes stores: kernels call nothing
//   entry points for the runtime of Halide, which there is not, are left out
#include "compiler/halide/Halide.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Operator.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;

namespace kv::halide {

static Error fail(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

static void allowFusing(Function &function) {
  for (Instruction &instruction : instructions(function))
    if (isa<FPMathOperator>(instruction) &&
        is_contained({Instruction::FMul, Instruction::FAdd, Instruction::FSub}, instruction.getOpcode()))
      instruction.setHasAllowContract(true);
}

static void storeInPlaceOfMemset(Function &function) {
  for (Instruction &instruction : make_early_inc_range(instructions(function))) {
    auto *fill = dyn_cast<MemSetInst>(&instruction);
    auto *length = fill ? dyn_cast<ConstantInt>(fill->getLength()) : nullptr;
    auto *byte = fill ? dyn_cast<ConstantInt>(fill->getValue()) : nullptr;
    if (!length || !byte || !byte->isZero())
      continue;
    IRBuilder<> b(fill);
    for (uint64_t at = 0, end = length->getZExtValue(); at < end;) {
      uint64_t width = std::min<uint64_t>(64, bit_floor(end - at));
      Value *address = b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), fill->getDest(), at);
      Type *bytes = FixedVectorType::get(b.getInt8Ty(), unsigned(width));
      b.CreateAlignedStore(Constant::getNullValue(bytes), address, Align(1));
      at += width;
    }
    fill->eraseFromParent();
  }
}

/// The function `name` alone, and what it uses.
static void keepOnly(Module &module, StringRef name) {
  for (Function &function : module)
    if (!function.isDeclaration() && function.getName() != name)
      function.setLinkage(GlobalValue::InternalLinkage);
  for (GlobalVariable &variable : module.globals())
    if (!variable.isDeclaration())
      variable.setLinkage(GlobalValue::InternalLinkage);
  for (bool again = true; again;) {
    again = false;
    for (Function &function : make_early_inc_range(module))
      if (function.getName() != name && function.use_empty()) {
        function.eraseFromParent();
        again = true;
      }
    for (GlobalVariable &variable : make_early_inc_range(module.globals()))
      if (variable.use_empty()) {
        variable.eraseFromParent();
        again = true;
      }
  }
}

Error linkFunctions(Module &code, const Functions &functions) {
  for (const auto &[name, block, bitcode] : functions) {
    auto module = parseBitcodeFile(MemoryBufferRef(bitcode, name), code.getContext());
    if (!module)
      return module.takeError();
    keepOnly(**module, name);
    for (Function &function : **module) {
      if (function.isDeclaration() && !function.isIntrinsic())
        return fail("the Halide route: `" + name + "` calls `" + function.getName() + "`, which a kernel does not have");
      if (function.isDeclaration())
        continue;
      function.setAttributes({});
      if (block) // what a cache stores is rounded operation by operation
        allowFusing(function);
      storeInPlaceOfMemset(function);
    }
    if (block)
      prefetchAhead(*(*module)->getFunction(name), *block);
    if (NamedMDNode *flags = (*module)->getModuleFlagsMetadata())
      flags->eraseFromParent();
    (*module)->setTargetTriple(code.getTargetTriple());
    (*module)->setDataLayout(code.getDataLayout());
    if (Linker::linkModules(code, std::move(*module)))
      return fail("the Halide route: `" + name + "` cannot be linked");
    code.getFunction(name)->setLinkage(GlobalValue::InternalLinkage);
  }
  return Error::success();
}

} // namespace kv::halide
