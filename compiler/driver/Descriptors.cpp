#include "compiler/driver/Descriptors.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DataLayout.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/GlobalAlias.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Triple.h"

#include <memory>

using namespace llvm;

namespace kv {
namespace {

/// Builds constants of C structs field by field; the order of calls is the order of fields in kv_abi.h.
class TableBuilder {
public:
  explicit TableBuilder(Module &module) : module(module), context(module.getContext()) {}

  Constant *pointer(Constant *to) { return to ? to : ConstantPointerNull::get(PointerType::get(context, 0)); }
  Constant *i32(int64_t value) { return ConstantInt::get(Type::getInt32Ty(context), static_cast<uint32_t>(value)); }
  Constant *i64(int64_t value) { return ConstantInt::get(Type::getInt64Ty(context), static_cast<uint64_t>(value)); }

  Constant *string(StringRef text) {
    GlobalVariable *&known = strings[text];
    if (!known) {
      Constant *bytes = ConstantDataArray::getString(context, text);
      known = new GlobalVariable(module, bytes->getType(), true, GlobalValue::PrivateLinkage, bytes, "text");
      known->setUnnamedAddr(GlobalValue::UnnamedAddr::Global);
      known->setAlignment(Align(1));
    }
    return known;
  }

  Constant *function(StringRef symbol) {
    if (symbol.empty())
      return pointer(nullptr);
    FunctionType *type =
        FunctionType::get(Type::getVoidTy(context), {PointerType::get(context, 0), PointerType::get(context, 0)}, false);
    return cast<Constant>(module.getOrInsertFunction(symbol, type).getCallee());
  }

  Constant *row(const Variant &variant) {
    return ConstantStruct::getAnon({string(variant.target), i64(static_cast<int64_t>(variant.features)), function(variant.append),
                                    function(variant.attend), function(variant.merge), i64(variant.splitTokens),
                                    i64(variant.queryBlock), i64(variant.itemHeads), i64(variant.scratchBytes)});
  }

  Constant *row(const DeviceVariant &variant, const DeviceCode &code) {
    return ConstantStruct::getAnon({string(variant.target), string(code.text), string(variant.entry),
                                    variant.appendEntry.empty() ? pointer(nullptr) : string(variant.appendEntry),
                                    i64(code.capability), i64(variant.threads), i64(variant.sharedBytes), i64(variant.splitTokens),
                                    i64(variant.queryBlock), i64(variant.partialBytes)});
  }

  /// Rows as an array of their own, or null.
  Constant *table(ArrayRef<Constant *> rows, const Twine &name) {
    if (rows.empty())
      return pointer(nullptr);
    Constant *array = ConstantArray::get(ArrayType::get(rows[0]->getType(), rows.size()), rows);
    auto *global = new GlobalVariable(module, array->getType(), true, GlobalValue::PrivateLinkage, array, name);
    global->setAlignment(Align(16));
    return global;
  }

  Constant *kernel(const CacheSpec &cache, const KernelSpec &spec, ArrayRef<Constant *> rows, ArrayRef<Constant *> deviceRows) {
    bool attends = spec.kind != KV_OP_APPEND;
    return ConstantStruct::getAnon({i32(sizeof(kv_kernel)),
                                    i32(KV_ABI_VERSION),
                                    string(spec.name),
                                    string(cache.name),
                                    i64(static_cast<int64_t>(cache.layoutHash)),
                                    i32(spec.kind),
                                    i32(spec.qType),
                                    i32(spec.oType),
                                    i32(spec.hasLse),
                                    i64(attends ? spec.headsQ : 0),
                                    i64(cache.type.getHeads()),
                                    i64(cache.type.getKeyDim()),
                                    i64(cache.type.getValueDim()),
                                    i64(cache.map.slots),
                                    i64(cache.map.bytes),
                                    i64(attends ? spec.minQueries : 0),
                                    i64(attends ? spec.maxQueries : 0),
                                    i32(cache.type.getLayout().getKind() == LayoutKind::dense),
                                    i32(attends && spec.causal),
                                    i32(static_cast<int64_t>(spec.params.size())),
                                    i32(static_cast<int64_t>(rows.size())),
                                    table(rows, spec.name + ".variants"),
                                    i64(static_cast<int64_t>(deviceRows.size())),
                                    table(deviceRows, spec.name + ".devices")});
  }

private:
  Module &module;
  LLVMContext &context;
  StringMap<GlobalVariable *> strings;
};

} // namespace

Expected<std::string> emitDescriptors(const Compiled &compiled, const kv::Target &target) {
  const ModuleSpec &spec = compiled.module;
  Triple triple(target.triple);
  std::string problem;
  const llvm::Target *backend = TargetRegistry::lookupTarget(triple, problem);
  if (!backend)
    return createStringError("no code generator for `%s`: %s", target.triple.c_str(), problem.c_str());
  std::unique_ptr<TargetMachine> machine(backend->createTargetMachine(triple, "", "", TargetOptions(), Reloc::PIC_));

  LLVMContext context;
  Module module("descriptors", context);
  module.setTargetTriple(triple);
  module.setDataLayout(machine->createDataLayout());
  module.setPICLevel(PICLevel::BigPIC);

  TableBuilder builder(module);
  for (auto [index, kernel] : enumerate(spec.kernels)) {
    SmallVector<Constant *> rows, deviceRows;
    for (const DeviceVariant &variant : compiled.deviceVariants)
      if (variant.kernel == index)
        deviceRows.push_back(builder.row(variant, compiled.device(variant.target)));
    for (const Variant &variant : compiled.variants)
      if (variant.kernel == index && variant.architecture == target.architecture())
        rows.push_back(builder.row(variant));
    Constant *value = builder.kernel(spec.caches[kernel.cache], kernel, rows, deviceRows);
    const DataLayout &layout = module.getDataLayout();
    if (layout.getTypeAllocSize(value->getType()) != sizeof(kv_kernel) ||
        (!rows.empty() && layout.getTypeAllocSize(rows[0]->getType()) != sizeof(kv_variant)) ||
        (!deviceRows.empty() && layout.getTypeAllocSize(deviceRows[0]->getType()) != sizeof(kv_gpu_variant)))
      return createStringError("internal: descriptor tables do not match kv_abi.h on `%s`", target.triple.c_str());
    auto *global =
        new GlobalVariable(module, value->getType(), true, GlobalValue::ExternalLinkage, value, compiled.ownSymbol(kernel));
    global->setAlignment(Align(16));
    // For dlsym. Two static libraries that both have it cannot be linked into one program.
    GlobalAlias *plain = GlobalAlias::create(value->getType(), 0, GlobalValue::ExternalLinkage, kernel.name, global, &module);
    // Two shared libraries of one process may hold caches of one name: each uses its own.
    for (GlobalValue *symbol : {static_cast<GlobalValue *>(global), static_cast<GlobalValue *>(plain)})
      symbol->setVisibility(GlobalValue::ProtectedVisibility);
  }

  SmallString<0> object;
  raw_svector_ostream stream(object);
  legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, CodeGenFileType::ObjectFile))
    return createStringError("no object emission for `%s`", target.triple.c_str());
  passes.run(module);
  return object.str().str();
}

} // namespace kv
