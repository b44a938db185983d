// Times work that nothing else took the processor from. `bench`, its yardsticks, kv_bench, the race of routes and peer_ggml.cpp
// measure with it, so it needs the standard library alone.
//
// A try is preempted when its wall time exceeds the CPU time of the calling thread by 2 %, or, with several threads, when a thread
// of the process was switched out against its will. Such a try is repeated. Assumes that the calling thread works or spins while it
// is timed; where it sleeps (a GPU's work), nothing is to be timed here. Time that a hypervisor took counts as preemption where the
// system says so (steal time): Linux leaves it out of CPU time then.
#ifndef KV_TOOLS_KVCC_STOPWATCH_H
#define KV_TOOLS_KVCC_STOPWATCH_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace kv {

/// What the calling thread can read of its own progress.
struct Moment {
  double wall = 0;      ///< seconds since some moment
  double cpu = 0;       ///< seconds that the calling thread has run
  int64_t switches = 0; ///< times that a thread of this process was switched out while it could have run on
};

class Clock {
public:
  virtual ~Clock() = default;
  virtual Moment moment() = 0;
};

/// The system's.
Clock &systemClock();

/// Seconds since some moment, by the system's clock.
double now();

/// A time, and what was in its way.
struct Sample {
  double seconds = 0;
  double disturbance = 0; ///< 0: none. Else wall over CPU time, less 1, and 1 more for each switch: orders the tries of one sample.
  int repeats = 0;        ///< tries before this one that were preempted
};

/// How much a second, and the sample that says so.
struct Rate {
  double perSecond = 0;
  Sample sample;
};

/// Times one try.
class Stopwatch {
public:
  /// `threads` do the work, the calling one among them. Starts at once.
  explicit Stopwatch(int threads, Clock &clock = systemClock()) : threads(threads), clock(clock), start(clock.moment()) {}

  /// Since the start. A preempted try of one thread counts its CPU time, one of several its wall time.
  Sample stop() const;

private:
  int threads;
  Clock &clock;
  Moment start;
};

/// Calls `take` until a try is not preempted, 21 times at most, and no more once the tries have taken two seconds. When all are
/// preempted, the least disturbed one counts, and its disturbance says so.
Sample undisturbed(const std::function<Sample()> &take, Clock &clock = systemClock());

/// Samples of one quantity.
class Samples {
public:
  void add(double value, const Sample &sample);
  void add(const Sample &sample) { add(sample.seconds, sample); }
  void add(const Rate &rate) { add(rate.perSecond, rate.sample); }

  size_t size() const { return values.size(); }
  /// The middle value; of an even number of them the upper one. There must be some.
  double median() const { return quantile(0.5); }
  /// The middle half's width over the median.
  double spread() const { return (quantile(0.75) - quantile(0.25)) / median(); }
  /// Tries that were preempted and repeated.
  int repeats() const { return repeated; }
  /// Samples that were preempted in every try.
  int preempted() const { return disturbed; }

private:
  double quantile(double fraction) const;

  std::vector<double> values;
  int repeated = 0, disturbed = 0;
};

/// The one of `count` things that is fastest by the median of several rounds, in which they take turns.
size_t fastestOf(size_t count, const std::function<Rate(size_t)> &measure);

} // namespace kv

#endif
