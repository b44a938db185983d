#include "Decoder.h"
#include "Grid.h"
namespace kv::ptx {
std::span<const Row> mbarrierRows() { return {}; }
void Cta::checkNotMBarrier(const Place &, unsigned, unsigned, const Warp &) const {}
} // namespace kv::ptx
