#include "compiler/reference/PageImage.h"
#include "compiler/reference/codecs/Scalar.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

namespace kv {

PageImage::PageImage(CacheType cache) : map(mapPage(cache)), cache(cache) {
  tokens.kind = KV_TOKENS_PAGED; // of a dense cache, one page
  tokens.page_tokens = map.slots;
  auto places = [&](const char *name, Stream stream) {
    int64_t dim = cache.getDim(stream), group = cache.getCodec(stream).getGroup();
    StreamPlaces result{name, Places(map.codes(stream), cache.getHeads(), map.slots, dim), {}, {}};
    if (const Region *scale = map.find(stream, RegionRole::scale))
      result.scale.emplace(*scale, cache.getHeads(), map.slots, dim / group);
    if (const Region *zero = map.find(stream, RegionRole::zero))
      result.zero.emplace(*zero, cache.getHeads(), map.slots, dim / group);
    return result;
  };
  key = places("key", Stream::key);
  value = places("value", Stream::value);
}

void PageImage::writeStream(const StoredStream &stream, const StreamPlaces &places, int64_t token, PagedMemory memory) const {
  const auto [page, number, slot] = find(memory, token);
  for (int64_t head = 0; head < stream.heads; ++head) {
    for (int64_t d = 0; d < stream.dim; ++d)
      places.codes.store(page, head, slot, d, stream.code(token, head, d));
    for (int64_t group = 0; group < stream.groups; ++group) {
      const GroupParameters &parameters = stream.parameters(token, head, group);
      places.scale->store(page, head, slot, group, parameters.scale);
      if (places.zero)
        places.zero->store(page, head, slot, group, parameters.zero);
    }
  }
}

void PageImage::readStream(StoredStream &stream, const StreamPlaces &places, int64_t token, PagedMemory memory) const {
  const auto [page, number, slot] = find(memory, token);
  std::vector<uint32_t> codes;
  std::vector<GroupParameters> parameters;
  for (int64_t head = 0; head < stream.heads; ++head) {
    for (int64_t d = 0; d < stream.dim; ++d)
      codes.push_back(places.codes.load(page, head, slot, d));
    for (int64_t group = 0; group < stream.groups; ++group)
      parameters.push_back(
          {places.scale->load(page, head, slot, group), places.zero ? places.zero->load(page, head, slot, group) : 0});
  }
  stream.appendStored(codes, parameters);
}

std::optional<std::string> PageImage::compareStream(const StoredStream &stream, const StreamPlaces &places, int64_t token,
                                                    PagedMemory memory) const {
  const auto [page, number, slot] = find(memory, token);
  auto describe = [&](const char *what, int64_t head, const char *unit, int64_t index, uint32_t seen, uint32_t want,
                      const Places &at) {
    return fmt::format(
        "{} {} of token {} (page {}, slot {}), head {}, {} {}: {:#x} is stored, expected {:#x} (byte {} of the page)", places.name,
        what, token, number, slot, head, unit, index, seen, want, at.byte(head, slot, index));
  };
  for (int64_t head = 0; head < stream.heads; ++head) {
    for (int64_t group = 0; group < stream.groups; ++group) {
      const GroupParameters &want = stream.parameters(token, head, group);
      uint32_t seen = places.scale->load(page, head, slot, group);
      if (seen != want.scale)
        return describe("scale", head, "group", group, seen, want.scale, *places.scale);
      if (!places.zero)
        continue;
      seen = places.zero->load(page, head, slot, group);
      if (seen != want.zero)
        return describe("zero", head, "group", group, seen, want.zero, *places.zero);
    }
    llvm::ArrayRef<uint32_t> wanted = stream.codesOf(token, head);
    for (int64_t d = 0; (d = places.codes.findOther(page, head, slot, d, wanted)) < stream.dim; ++d) {
      uint32_t want = wanted[size_t(d)], seen = places.codes.load(page, head, slot, d);
      if (!isSameCode(stream.codec, seen, want))
        return describe("code", head, "channel", d, seen, want, places.codes);
    }
  }
  return std::nullopt;
}

void PageImage::write(const Reference &sequence, int64_t begin, int64_t end, PagedMemory memory) const {
  for (int64_t token = begin; token < end; ++token) {
    writeStream(sequence.key, key, token, memory);
    writeStream(sequence.value, value, token, memory);
  }
}

Reference PageImage::read(int64_t tokens, PagedMemory memory) const {
  Reference sequence(cache);
  for (int64_t token = 0; token < tokens; ++token) {
    readStream(sequence.key, key, token, memory);
    readStream(sequence.value, value, token, memory);
  }
  return sequence;
}

std::optional<std::string> PageImage::compare(const Reference &sequence, PagedMemory memory, int64_t tokens) const {
  for (int64_t token = 0; token < tokens; ++token) {
    if (auto difference = compareStream(sequence.key, key, token, memory))
      return difference;
    if (auto difference = compareStream(sequence.value, value, token, memory))
      return difference;
  }
  return std::nullopt;
}

} // namespace kv
