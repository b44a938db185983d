#include "compiler/driver/KernelSpec.h"

#include "compiler/policy/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace mlir;

namespace kv {

const char *typeName(kv_type type) {
  // Names of enums are literals.
  return stringifyElement(static_cast<Element>(type)).data();
}

const char *opName(kv_op op) {
  switch (op) {
  case KV_OP_APPEND:
    return "append";
  case KV_OP_ATTEND:
    return "attend";
  case KV_OP_APPEND_ATTEND:
    return "append_attend";
  }
  return "?";
}

std::string codecText(CodecAttr codec) {
  std::string element = stringifyElement(codec.getElement()).str();
  if (!codec.hasScale())
    return element;
  return fmt::format("{} group(d:{}) {} scale {}", element, codec.getGroup(), codec.hasZero() ? "asym" : "sym",
                     stringifyElement(codec.getScale()).str());
}

std::string layoutText(LayoutAttr layout) {
  std::string text = fmt::format("{}({})", stringifyLayoutKind(layout.getKind()).str(), layout.getSlots());
  if (layout.getTile())
    text += fmt::format(" tile({})", layout.getTile());
  if (layout.getKey() == layout.getValue())
    return text + " " + layout.getKey().str();
  return text + " k " + layout.getKey().str() + ", v " + layout.getValue().str();
}

static kv_type typeOf(Type type) {
  Type element = cast<RankedTensorType>(type).getElementType();
  return element.isF16() ? KV_TYPE_F16 : element.isBF16() ? KV_TYPE_BF16 : KV_TYPE_F32;
}

static void describe(std::string &text, const Region &region) {
  text += fmt::format(";{}@{}+{}:{}b", region.name("-"), region.offset, region.bytes, region.bits);
  for (const Axis &axis : region.axes)
    text += fmt::format(",{}{}/{}%{}*{}", axis.digit.coordinate, axis.modulus ? fmt::format("%{}", axis.modulus) : "",
                        axis.digit.divisor, axis.extent, axis.stride);
}

uint64_t hashLayout(CacheType cache) {
  PageMap map = mapPage(cache);
  std::string text = fmt::format("kv-layout-1;heads={};dk={};dv={};k={};v={};{}({});page={}", cache.getHeads(), cache.getKeyDim(),
                                 cache.getValueDim(), codecText(cache.getKey()), codecText(cache.getValue()),
                                 stringifyLayoutKind(cache.getLayout().getKind()).str(), map.slots, map.bytes);
  for (const Region &region : map.regions)
    describe(text, region);
  return XXH64(text.data(), text.size(), 0);
}

/// Fills in what attend and append_attend have in common.
template <typename AttendLike> static void readAttend(AttendLike op, KernelSpec &spec) {
  spec.qType = typeOf(op.getQuery().getType());
  OutputAttr output = op.getOutputForm();
  spec.oType = typeOf(op.getOutput().getType());
  spec.hasLse = output.getLse();
  spec.headsQ = output.getHeads();
  for (auto [i, role] : llvm::enumerate(output.getArguments()))
    spec.params.push_back({fmt::format("arguments[{}]", i), role});
  spec.visible = op.getVisibleAttr();
  if constexpr (std::is_same_v<AttendLike, AttendOp>)
    if (!spec.visible)
      spec.visible = analyzeMask(op).value_or(VisibleAttr());
  spec.mask = op.getMask().empty() ? "true" : "custom";
  spec.accuracy = op.getAccuracy();
  spec.scale = op.getScale().convertToDouble();
  spec.minQueries = op.getMinQueries();
  spec.maxQueries = op.getMaxQueries();
  // Scores that share a text do the same; the header only says that there is one.
  if (!op.getScore().empty())
    spec.score = "custom";
}

ModuleSpec readModule(ModuleOp level0) {
  ModuleSpec module;
  llvm::StringMap<size_t> cacheIndex;
  for (auto function : level0.getOps<func::FuncOp>()) {
    if (function.isExternal() || function.getNumArguments() == 0)
      continue;
    auto declared = dyn_cast<CacheType>(function.getArgument(0).getType());
    if (!declared)
      continue;
    std::string cacheName = declared.getName().getValue().str();
    auto [entry, isNew] = cacheIndex.try_emplace(cacheName, module.caches.size());
    if (isNew) {
      CacheSpec cache;
      cache.name = cacheName;
      cache.declared = declared;
      cache.type = resolveAuto(declared);
      cache.map = mapPage(cache.type);
      cache.tokens.kind = declared.getLayout().getKind() == LayoutKind::dense ? KV_TOKENS_DENSE : KV_TOKENS_PAGED;
      cache.tokens.page_tokens = cache.map.slots;
      cache.layoutHash = hashLayout(cache.type);
      module.caches.push_back(std::move(cache));
    }

    KernelSpec spec;
    spec.name = function.getSymName().str();
    spec.op = llvm::StringRef(spec.name).drop_front(cacheName.size() + 1).str();
    spec.cache = entry->second;
    bool appends = false, attends = false;
    function.walk([&](Operation *op) {
      if (auto append = dyn_cast<AppendOp>(op)) {
        appends = true;
        spec.qType = spec.oType = typeOf(append.getKeys().getType());
      } else if (auto attend = dyn_cast<AttendOp>(op)) {
        attends = true;
        readAttend(attend, spec);
      } else if (auto both = dyn_cast<AppendAttendOp>(op)) {
        appends = attends = true;
        readAttend(both, spec);
      }
    });
    if (!appends && !attends)
      continue;
    spec.kind = appends && attends ? KV_OP_APPEND_ATTEND : attends ? KV_OP_ATTEND : KV_OP_APPEND;
    module.caches[spec.cache].tokenType = spec.qType;
    for (auto [param, array] : llvm::zip(spec.params, declaredArrays(function)))
      if (auto name = function.getArgAttrOfType<StringAttr>(array.getArgNumber(), "kv.name"))
        param.name = name.str();
    module.kernels.push_back(std::move(spec));
  }
  return module;
}

} // namespace kv
