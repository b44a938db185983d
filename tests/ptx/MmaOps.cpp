#include "Decoder.h"
#include "Grid.h"
namespace kv::ptx {
std::span<const Row> mmaRows() { return {}; }

} // namespace kv::ptx
