// Wall time of the steps of a compilation, for `kvcc compile --timing`.
#ifndef KV_DRIVER_TIMING_H
#define KV_DRIVER_TIMING_H

#include <chrono>
#include <string>
#include <vector>

namespace kv {

class Timing {
public:
  struct Step {
    std::string name;
    double milliseconds;
  };

  /// Adds the time since the last call (or the start) under `name`.
  void mark(std::string name) {
    auto moment = std::chrono::steady_clock::now();
    steps.push_back({std::move(name), std::chrono::duration<double, std::milli>(moment - last).count()});
    last = moment;
  }

  /// Since this was made. Steps that ran side by side take more together.
  double total() const { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count(); }

  std::vector<Step> steps;

private:
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now(), last = start;
};

} // namespace kv

#endif
