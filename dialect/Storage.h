// Where every code, scale and zero of a cache lies inside a page. The one place that knows it: kernels, the reference, headers
// and documentation all ask here.
#ifndef KV_STORAGE_H
#define KV_STORAGE_H

#include "dialect/KvTypes.h"
#include "llvm/ADT/STLExtras.h"

#include <optional>

namespace kv {

/// A digit with its extent resolved and its stride in elements.
struct Axis {
  Digit digit;
  int64_t extent;
  int64_t stride;
  int64_t modulus = 0; ///< the digit is one of the coordinate modulo this: tokens of a tile that the digits pad; 0: of all of it

  int64_t index(int64_t coordinate) const { return (modulus ? coordinate % modulus : coordinate) / digit.divisor % extent; }
};

/// The streams of a cache, in the order of their regions.
inline constexpr Stream allStreams[] = {Stream::key, Stream::value};

/// What the elements of a region are: codes, or the parameters of their groups.
enum class RegionRole { codes, scale, zero };

/// Where one kind of element lies in a page, in the order of its axes (slowest first); with tiles, a run in each of them.
struct Region {
  Stream stream = Stream::key;
  RegionRole role = RegionRole::codes;
  int64_t offset = 0; ///< bytes from the start of the page, a multiple of 64
  int64_t bytes = 0;  ///< from its first to its last; padding of the digits included, padding to 64 not
  int64_t bits = 0;   ///< of an element: 32, 16, 8 or 4
  llvm::SmallVector<Axis> axes;

  /// Index of the element of kv head h, slot t and channel (or group) d.
  int64_t element(int64_t h, int64_t t, int64_t d) const;
  /// Byte of that element from the start of the page; a 4-bit element with an odd index is its high nibble.
  int64_t byte(int64_t h, int64_t t, int64_t d) const { return offset + element(h, t, d) * bits / 8; }
  /// "key", "key_scale": the stream, and what is no codes after a separator.
  std::string name(llvm::StringRef separator = "_") const;
  /// "key codes", "key scales".
  std::string title() const;
};

/// What stores codes has one head and whole aligned runs of so many tokens to itself; other threads may store what lies beside
/// them.
inline constexpr int64_t storedRun = 16;

/// Whether the two 4-bit codes of a byte are always stored by the same thread, in an order that ends with this digit.
bool keepsBytesApart(const Digit &fastest);

/// A page, or each of its tiles: regions each at a multiple of 64 bytes, one after another.
struct PageMap {
  /// Codes of all streams first; then, stream by stream, scales and zeros, in the order [h, t/16, group, t%16].
  llvm::SmallVector<Region, 6> regions;
  int64_t bytes = 0;     ///< of a page, a multiple of 64
  int64_t slots = 0;     ///< tokens of a page
  int64_t tile = 0;      ///< tokens of a tile; 0: there are none
  int64_t tileBytes = 0; ///< of a tile, or of the page where there are none

  /// Null where the stream has no such elements.
  const Region *find(Stream stream, RegionRole role) const;
  /// One that is there.
  const Region &at(Stream stream, RegionRole role) const;
  const Region &codes(Stream stream) const { return at(stream, RegionRole::codes); }
  /// The regions of a stream: codes, then scales, then zeros.
  auto of(Stream stream) const {
    return llvm::make_filter_range(regions, [stream](const Region &region) { return region.stream == stream; });
  }

  /// Past the last byte of a region in the first tile.
  int64_t endInTile(const Region &region) const { return region.offset + region.bytes - (bytes - tileBytes); }
  /// Slots that regions have room for.
  int64_t paddedSlots() const { return (slots + (tile ? tile : 16) - 1) / (tile ? tile : 16) * (tile ? tile : 16); }
};

/// The map of a page of `cache`; its orders must be resolved (see resolveAuto).
PageMap mapPage(CacheType cache);

/// `cache` with `auto` orders replaced by the order of tokens in lanes that CPU families want, in tiles where both are `auto`.
CacheType resolveAuto(CacheType cache);

/// A cache whose page holds a block of `tokens` tokens of one head of `cache`, whose orders are resolved, in the same orders. Rows
/// of 16-bit channels are longer by eight: eight rows then lie in different banks of shared memory.
CacheType stagedCache(CacheType cache, int64_t tokens);

/// Bytes that one token adds to a cache: codes, scales and zeros of all heads, without padding.
double bytesPerToken(CacheType cache);

} // namespace kv

#endif
