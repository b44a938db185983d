// The C header of a compiled file. Comments carry what a caller cannot ask the descriptor at run time: what the tensors mean, where
// every byte of a page is, and what can go wrong.
#include "compiler/driver/Artifacts.h"
#include "compiler/frontend/HeaderNames.h"
#include "compiler/reference/Tolerance.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

#include <fmt/format.h>
#include <iterator>

using namespace llvm;

namespace kv {
namespace {

/// `KV_GENERATED_LLAMA3_<hash>_H`: headers of different text have different guards, whatever they are called.
std::string guardName(StringRef name, StringRef text) {
  std::string guard = "KV_GENERATED_" + name.upper() + "_" + utohexstr(xxh3_64bits(text), /*LowerCase=*/false, 16) + "_H";
  for (char &c : guard)
    if (!isAlnum(c))
      c = '_';
  return guard;
}

/// "h * 2048 + t / 16 * 64 + d": the index of an element as C would compute it.
std::string indexText(const Region &region) {
  std::string text;
  for (const Axis &axis : region.axes) {
    if (axis.extent == 1)
      continue;
    std::string term(1, axis.digit.coordinate);
    if (axis.modulus)
      term += fmt::format(" % {}", axis.modulus);
    if (axis.digit.divisor != 1)
      term += fmt::format(" / {}", axis.digit.divisor);
    if (axis.digit.extent != 0)
      term += fmt::format(" % {}", axis.extent);
    if (axis.stride != 1)
      term += fmt::format(" * {}", axis.stride);
    text += (text.empty() ? "" : " + ") + term;
  }
  return text.empty() ? "0" : text;
}

class HeaderWriter {
public:
  HeaderWriter(const Compiled &compiled, StringRef name, StringRef source) : compiled(compiled), name(name), source(source) {}

  std::string write() {
    begin();
    for (auto [index, cache] : enumerate(compiled.module.caches)) {
      writeCache(cache);
      for (auto [kernelIndex, kernel] : enumerate(compiled.module.kernels))
        if (kernel.cache == index)
          writeKernel(cache, kernel, kernelIndex);
    }
    line("#ifdef __cplusplus\n}}\n#endif\n#endif");
    std::string guard = guardName(name, text);
    text.insert(guardPlace, "#ifndef " + guard + "\n#define " + guard + "\n");
    return std::move(text);
  }

private:
  template <typename... Args> void line(fmt::format_string<Args...> format, Args &&...args) {
    fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
    text += '\n';
  }

  void begin() {
    line("/* {}.h: kernels made by kvcc from {}. Generated: do not edit.", name.str(), source.str());
    line(" *");
    std::string libraries;
    for (const std::string &architecture : compiled.architectures())
      libraries += (libraries.empty() ? "" : " or ") + libraryPath(compiled, name, architecture);
    line(" * Link with {}, and with kvrt (kv/kv.h) to run them:", libraries);
    line(" *");
    line(" *   kv_step step;");
    line(" *   kv_step_init(&step);                      // then the fields that kv/kv_abi.h describes");
    line(" *   kv_status status = kv_run(&{}, &step, NULL);",
         compiled.module.kernels.empty() ? std::string("KERNEL") : compiled.module.kernels.back().name);
    line(" *");
    line(" * Errors: kv_run() and kv_check() look at every field before anything is read or written and return a kv_status;");
    line(" * kv_last_error() says what was seen and which rule it breaks. The kernels' own entry points check nothing.");
    line(" * A value that is not finite is not hidden: its group of the cache, and every output that reads it, becomes NaN.");
    line(" *");
    line(" * Units: strides of tensors in elements, everything else in bytes; lse is a natural logarithm. */");
    guardPlace = text.size();
    line("\n#include \"kv/kv_abi.h\"\n");
    line("#ifdef __cplusplus\nextern \"C\" {{\n#endif\n");
  }

  void writeRegion(const PageMap &map, Region region) {
    char d = region.role == RegionRole::codes ? 'd' : 'g';
    for (Axis &axis : region.axes)
      if (axis.digit.coordinate == 'd')
        axis.digit.coordinate = d;
    line(" *   {:<13} {:>7} .. {:<7} {} of (h, t, {}) at {}", region.title(), region.offset, map.endInTile(region) - 1,
         region.bits == 4 ? "nibble" : fmt::format("{} byte{}", region.bits / 8, region.bits == 8 ? "" : "s"), d,
         elementText(region));
  }

  static std::string elementText(const Region &region) {
    std::string index = indexText(region);
    if (region.bits == 4)
      return fmt::format("{} + ({}) / 2, even indices in the low half", region.offset, index);
    if (region.bits == 8)
      return fmt::format("{} + {}", region.offset, index);
    return fmt::format("{} + {} * ({})", region.offset, region.bits / 8, index);
  }

