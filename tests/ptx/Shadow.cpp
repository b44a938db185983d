// Shadow.cpp: see Shadow.h.
#include "Shadow.h"

#include <algorithm>

namespace kv::ptx {
namespace {

// Flags above an epoch. A split cell's write holds the index of its four byte cells; a list's read the index of its readers.
constexpr uint64_t strongFlag = uint64_t(1) << 63, ctaFlag = uint64_t(1) << 62, pendingFlag = uint64_t(1) << 61;
constexpr uint64_t listFlag = uint64_t(1) << 60; // of `read`
constexpr uint64_t splitFlag = listFlag;         // of `write`

uint64_t flagged(const Accessor &by) { return by.epoch | (by.strong ? strongFlag : 0) | (by.strong && by.ctaScope ? ctaFlag : 0); }

bool ordered(uint32_t cta, uint32_t thread, uint32_t clock, const Accessor &by) {
  if (clock == pendingClock)
    return false;
  if (cta == ctaOf(by.epoch) && thread == threadOf(by.epoch))
    return true;
  return by.known->knows(cta, thread, clock);
}

bool morallyStrong(bool strong, bool ctaScope, uint32_t cta, const Accessor &by) {
  return strong && by.strong && (cta == ctaOf(by.epoch) || (!ctaScope && !by.ctaScope));
}

} // namespace

Shadow::Cell *Shadow::page(int64_t word, uint32_t launch) {
  if (launchOf != launch) {
    launchOf = launch;
    splits.clear();
    lists.clear();
    freeLists.clear();
  }
  auto &page = pages[word * 4 / pageBytes];
  if (!page)
    page = std::make_unique<Page>();
  if (page->launch != launch) {
    page->cells.fill({});
    page->launch = launch;
  }
  return page->cells.data();
}

template <class F> Conflict Shadow::each(int64_t offset, int64_t bytes, uint32_t launch, F f) {
  const int64_t end = offset + bytes;
  Cell *cells = nullptr;
  for (int64_t word = offset / 4; word * 4 < end; ++word) {
    if (!cells || word % (pageBytes / 4) == 0)
      cells = page(word, launch);
    Cell &cell = cells[word % (pageBytes / 4)];
    const bool whole = word * 4 >= offset && word * 4 + 4 <= end;
    if (!(cell.write & splitFlag)) {
      if (whole) {
        if (Conflict conflict = f(cell); conflict.kind != Conflict::none)
          return conflict;
        continue;
      }
      std::array<Cell, 4> bytesOfWord;
      bytesOfWord.fill(cell);
      for (Cell &byte : bytesOfWord) // each owns its list
        if (cell.read & listFlag) {
          const uint32_t list = newList();
          lists[list] = lists[cell.read & epochMask];
          byte.read = listFlag | list;
        }
      clearReads(cell);
      cell.write = splitFlag | splits.size();
      splits.push_back(bytesOfWord);
    }
    const size_t split = cell.write & epochMask;
    for (int64_t byte = std::max(offset, word * 4); byte < std::min(end, word * 4 + 4); ++byte)
      if (Conflict conflict = f(splits[split][byte % 4]); conflict.kind != Conflict::none)
        return conflict;
  }
  return {};
}

uint32_t Shadow::newList() {
  if (freeLists.empty()) {
    lists.emplace_back();
    return uint32_t(lists.size() - 1);
  }
  const uint32_t list = freeLists.back();
  freeLists.pop_back();
  lists[list].clear();
  return list;
}

Conflict Shadow::checkWrites(const Cell &cell, const Accessor &by, bool reading) const {
  if (!cell.write)
    return {};
  if (cell.write & pendingFlag)
    return {Conflict::pendingWrite, true, cell.write};
  if (reading && by.nonCoherent)
    return {Conflict::stale, true, cell.write};
  const uint32_t cta = ctaOf(cell.write), thread = threadOf(cell.write);
  if (ordered(cta, thread, clockOf(cell.write), by) || morallyStrong(cell.write & strongFlag, cell.write & ctaFlag, cta, by))
    return {};
  return {Conflict::race, true, cell.write};
}

Conflict Shadow::checkReads(const Cell &cell, const Accessor &by) const {
  if (!cell.read)
    return {};
  auto check = [&](uint32_t cta, uint32_t thread, uint32_t clock, bool strong, bool ctaScope) -> Conflict {
    if (ordered(cta, thread, clock, by) || (clock != pendingClock && morallyStrong(strong, ctaScope, cta, by)))
      return {};
    return {clock == pendingClock ? Conflict::pendingRead : Conflict::race, false, makeEpoch(cta, thread, clock)};
  };
  if (!(cell.read & listFlag))
    return check(ctaOf(cell.read), threadOf(cell.read), clockOf(cell.read), cell.read & strongFlag, cell.read & ctaFlag);
  for (const Reader &reader : lists[cell.read & epochMask])
    for (uint32_t lanes = reader.lanes; lanes; lanes &= lanes - 1) {
      const uint32_t thread = reader.thread + unsigned(__builtin_ctz(lanes));
      if (Conflict conflict = check(reader.cta, thread, reader.clock, reader.strong, reader.ctaScope);
          conflict.kind != Conflict::none)
        return conflict;
    }
  return {};
}

void Shadow::clearReads(Cell &cell) {
  if (cell.read & listFlag)
    freeLists.push_back(uint32_t(cell.read & epochMask));
  cell.read = 0;
}

void Shadow::addRead(Cell &cell, const Accessor &by) {
  const uint64_t mine = flagged(by);
  if (cell.read == mine)
    return;
  const uint32_t cta = ctaOf(by.epoch), thread = threadOf(by.epoch), clock = clockOf(by.epoch), first = thread & ~31u;
  if (!cell.read) {
    cell.read = mine;
    return;
  }
  if (!(cell.read & listFlag)) {
    const Epoch old = cell.read;
    if (ordered(ctaOf(old), threadOf(old), clockOf(old), by)) {
      cell.read = mine;
      return;
    }
    const uint32_t list = newList();
    lists[list].push_back({ctaOf(old), threadOf(old) & ~31u, clockOf(old), 1u << (threadOf(old) & 31), (old & strongFlag) != 0,
                           (old & ctaFlag) != 0});
    cell.read = listFlag | list;
  }
  auto &readers = lists[cell.read & epochMask];
  const uint32_t bit = 1u << (thread & 31);
  Reader &last = readers.back();
  auto fits = [&](const Reader &reader) {
    return reader.cta == cta && reader.thread == first && reader.clock == clock && reader.strong == by.strong &&
           reader.ctaScope == by.ctaScope;
  };
  if (fits(last)) {
    last.lanes |= bit;
    return;
  }
  Reader mineReader{cta, first, clock, bit, by.strong, by.ctaScope};
  size_t kept = 0;
  for (Reader &reader : readers) { // drops what is ordered before this read: who is ordered after it is ordered after those too
    if (fits(reader)) {
      mineReader.lanes |= reader.lanes;
      continue;
    }
    if (reader.cta == cta && reader.thread == first && reader.clock < clock)
      reader.lanes &= ~bit;
    bool allOrdered = true;
    for (uint32_t lanes = reader.lanes; lanes && allOrdered; lanes &= lanes - 1)
      allOrdered = ordered(reader.cta, reader.thread + unsigned(__builtin_ctz(lanes)), reader.clock, by);
    if (!allOrdered)
      readers[kept++] = reader;
  }
  readers.resize(kept);
  readers.push_back(mineReader);
}

// Neighbouring cells mostly hold the same: what was found in order for one is not looked at again for the next.
Conflict Shadow::read(int64_t offset, int64_t bytes, const Accessor &by, uint32_t launch) {
  const uint64_t mine = flagged(by);
  uint64_t orderedWrite = 0, replacedRead = 0;
  return each(offset, bytes, launch, [&](Cell &cell) {
    if (cell.write != orderedWrite) {
      if (const Conflict conflict = checkWrites(cell, by, true); conflict.kind != Conflict::none)
        return conflict;
      orderedWrite = cell.write;
    }
    if (cell.read == replacedRead) {
      cell.read = mine;
    } else if (cell.read != mine) {
      const uint64_t before = cell.read;
      addRead(cell, by);
      if (cell.read == mine)
        replacedRead = before;
    }
    return Conflict{};
  });
}

Conflict Shadow::write(int64_t offset, int64_t bytes, const Accessor &by, uint32_t launch) {
  const uint64_t mine = flagged(by);
  uint64_t orderedWrite = 0, orderedRead = 0;
  return each(offset, bytes, launch, [&](Cell &cell) {
    if (cell.write != orderedWrite) {
      if (const Conflict conflict = checkWrites(cell, by, false); conflict.kind != Conflict::none)
        return conflict;
      orderedWrite = cell.write;
    }
    if (cell.read != orderedRead) {
      if (const Conflict conflict = checkReads(cell, by); conflict.kind != Conflict::none)
        return conflict;
      if (!(cell.read & listFlag))
        orderedRead = cell.read;
    }
    // A strong access keeps the strong reads that it does not follow: a later plain write has to be ordered after them too.
    if (!by.strong)
      clearReads(cell);
    cell.write = mine;
    return Conflict{};
  });
}

Conflict Shadow::beginWrite(int64_t offset, int64_t bytes, const Accessor &by, uint32_t launch) {
  return each(offset, bytes, launch, [&](Cell &cell) {
    Conflict conflict = checkWrites(cell, by, false);
    if (conflict.kind == Conflict::none)
      conflict = checkReads(cell, by);
    if (conflict.kind != Conflict::none)
      return conflict;
    clearReads(cell);
    cell.write = by.epoch | pendingFlag;
    return Conflict{};
  });
}

Conflict Shadow::beginRead(int64_t offset, int64_t bytes, const Accessor &by, uint32_t launch) {
  Accessor pending = by;
  pending.epoch |= pendingClock;
  return each(offset, bytes, launch, [&](Cell &cell) {
    Conflict conflict = checkWrites(cell, by, true);
    if (conflict.kind == Conflict::none)
      addRead(cell, pending);
    return conflict;
  });
}

void Shadow::endWrite(int64_t offset, int64_t bytes, const Accessor &by, uint32_t launch) {
  each(offset, bytes, launch, [&](Cell &cell) {
    cell.write = by.epoch;
    return Conflict{};
  });
}

void Shadow::endRead(int64_t offset, int64_t bytes, Epoch issuer, const Accessor &by, uint32_t launch) {
  const uint32_t cta = ctaOf(issuer), thread = threadOf(issuer), bit = 1u << (thread & 31);
  each(offset, bytes, launch, [&](Cell &cell) {
    if (cell.read && !(cell.read & listFlag)) {
      if (ctaOf(cell.read) == cta && threadOf(cell.read) == thread)
        cell.read = by.epoch;
      return Conflict{};
    }
    if (!cell.read)
      return Conflict{};
    auto &readers = lists[cell.read & epochMask];
    for (Reader &reader : readers)
      if (reader.cta == cta && reader.thread == (thread & ~31u) && reader.clock == pendingClock)
        reader.lanes &= ~bit;
    std::erase_if(readers, [](const Reader &reader) { return !reader.lanes; });
    if (readers.empty())
      clearReads(cell);
    addRead(cell, by);
    return Conflict{};
  });
}

Epoch Shadow::writeNotIn(int64_t offset, int64_t bytes, uint32_t launch, const std::function<bool(Epoch)> &accepted) {
  return each(offset, bytes, launch,
              [&](Cell &cell) {
                if (!cell.write || accepted(cell.write & epochMask))
                  return Conflict{};
                return Conflict{Conflict::stale, true, cell.write};
              })
      .earlier;
}

} // namespace kv::ptx
