// The JSON manifest: what the library holds, for build systems and other languages. Keys come out sorted, so the text is stable.
#include "compiler/driver/Artifacts.h"
#include "compiler/reference/Tolerance.h"
#include "compiler/support/Json.h"

#include <fmt/format.h>

using nlohmann::json;

namespace kv {

/// Masks that have a name, however they are written; else as in the file.
static std::string maskWord(const KernelSpec &kernel) {
  if (kernel.visible.hasLow())
    return kernel.mask;
  llvm::ArrayRef<mlir::AffineExpr> ends = kernel.visible.getHigh().front().getResults();
  if (ends.empty())
    return "all";
  bool untilItself = ends.size() == 1 && ends.front() == mlir::getAffineDimExpr(0, ends.front().getContext()) + 1;
  return untilItself ? "causal" : kernel.mask;
}

static json orderJson(const Region &region) {
  json axes = json::array();
  for (const Axis &axis : region.axes) {
    axes.push_back({{"coordinate", std::string(1, axis.digit.coordinate)},
                    {"divisor", axis.digit.divisor},
                    {"extent", axis.extent},
                    {"stride", axis.stride}});
    if (axis.modulus)
      axes.back()["modulus"] = axis.modulus;
  }
  return {{"offset", region.offset}, {"bytes", region.bytes}, {"bits", region.bits}, {"axes", axes}};
}

static json codecJson(CodecAttr codec) {
  json value = {{"type", stringifyElement(codec.getElement()).str()}, {"text", codecText(codec)}};
  if (codec.hasScale()) {
    value["group"] = codec.getGroup();
    value["zero"] = codec.hasZero() ? "asym" : "sym";
    value["scale"] = stringifyElement(codec.getScale()).str();
  }
  return value;
}

static json cacheJson(const CacheSpec &cache) {
  CacheType type = cache.type;
  json regions;
  for (const Region &region : cache.map.regions)
    regions[region.name()] = orderJson(region);
  return {{"name", cache.name},
          {"heads_kv", type.getHeads()},
          {"dim_k", type.getKeyDim()},
          {"dim_v", type.getValueDim()},
          {"key", codecJson(type.getKey())},
          {"value", codecJson(type.getValue())},
          {"layout", layoutText(type.getLayout())},
          {"dense", type.getLayout().getKind() == LayoutKind::dense},
          {"page_tokens", cache.map.slots},
          {"page_bytes", cache.map.bytes},
          {"bytes_per_token", bytesPerToken(type)},
          {"layout_hash", fmt::format("{:016x}", cache.layoutHash)},
          {"regions", regions}};
}

static json symbolJson(const std::string &symbol) { return symbol.empty() ? json() : json(symbol); }

std::string makeManifest(const Compiled &compiled, llvm::StringRef name, llvm::StringRef source,
                         llvm::ArrayRef<std::pair<std::string, int64_t>> params) {
  json manifest = {{"format", 1},
                   {"abi_version", KV_ABI_VERSION},
                   {"name", name.str()},
                   {"source", source.str()},
                   {"libraries", json::object()},
                   {"header", name.str() + ".h"}};
  manifest["params"] = json::object();
  for (const auto &[param, value] : params)
    manifest["params"][param] = value;
  manifest["caches"] = json::array();
  for (const CacheSpec &cache : compiled.module.caches)
    manifest["caches"].push_back(cacheJson(cache));
  for (const std::string &architecture : compiled.architectures())
    manifest["libraries"][architecture] = libraryPath(compiled, name, architecture);
  manifest["objects"] = json::array();
  for (const ObjectFile &object : compiled.objects)
    manifest["objects"].push_back({{"name", object.name},
                                   {"architecture", object.architecture},
                                   {"targets", object.targets},
                                   {"bytes", object.bytes.size()}});

  manifest["kernels"] = json::array();
  for (size_t index = 0; index < compiled.module.kernels.size(); ++index) {
    const KernelSpec &kernel = compiled.module.kernels[index];
    json entry = {{"symbol", kernel.name},
                  {"op", opName(kernel.kind)},
                  {"cache", compiled.module.caches[kernel.cache].name},
                  {"q_type", typeName(kernel.qType)}};
    if (kernel.kind != KV_OP_APPEND) {
      entry["o_type"] = typeName(kernel.oType);
      entry["lse"] = kernel.hasLse;
      entry["heads_q"] = kernel.headsQ;
      entry["min_queries"] = kernel.minQueries;
      entry["max_queries"] = kernel.maxQueries;
      entry["mask"] = maskWord(kernel);
      entry["scale"] = kernel.scale;
      entry["accuracy"] = stringifyAccuracy(kernel.accuracy).str();
      entry["tolerance"] = accuracyBound(kernel.accuracy, InputKind::normal);
      entry["arguments"] = json::array();
      for (const auto &[name, role] : kernel.params)
        entry["arguments"].push_back(
            {{"name", name}, {"type", "f32"}, {"axes", {"Hq"}}, {"role", stringifyArgumentRole(role).str()}});
    }
    entry["variants"] = json::array();
    for (const Variant &variant : compiled.variants)
      if (variant.kernel == index)
        entry["variants"].push_back({{"target", variant.target},
                                     {"base", variant.base},
                                     {"route", variant.route},
                                     {"architecture", variant.architecture},
                                     {"features", variant.features},
                                     {"append", symbolJson(variant.run[KV_PHASE_APPEND])},
                                     {"attend", symbolJson(variant.run[KV_PHASE_ATTEND])},
                                     {"merge", symbolJson(variant.run[KV_PHASE_MERGE])},
                                     {"split_tokens", variant.splitTokens},
                                     {"align_tokens", variant.alignTokens},
                                     {"query_block", variant.queryBlock},
                                     {"item_heads", variant.itemHeads},
                                     {"scratch_bytes", variant.scratchBytes},
                                     {"row_bytes", variant.rowBytes}});
    entry["devices"] = json::array();
    for (const DeviceVariant &variant : compiled.deviceVariants)
      if (variant.kernel == index)
        entry["devices"].push_back({{"target", variant.target},
                                    {"capability", compiled.device(variant.target).capability},
                                    {"entry", variant.entry()},
                                    {"append_entry", symbolJson(variant.appendEntry())},
                                    {"threads", variant.threads},
                                    {"shared_bytes", variant.sharedBytes},
                                    {"split_tokens", variant.splitTokens},
                                    {"align_tokens", variant.alignTokens},
                                    {"query_block", variant.queryBlock},
                                    {"row_bytes", variant.rowBytes}});
    manifest["kernels"].push_back(entry);
  }
  return jsonText(manifest);
}

} // namespace kv
