#include "tools/kvcc/BenchSamples.h"

#include "tools/kvcc/ReadBandwidth.h"

#include <algorithm>

namespace kv {

static double median(std::vector<double> values) {
  auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

int BenchSamples::stepsOfSample(BenchCase &steps, bool cold) {
  double once = std::max(steps.run(3, cold), 1e-9);
  return static_cast<int>(std::clamp(2e-3 / once, 1.0, 10000.0));
}

double BenchSamples::take(BenchCase &steps, int count, bool cold) {
  times.push_back(steps.run(count, cold));
  // Yardsticks are short: long steps, of which there are few, get several of each.
  double end = now() + 0.1 * times.back() * count;
  do {
    memoryRates.push_back(steps.machine().bandwidth());
    multiplyAddRates.push_back(steps.machine().multiplyAddRate());
  } while (now() < end && steps.error().empty());
  return times.back();
}

double BenchSamples::seconds() const { return median(times); }
double BenchSamples::memoryRate() const { return median(memoryRates); }
double BenchSamples::multiplyAddRate() const { return median(multiplyAddRates); }

} // namespace kv
