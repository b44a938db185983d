// Grid.cpp: the schedule. Seed 0 runs warps in order from wait to wait; any other seed picks warps and slices at random.
#include "Async.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace kv::ptx {
namespace {

/// At least what a small GPU holds at once: CTAs that wait for each other must not rely on more.
constexpr unsigned residentCtas = 8;

int64_t sharedBytes(const Grid &grid) { return int64_t(grid.kernel.dynamicShared - sharedStart) + grid.dynamicShared; }

void failStuck(const Cta &cta, const char *why) {
  for (const auto &warp : cta.warps)
    if (warp->status == Warp::Status::waiting || (warp->status == Warp::Status::ready && warp->yielded))
      warp->fail(FaultKind::deadlock, why, unsigned(__builtin_ctz(warp->active())));
}

/// A CTA that has ended must not leave bulk copies that still write its shared memory.
void checkEnd(const Cta &cta) {
  for (const AsyncEvent &event : cta.events)
    if (event.kind == AsyncEvent::bulk)
      event.warp->failAt(FaultKind::asyncHazard, "a bulk copy that nobody waited for before the CTA ended", event.lane,
                         event.barrier);
}

} // namespace

Cta::Cta(Grid &grid, uint32_t index)
    : grid(grid), index(index), position{index % grid.grid.x, index / grid.grid.x % grid.grid.y, index / grid.grid.x / grid.grid.y},
      threads(grid.block.count()), shared(sharedStart, sharedBytes(grid)), live((threads + warpSize - 1) / warpSize) {
  for (unsigned warp = 0; warp < live; ++warp)
    warps.push_back(std::make_unique<Warp>(*this, warp, grid.kernel));
  grid.stats.warps += live;
}

void Grid::runSome(std::vector<std::unique_ptr<Cta>> &resident) {
  const size_t firstCta = seed ? choose(unsigned(resident.size())) : 0;
  for (size_t c = 0; c < resident.size(); ++c) {
    Cta &cta = *resident[(firstCta + c) % resident.size()];
    const size_t firstWarp = seed ? choose(unsigned(cta.warps.size())) : 0;
    bool ran = false;
    for (size_t w = 0; w < cta.warps.size(); ++w) {
      Warp &warp = *cta.warps[(firstWarp + w) % cta.warps.size()];
      if (warp.status != Warp::Status::ready)
        continue;
      const uint64_t before = warp.steps;
      warp.run(seed ? uint64_t(1) << choose(11) : 1 << 20);
      stats.instructions += warp.steps - before;
      ran = true;
      if (seed) // choose again
        return;
    }
    if (ran && !std::all_of(cta.warps.begin(), cta.warps.end(), [](const auto &warp) { return warp->yielded; }))
      return;
    if (ran && c + 1 == resident.size())
      return;
  }
  if (std::none_of(resident.begin(), resident.end(), [](const auto &cta) {
        return std::any_of(cta->warps.begin(), cta->warps.end(),
                           [](const auto &warp) { return warp->status == Warp::Status::ready; });
      }))
    for (const auto &cta : resident)
      failStuck(*cta, "waits for threads that wait or have ended");
}

void Grid::run() {
  std::vector<uint32_t> order(grid.count());
  std::iota(order.begin(), order.end(), 0u);
  if (seed)
    std::shuffle(order.begin(), order.end(), random);
  const size_t most = residentCtas << choose(3);
  std::vector<std::unique_ptr<Cta>> resident;
  for (size_t next = 0; next < order.size() || !resident.empty();) {
    while (next < order.size() && resident.size() < most)
      resident.push_back(std::make_unique<Cta>(*this, order[next++]));
    runSome(resident);
    for (const auto &cta : resident)
      if (!cta->live)
        checkEnd(*cta);
    std::erase_if(resident, [](const auto &cta) { return !cta->live; });
    if (stats.instructions > machine.options.instructionLimit && !resident.empty()) {
      const Warp &warp = *resident.front()->warps.front();
      warp.fail(FaultKind::deadlock,
                fmt::format("the launch ran for more than {} warp instructions", machine.options.instructionLimit), 0);
    }
  }
}

} // namespace kv::ptx
