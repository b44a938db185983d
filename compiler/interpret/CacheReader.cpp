#include "compiler/interpret/CacheReader.h"
#include "compiler/reference/codecs/Integer.h"
#include "compiler/reference/codecs/Scalar.h"

#include <limits>

namespace kv::tiles {

CacheReader::CacheReader(CacheType cache)
    : cache(cache), map(mapPage(cache)), codecs{Codec(cache.getKey()), Codec(cache.getValue())} {
  tokens.kind = KV_TOKENS_PAGED; // of a dense cache, one page
  tokens.page_tokens = map.slots;
  for (Stream stream : allStreams)
    for (const Region &region : map.of(stream)) {
      const bool isFirst = all[size_t(stream)].empty();
      const int64_t channels = isFirst ? cache.getDim(stream) : cache.getGroups(stream);
      all[size_t(stream)].emplace_back(region, cache.getHeads(), map.slots, channels);
    }
}

CacheReader::Place CacheReader::find(const BlockData &block, int64_t token) const {
  const kv_place place = placeOf(block.token + token);
  return {block.pages + block.table[place.entry] * block.stride, place.slot};
}

float CacheReader::number(Stream stream, uint32_t stored) const {
  CodecAttr codec = cache.getCodec(stream);
  if (!codec.hasScale())
    return decodeScalar(codec.getElement(), stored);
  const int64_t range = int64_t(1) << codec.bits();
  int64_t code = int64_t(stored);
  if (!isOffsetBinary(codec.getElement()) && code >= range / 2)
    code -= range;
  code -= codec.storedBias();
  return float(codec.hasZero() ? code - range / 2 : code);
}

float CacheReader::number(const BlockData &block, Stream stream, int64_t token, int64_t channel) const {
  CodecAttr codec = cache.getCodec(stream);
  if (token >= block.count)
    return codec.hasScale() ? float((1 << (codec.bits() - 1)) - 1) : std::numeric_limits<float>::quiet_NaN();
  const Place place = find(block, token);
  return number(stream, codes(stream).load(place.page, block.head, place.slot, channel));
}

float CacheReader::value(const BlockData &block, Stream stream, int64_t token, int64_t channel) const {
  if (!cache.getCodec(stream).hasScale())
    return number(block, stream, token, channel);
  float value = std::numeric_limits<float>::quiet_NaN();
  if (token >= block.count)
    return value;
  const Place place = find(block, token);
  const int64_t group = channel / cache.getRun(stream);
  auto load = [&](const Places &places, int64_t d) { return places.load(place.page, block.head, place.slot, d); };
  GroupParameters stored = {load(parameters(stream, CodecParameter::scale), group), 0};
  if (cache.getCodec(stream).hasZero())
    stored.zero = load(parameters(stream, CodecParameter::zero), group);
  const uint32_t code = load(codes(stream), channel);
  decodeGroup(codecs[size_t(stream)], code, stored, value);
  return value;
}

float CacheReader::parameter(const BlockData &block, Stream stream, CodecParameter parameter, int64_t token, int64_t group) const {
  if (token >= block.count)
    return std::numeric_limits<float>::quiet_NaN();
  const Place place = find(block, token);
  const uint32_t stored = parameters(stream, parameter).load(place.page, block.head, place.slot, group);
  return decodeScalar(cache.getCodec(stream).getScale(), stored);
}

} // namespace kv::tiles
