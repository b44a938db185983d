#include "tools/kvcc/Stopwatch.h"

#include <algorithm>
#include <ctime>
#include <sys/resource.h>

namespace kv {

/// Wall time over CPU time, less 1, of a try that was not preempted: reading the clocks and interrupts take less.
static constexpr double mostExcess = 0.02;
static constexpr int mostRepeats = 20;
/// Long steps have few chances to run through at all; their tries must not take minutes.
static constexpr double mostSecondsOfTries = 2;

static double read(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double now() { return read(CLOCK_MONOTONIC); }

namespace {

class SystemClock : public Clock {
public:
  Moment moment() override {
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    double cpu = read(CLOCK_THREAD_CPUTIME_ID);
    return {now(), cpu, usage.ru_nivcsw};
  }
};

} // namespace

Clock &systemClock() {
  static SystemClock clock;
  return clock;
}

Sample Stopwatch::stop() const {
  Moment end = clock.moment();
  double wall = end.wall - start.wall, cpu = end.cpu - start.cpu;
  double excess = wall / std::max(cpu, 1e-9) - 1;
  auto switches = threads > 1 ? static_cast<double>(end.switches - start.switches) : 0;
  if (excess <= mostExcess && switches == 0)
    return {wall};
  return {threads > 1 ? wall : cpu, std::max(excess, 0.0) + switches};
}

Sample undisturbed(const std::function<Sample()> &take, Clock &clock) {
  double start = clock.moment().wall;
  Sample best = take();
  int tries = 1;
  while (best.disturbance > 0 && tries <= mostRepeats && clock.moment().wall - start < mostSecondsOfTries) {
    Sample next = take();
    ++tries;
    if (next.disturbance < best.disturbance)
      best = next;
  }
  best.repeats = tries - 1;
  return best;
}

void Samples::add(double value, const Sample &sample) {
  values.push_back(value);
  repeated += sample.repeats;
  disturbed += sample.disturbance > 0;
}

double Samples::quantile(double fraction) const {
  std::vector<double> sorted = values;
  auto at = sorted.begin() + static_cast<ptrdiff_t>(fraction * static_cast<double>(sorted.size()));
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}

size_t fastestOf(size_t count, const std::function<Rate(size_t)> &measure) {
  std::vector<Samples> rates(count);
  for (int round = 0; round < 7; ++round)
    for (size_t i = 0; i < count; ++i)
      rates[i].add(measure(i));
  auto slower = [](const Samples &a, const Samples &b) { return a.median() < b.median(); };
  return static_cast<size_t>(std::max_element(rates.begin(), rates.end(), slower) - rates.begin());
}

} // namespace kv
