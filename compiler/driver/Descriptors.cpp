#include "compiler/driver/Descriptors.h"

#include "compiler/kernels/LowerEntry.h"
#include "dialect/Visible.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DataLayout.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/GlobalAlias.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/IRBuilder.h"
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

/// i64 values of LLVM.
struct LlvmNumbers {
  using Number = Value *;
  IRBuilder<> &b;
  Number constant(int64_t value) { return b.getInt64(static_cast<uint64_t>(value)); }
  Number add(Number a, Number by) { return b.CreateAdd(a, by); }
  Number add(Number a, int64_t by) { return b.CreateAdd(a, constant(by)); }
  Number mul(Number a, int64_t by) { return b.CreateMul(a, constant(by)); }
  Number floorDiv(Number a, int64_t by) {
    Value *negative = b.CreateICmpSLT(a, constant(0)), *moved = b.CreateAdd(a, constant(1 - by));
    return b.CreateSDiv(b.CreateSelect(negative, moved, a), constant(by));
  }
  Number min(Number a, Number by) { return b.CreateBinaryIntrinsic(Intrinsic::smin, a, by); }
  Number max(Number a, Number by) { return b.CreateBinaryIntrinsic(Intrinsic::smax, a, by); }
};

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

  Constant *array(ArrayRef<Constant *> elements) {
    return ConstantArray::get(ArrayType::get(elements[0]->getType(), elements.size()), elements);
  }

  Constant *function(StringRef symbol) {
    if (symbol.empty())
      return pointer(nullptr);
    FunctionType *type =
        FunctionType::get(Type::getVoidTy(context), {PointerType::get(context, 0), PointerType::get(context, 0)}, false);
    return cast<Constant>(module.getOrInsertFunction(symbol, type).getCallee());
  }

  Constant *row(const Variant &variant) {
    SmallVector<Constant *> run;
    for (const std::string &symbol : variant.run)
      run.push_back(function(symbol));
    return ConstantStruct::getAnon({string(variant.target), i64(static_cast<int64_t>(variant.features)), i64(0), array(run),
                                    i64(variant.splitTokens), i64(variant.alignTokens), i64(variant.queryBlock),
                                    i64(variant.itemHeads), i64(variant.scratchBytes), i64(variant.rowBytes), i64(0)});
  }

  Constant *row(const DeviceVariant &variant, const DeviceCode &code) {
    SmallVector<Constant *> entries;
    for (const std::string &name : variant.entries)
      entries.push_back(name.empty() ? pointer(nullptr) : string(name));
    return ConstantStruct::getAnon({string(variant.target), string(code.text), array(entries), i64(0), i64(code.capability),
                                    i64(variant.threads), i64(variant.sharedBytes), i64(variant.splitTokens),
                                    i64(variant.alignTokens), i64(variant.queryBlock), i64(variant.rowBytes), i64(0)});
  }

  /// An array that the attend declares: a number for each query head.
  Constant *argument(StringRef name, ArgumentRole role) {
    return ConstantStruct::getAnon({string(name), i32(KV_ARGUMENT_F32), i32(int32_t(role)), i32(KV_AXIS_HEADS_Q), i32(KV_AXIS_NONE),
                                    i32(KV_AXIS_NONE), i32(KV_AXIS_NONE)});
  }

  Constant *tokens(const kv_tokens &tokens) {
    SmallVector<Constant *> fields = {i64(tokens.kind),       i64(tokens.page_tokens), i64(tokens.first),
                                      i64(tokens.tail_pages), i64(tokens.tail_tokens), i64(tokens.tail_first),
                                      i64(tokens.tail_ring)};
    for (const kv_tiers &tiers : tokens.streams)
      for (int64_t field : {tiers.first, tiers.last, tiers.flush, tiers.spare})
        fields.push_back(i64(field));
    return ConstantStruct::getAnon(fields);
  }

  /// `int32_t ranges(const kv_step *, int64_t seq, int64_t query_begin, int64_t query_end, int64_t out[][2])`
  Constant *ranges(VisibleAttr visible) {
    Function *&known = rangesOf[visible];
    if (known)
      return known;
    Type *pointerType = PointerType::get(context, 0), *number = Type::getInt64Ty(context), *small = Type::getInt32Ty(context);
    auto *type = FunctionType::get(small, {pointerType, number, number, number, pointerType}, false);
    known = Function::Create(type, GlobalValue::InternalLinkage, "ranges", module);
    known->addFnAttr(Attribute::NoUnwind);
    IRBuilder<> b(BasicBlock::Create(context, "", known));
    Value *step = known->getArg(0), *seq = known->getArg(1), *out = known->getArg(4);
    auto entry = [&](StepField field, Value *index) {
      Value *array = b.CreateLoad(pointerType, b.CreatePtrAdd(step, b.getInt64(static_cast<uint64_t>(offsetOf(field)))));
      return b.CreateSExt(b.CreateLoad(small, b.CreateGEP(small, array, index)), number);
    };
    Value *length = entry(StepField::seq_lens, seq), *begin = entry(StepField::query_start_loc, seq);
    Value *queries = b.CreateSub(entry(StepField::query_start_loc, b.CreateAdd(seq, b.getInt64(1))), begin);
    Value *past = b.CreateSub(length, queries);
    Value *first = b.CreateAdd(past, known->getArg(2)), *after = b.CreateAdd(past, known->getArg(3));
    Value *last = b.CreateSub(after, b.getInt64(1));
    VisibleRuns<LlvmNumbers> runs({b}, visible);
    for (int64_t run = 0; run < visible.getRuns(); ++run) {
      auto [low, high] = runs.range(run, first, last, length);
      b.CreateStore(low, b.CreatePtrAdd(out, b.getInt64(static_cast<uint64_t>(16 * run))));
      b.CreateStore(high, b.CreatePtrAdd(out, b.getInt64(static_cast<uint64_t>(16 * run + 8))));
    }
    b.CreateRet(b.getInt32(static_cast<uint32_t>(visible.getRuns())));
    return known;
  }

  /// Rows as an array of their own, or null.
  Constant *table(ArrayRef<Constant *> rows, const Twine &name) {
    if (rows.empty())
      return pointer(nullptr);
    Constant *value = array(rows);
    auto *global = new GlobalVariable(module, value->getType(), true, GlobalValue::PrivateLinkage, value, name);
    global->setAlignment(Align(16));
    return global;
  }

  Constant *kernel(const CacheSpec &cache, const KernelSpec &spec, ArrayRef<Constant *> rows, ArrayRef<Constant *> deviceRows) {
    bool attends = spec.kind != KV_OP_APPEND;
    SmallVector<Constant *> arguments;
    for (const auto &[name, role] : spec.params)
      arguments.push_back(argument(name, role));
    SmallVector<Constant *> fields = {i32(sizeof(kv_kernel)),
                                      i32(KV_ABI_VERSION),
                                      string(spec.name),
                                      string(cache.name),
                                      i64(static_cast<int64_t>(cache.layoutHash)),
                                      i64(attends && !spec.visible.seesItself() ? KV_NEEDS_APPEND : 0),
                                      i32(spec.kind),
                                      i32(spec.qType),
                                      i32(spec.oType),
                                      i32(spec.hasLse),
                                      i64(attends ? spec.headsQ : 0),
                                      i64(cache.type.getHeads()),
                                      i64(cache.type.getKeyDim()),
                                      i64(cache.type.getValueDim()),
                                      i64(2), // streams
                                      i64(cache.type.getKeyDim()),
                                      i64(cache.type.getValueDim()),
                                      i64(0),
                                      i64(0),
                                      i64(cache.map.bytes),
                                      tokens(cache.tokens),
                                      i64(attends ? spec.minQueries : 0),
                                      i64(attends ? spec.maxQueries : 0),
                                      attends ? ranges(spec.visible) : pointer(nullptr),
                                      i64(attends ? mostVisible(spec.visible, spec.maxQueries) : 0),
                                      i64(stepBytes())};
    // keep_budget, keep_first, keep_last, keep_every, keep_layer, num_states, num_observers, select_pages
    fields.append(8, i64(0));
    auto addTable = [&](ArrayRef<Constant *> rows, size_t rowBytes, StringRef name) {
      fields.push_back(i64(static_cast<int64_t>(rows.size())));
      fields.push_back(i64(static_cast<int64_t>(rowBytes)));
      fields.push_back(table(rows, Twine(spec.name) + name));
    };
    addTable(arguments, sizeof(kv_argument_spec), ".arguments");
    addTable(rows, sizeof(kv_variant), ".variants");
    addTable(deviceRows, sizeof(kv_gpu_variant), ".devices");
    return ConstantStruct::getAnon(fields);
  }

private:
  Module &module;
  LLVMContext &context;
  StringMap<GlobalVariable *> strings;
  mlir::DenseMap<VisibleAttr, Function *> rangesOf;
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
