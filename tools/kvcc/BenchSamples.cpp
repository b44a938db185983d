#include "tools/kvcc/BenchSamples.h"

#include <algorithm>

namespace kv {

int BenchSamples::stepsOfSample(BenchCase &steps, bool cold) {
  double once = std::max(steps.run(3, cold).seconds, 1e-9);
  return static_cast<int>(std::clamp(1e-3 / once, 1.0, 10000.0));
}

double BenchSamples::take(BenchCase &steps, int count, bool cold) {
  Sample sample = steps.run(count, cold);
  times.add(sample);
  // Yardsticks are short: long steps, of which there are few, get several of each.
  double end = now() + 0.1 * sample.seconds * count;
  do {
    memoryRates.add(steps.machine().bandwidth(cold ? steps.coldMemory() : llvm::ArrayRef<uint8_t>()));
    multiplyAddRates.add(steps.machine().multiplyAddRate());
  } while (now() < end && steps.error().empty());
  return sample.seconds;
}

} // namespace kv
