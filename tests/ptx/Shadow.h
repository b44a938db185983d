// Shadow.h: who last accessed each word of a block of memory, by bytes where accesses are narrower: data races and hazards of
// asynchronous copies. One write and, after FastTrack (Flanagan and Freund, PLDI 2009), one read or a list of concurrent reads a
// cell.
#ifndef KV_TESTS_PTX_SHADOW_H
#define KV_TESTS_PTX_SHADOW_H

#include "Clocks.h"

#include <array>
#include <functional>

namespace kv::ptx {

/// Who accesses, and how. Strong accesses (atomics, volatile, relaxed and stronger) do not race with each other if both scopes hold
/// both.
struct Accessor {
  Epoch epoch;
  const Clock *known;
  bool strong = false, ctaScope = false, nonCoherent = false;
};

/// The earlier access that is not ordered before the present one.
struct Conflict {
  enum Kind : uint8_t { none, race, pendingWrite, pendingRead, stale } kind = none; // stale: .nc reads what this launch wrote
  bool earlierWrote = false;
  Epoch earlier = 0;
};

class Shadow {
public:
  explicit Shadow(int64_t bytes) : pages((bytes + pageBytes - 1) / pageBytes) {}

  Conflict read(int64_t offset, int64_t bytes, const Accessor &by, uint32_t launch);
  Conflict write(int64_t offset, int64_t bytes, const Accessor &by, uint32_t launch);

  /// An asynchronous copy starts to write or to read: any access to what it writes, and any write to what it reads, conflicts.
  Conflict beginWrite(int64_t offset, int64_t bytes, const Accessor &by, uint32_t launch);
  Conflict beginRead(int64_t offset, int64_t bytes, const Accessor &by, uint32_t launch);
  /// It ends: as if `by` had just made the access. `issuer`: an epoch of the thread that started it.
  void endWrite(int64_t offset, int64_t bytes, const Accessor &by, uint32_t launch);
  void endRead(int64_t offset, int64_t bytes, Epoch issuer, const Accessor &by, uint32_t launch);

  /// A write of this launch to any of the bytes that `accepted` refuses; 0 where there is none.
  Epoch writeNotIn(int64_t offset, int64_t bytes, uint32_t launch, const std::function<bool(Epoch)> &accepted);

private:
  static constexpr int64_t pageBytes = 4096;
  struct Cell {
    uint64_t write = 0, read = 0;
  };
  struct Reader {
    uint32_t cta, thread; // of the warp's first lane
    uint32_t clock, lanes;
    bool strong, ctaScope;
  };
  struct Page {
    uint32_t launch = 0;
    std::array<Cell, pageBytes / 4> cells;
  };

  template <class F> Conflict each(int64_t offset, int64_t bytes, uint32_t launch, F f);
  Cell *page(int64_t word, uint32_t launch);
  Conflict checkWrites(const Cell &cell, const Accessor &by, bool reading) const;
  Conflict checkReads(const Cell &cell, const Accessor &by) const;
  void addRead(Cell &cell, const Accessor &by);
  void clearReads(Cell &cell);
  uint32_t newList();

  std::vector<std::unique_ptr<Page>> pages;
  std::vector<std::array<Cell, 4>> splits;
  std::vector<std::vector<Reader>> lists;
  std::vector<uint32_t> freeLists;
  uint32_t launchOf = 0;
};

} // namespace kv::ptx
#endif
