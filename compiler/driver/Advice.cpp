#include "compiler/driver/Advice.h"

#include "llvm/ADT/STLExtras.h"

#include <fmt/format.h>

using namespace llvm;

namespace kv {
namespace {

/// Padding that is worth a warning: a page of one token in `auto` order has room for 16.
constexpr double muchPadding = 4;
/// Groups that are worth proposing.
constexpr int64_t smallGroup = 8;

class Adviser {
public:
  Adviser(size_t index, const CacheSpec &spec, const CheckedCache &checked, std::vector<Advice> &found)
      : index(index), spec(spec), checked(checked), found(found) {}

  void run() {
    advisePadding();
    if (checked.key.bits() == 4)
      add(checked.key.syntax->range, false,
          fmt::format(
              "keys of 4 bits with scales for groups of channels alone cost a model 7 to 20 % of perplexity, values of 4 bits "
              "0.3 %: `k: i8 v: {}` keeps them apart (Codecs in language.md)",
              stringifyElement(checked.value.bits() == 4 ? checked.value.element : checked.key.element).str()));
    adviseGroup(Stream::key, checked.key, spec.type.getKeyDim());
    if (!checked.syntax->sharedCodec || spec.type.getKeyDim() != spec.type.getValueDim())
      adviseGroup(Stream::value, checked.value, spec.type.getValueDim());
  }

private:
  void add(SMRange range, bool isWarning, std::string text) { found.push_back({index, range, std::move(text), isWarning}); }

  void advisePadding() {
    double needed = bytesPerToken(spec.type) * static_cast<double>(spec.map.slots);
    double times = static_cast<double>(spec.map.bytes) / needed;
    if (times > muchPadding)
      add(checked.syntax->layout.kind.range, true,
          fmt::format("a page takes {} bytes for {} slots of {:g}: {:.0f} times what they need, for padding", spec.map.bytes,
                      spec.map.slots, bytesPerToken(spec.type), times));
  }

  /// Where smaller groups take no more bytes, as scales fill up what was padding.
  void adviseGroup(Stream stream, const CheckedCodec &codec, int64_t dim) {
    if (!codec.isInteger())
      return;
    for (int64_t group = smallGroup; group < codec.group; ++group)
      if (dim % group == 0 && bytesWith(stream, group) == spec.map.bytes)
        return add(codec.syntax->range, false,
                   fmt::format("{} in groups of {} channels take no more bytes a page than in groups of {}, for padding",
                               stream == Stream::key && !checked.syntax->sharedCodec ? "keys"
                               : stream == Stream::value                             ? "values"
                                                                                     : "keys and values",
                               group, codec.group));
  }

  int64_t bytesWith(Stream stream, int64_t group) const {
    CacheType type = spec.type;
    auto regrouped = [&](CodecAttr codec) {
      return CodecAttr::get(type.getContext(), codec.getElement(), group, codec.getZero(), codec.getScale());
    };
    bool isKey = stream == Stream::key, isValue = !isKey || checked.syntax->sharedCodec;
    return mapPage(CacheType::get(type.getContext(), type.getName(), type.getHeads(), type.getKeyDim(), type.getValueDim(),
                                  isKey ? regrouped(type.getKey()) : type.getKey(),
                                  isValue ? regrouped(type.getValue()) : type.getValue(), type.getLayout()))
        .bytes;
  }

  size_t index;
  const CacheSpec &spec;
  const CheckedCache &checked;
  std::vector<Advice> &found;
};

} // namespace

std::vector<Advice> findAdvice(const Source &source) {
  std::vector<Advice> found;
  ModuleSpec spec = source.spec();
  for (auto [index, cache] : enumerate(spec.caches)) {
    auto checked = find_if(source.checked().caches, [&](const CheckedCache &checked) { return checked.name() == cache.name; });
    Adviser(index, cache, *checked, found).run();
  }
  return found;
}

void warnOfCaches(Source &source) {
  for (const Advice &advice : findAdvice(source))
    if (advice.isWarning)
      source.sources().PrintMessage(errs(), advice.range.Start, SourceMgr::DK_Warning, advice.text, advice.range, {},
                                    /*ShowColors=*/false);
}

} // namespace kv
