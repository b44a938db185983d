// A sequence's bytes in pages: what kernels must have stored, where kv::mapPage says that it lies.
#ifndef KV_REFERENCE_PAGEIMAGE_H
#define KV_REFERENCE_PAGEIMAGE_H

#include "compiler/reference/Places.h"
#include "compiler/reference/Reference.h"
#include "kv/kv_tokens.h"

#include <optional>
#include <string>

namespace kv {

/// Pages of one sequence in a caller's memory: where a token is, kv_tokens.h says.
struct PagedMemory {
  uint8_t *pages = nullptr;
  int64_t stride = 0; ///< bytes between pages
  llvm::ArrayRef<int32_t> table;
};

/// Reads and writes the stored bits of tokens. The type's orders must be resolved.
class PageImage {
public:
  explicit PageImage(CacheType cache);

  const PageMap map;

  /// Writes tokens [begin, end) of `sequence`; other bytes, and the other nibble of a byte, stay.
  void write(const Reference &sequence, int64_t begin, int64_t end, PagedMemory memory) const;
  /// Reads the first `tokens` tokens.
  Reference read(int64_t tokens, PagedMemory memory) const;
  /// The first stored element of tokens [0, tokens) that differs, in words; nothing when all agree. NaNs of f32, f16 and bf16
  /// agree, whatever their bits.
  std::optional<std::string> compare(const Reference &sequence, PagedMemory memory, int64_t tokens) const;
  std::optional<std::string> compare(const Reference &sequence, PagedMemory memory) const {
    return compare(sequence, memory, sequence.length());
  }

private:
  struct StreamPlaces {
    const char *name;
    Places codes;
    std::optional<Places> scale, zero;
  };

  /// A token's place in the caller's memory.
  struct Stored {
    uint8_t *page;
    int64_t number, slot; ///< of the page; in it
  };
  Stored find(PagedMemory memory, int64_t token) const {
    const kv_place place = kv_place_of(tokens, token);
    const int64_t number = memory.table[size_t(place.entry)];
    return {memory.pages + number * memory.stride, number, place.slot};
  }
  void writeStream(const StoredStream &stream, const StreamPlaces &places, int64_t token, PagedMemory memory) const;
  void readStream(StoredStream &stream, const StreamPlaces &places, int64_t token, PagedMemory memory) const;
  std::optional<std::string> compareStream(const StoredStream &stream, const StreamPlaces &places, int64_t token,
                                           PagedMemory memory) const;

  CacheType cache;
  kv_tokens tokens = {};
  StreamPlaces key, value;
};

} // namespace kv

#endif
