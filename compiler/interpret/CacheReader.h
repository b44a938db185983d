// Stored elements of a cache's pages, by token and channel.
#ifndef KV_INTERPRET_CACHE_READER_H
#define KV_INTERPRET_CACHE_READER_H

#include "compiler/interpret/Values.h"
#include "compiler/reference/Codec.h"
#include "compiler/reference/Places.h"
#include "kv/kv_tokens.h"

#include <optional>

namespace kv::tiles {

class CacheReader {
public:
  explicit CacheReader(CacheType cache);

  const CacheType cache;
  const PageMap map;

  const Places &codes(Stream stream) const { return all[size_t(stream)][0]; }
  const Places &parameters(Stream stream, CodecParameter parameter) const { return all[size_t(stream)][1 + size_t(parameter)]; }

  /// Where the token of an index of its sequence is.
  kv_place placeOf(int64_t index) const { return kv_place_of(tokens, index); }
  struct Place {
    Address page;
    int64_t slot;
  };
  /// The page and slot of token `token` of a block.
  Place find(const BlockData &block, int64_t token) const;

  /// The number that the codec's bits stand for: a float, or a centred code.
  float number(Stream stream, uint32_t stored) const;
  /// That of a token and channel of a block; past its last token, NaN or the greatest code.
  float number(const BlockData &block, Stream stream, int64_t token, int64_t channel) const;
  /// What they stand for, as the reference decodes it.
  float value(const BlockData &block, Stream stream, int64_t token, int64_t channel) const;
  /// A scale or zero of a token and group; past the last token NaN.
  float parameter(const BlockData &block, Stream stream, CodecParameter parameter, int64_t token, int64_t group) const;

private:
  kv_tokens tokens = {};
  const Codec codecs[2];
  std::vector<Places> all[2]; ///< codes, then scales, then zeros
};

} // namespace kv::tiles

#endif