  void writeCache(const CacheSpec &cache) {
    CacheType type = cache.type;
    double bytes = bytesPerToken(type);
    double half = 2.0 * static_cast<double>(type.getHeads() * (type.getKeyDim() + type.getValueDim()));
    line("/* ---- cache {} ----", cache.name);
    line(" *   {} kv heads, {} key channels, {} value channels", type.getHeads(), type.getKeyDim(), type.getValueDim());
    line(" *   keys    {}", codecText(type.getKey()));
    line(" *   values  {}", codecText(type.getValue()));
    line(" *   layout  {}", layoutText(type.getLayout()));
    line(" *   {:g} bytes a token without padding ({:g} in f16: {:.2f} times as much)", bytes, half, half / bytes);
    line(" *");
    line(" * A page is {} bytes and holds {} slots; h is the kv head, t the slot, d the channel, g the channel's group:",
         cache.map.bytes, cache.map.slots);
    if (cache.map.tile)
      line(" * (in tiles of {} slots of one head, {} bytes each: the ranges are those of the first)", cache.map.tile,
           cache.map.tileBytes);
    for (const Region &region : cache.map.regions)
      writeRegion(cache.map, region);
    if (type.getLayout().getKind() == LayoutKind::dense)
      line(" * The cache is dense: a sequence is one page, and block_table may be null (sequence b is page b).");
    line(" * Caches with equal layout hashes hold interchangeable pages. */");
    const std::string values[] = {fmt::to_string(type.getHeads()),    fmt::to_string(type.getKeyDim()),
                                  fmt::to_string(type.getValueDim()), fmt::to_string(cache.map.slots),
                                  fmt::to_string(cache.map.bytes),    fmt::format("UINT64_C(0x{:016x})", cache.layoutHash)};
    for (auto [macro, value] : zip_equal(cacheMacros, values))
      line("#define {}_{} {}", macroPrefix(cache.name), macro, value);
    line("");
  }

  void writeKernel(const CacheSpec &cache, const KernelSpec &kernel, size_t index) {
    CacheType type = cache.type;
    bool attends = kernel.kind != KV_OP_APPEND, appends = kernel.kind != KV_OP_ATTEND;
    line("/* {}: {}", kernel.name,
         !attends  ? "stores new tokens at the end of their sequences."
         : appends ? "stores new tokens, then attends from them, as one step: the same bits as the two steps in turn."
                   : "attends from queries over the cache, which holds their own tokens already.");
    auto tensor = [&](const char *field, const char *element, int64_t heads, int64_t channels, const char *note) {
      line(" *   {:<4} {:<4} [tokens][{}][{}]{}", field, element, heads, channels, note);
    };
    if (attends)
      tensor("q", typeName(kernel.qType), kernel.headsQ, type.getKeyDim(), "");
    if (appends) {
      tensor("k", typeName(kernel.qType), type.getHeads(), type.getKeyDim(), "");
      tensor("v", typeName(kernel.qType), type.getHeads(), type.getValueDim(), "");
    }
    if (attends) {
      tensor("o", typeName(kernel.oType), kernel.headsQ, type.getValueDim(), "   written");
      if (kernel.hasLse)
        line(" *   lse  f32  [tokens][{}]   written; null when not wanted", kernel.headsQ);
      for (auto [i, param] : enumerate(kernel.params))
        line(" *   arguments[{}]  {}: f32 [{}]{}", i, param.name, kernel.headsQ,
             param.role == ArgumentRole::array ? "" : ", " + stringifyArgumentRole(param.role).str());
      line(" *   s = {:.9g} * q.k{}; mask {}", kernel.scale, kernel.score.empty() ? "" : "; score " + kernel.score, kernel.mask);
      if (kernel.visible.hasLow())
        line(" *   `ranges` says which tokens a step reads; pages of others may be anything");
      line(" *   {} to {} new tokens a sequence", kernel.minQueries, kernel.maxQueries);
      line(" *   accuracy {}: relative RMS error of o at most {:g} against float64 on the stored cache, and o's own rounding",
           stringifyAccuracy(kernel.accuracy).str(), accuracyBound(kernel.accuracy, InputKind::normal));
    }
    std::string targets;
    for (const Variant &variant : compiled.variants)
      if (variant.kernel == index)
        targets += (targets.empty() ? "" : ", ") + variant.target;
    line(" *   variants: {} */", targets.empty() ? "none" : targets);
    line("extern const kv_kernel {} KV_SYMBOL(\"{}\");\n", kernel.name, compiled.ownSymbol(kernel));
  }

  const Compiled &compiled;
  StringRef name, source;
  std::string text;
  size_t guardPlace = 0; ///< in the text
};

} // namespace

std::string makeHeader(const Compiled &compiled, StringRef name, StringRef source) {
  return HeaderWriter(compiled, name, source).write();
}

} // namespace kv
