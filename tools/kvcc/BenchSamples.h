// What is measured in turn, so that all of it meets the same noise: steps, the machine's memory, its multiply-adds.
#ifndef KV_TOOLS_KVCC_BENCHSAMPLES_H
#define KV_TOOLS_KVCC_BENCHSAMPLES_H

#include "tools/kvcc/BenchCase.h"

namespace kv {

class BenchSamples {
public:
  /// Steps of a sample that is long enough for the clock and for the first step's surprises not to matter, and short enough to fit
  /// into the time that a scheduler gives a thread among others; found by running a few.
  static int stepsOfSample(BenchCase &steps, bool cold);

  /// Runs `count` steps and then each of the machine's yardsticks. Seconds of one step.
  double take(BenchCase &steps, int count, bool cold);

  size_t size() const { return times.size(); }
  const Samples &seconds() const { return times; } ///< of one step
  const Samples &memoryRate() const { return memoryRates; }
  const Samples &multiplyAddRate() const { return multiplyAddRates; }

private:
  Samples times, memoryRates, multiplyAddRates;
};

} // namespace kv

#endif
