// What counts as preempted, how often it is repeated, and what counts when every try was: on a clock that the tests turn.
#include "tools/kvcc/Stopwatch.h"

#include <gtest/gtest.h>

#include <thread>

namespace kv {
namespace {

class FakeClock : public Clock {
public:
  Moment moment() override { return time; }
  /// Work of some seconds that something else interrupted for `away` seconds and so many times.
  void work(double seconds, double away = 0, int64_t switches = 0) {
    time.wall += seconds + away;
    time.cpu += seconds;
    time.switches += switches;
  }

private:
  Moment time = {100, 5, 7};
};

constexpr double millisecond = 1e-3;

TEST(Stopwatch, TimesWhatRunsThrough) {
  FakeClock clock;
  Stopwatch watch(1, clock);
  clock.work(2 * millisecond);
  Sample sample = watch.stop();
  EXPECT_NEAR(sample.seconds, 2 * millisecond, 1e-12);
  EXPECT_EQ(sample.disturbance, 0);
}

TEST(Stopwatch, OneThreadIsPreemptedWhereWallTimeExceedsCpuTimeByTwoPercent) {
  FakeClock clock;
  Stopwatch within(1, clock);
  clock.work(1 * millisecond, 0.019 * millisecond);
  EXPECT_EQ(within.stop().disturbance, 0);
  EXPECT_NEAR(within.stop().seconds, 1.019 * millisecond, 1e-12) << "wall time counts";
  Stopwatch beyond(1, clock);
  clock.work(1 * millisecond, 0.021 * millisecond);
  EXPECT_NEAR(beyond.stop().disturbance, 0.021, 1e-9);
  EXPECT_NEAR(beyond.stop().seconds, 1 * millisecond, 1e-12) << "CPU time counts";
}

TEST(Stopwatch, SwitchesOfOtherThreadsDoNotMatterToOne) {
  FakeClock clock;
  Stopwatch watch(1, clock);
  clock.work(1 * millisecond, 0, 3);
  EXPECT_EQ(watch.stop().disturbance, 0);
}

TEST(Stopwatch, SeveralThreadsArePreemptedByASwitchOfAny) {
  FakeClock clock;
  Stopwatch watch(2, clock);
  clock.work(1 * millisecond);
  EXPECT_EQ(watch.stop().disturbance, 0);
  clock.work(1 * millisecond, 0, 1);
  EXPECT_GE(watch.stop().disturbance, 1);
  EXPECT_NEAR(watch.stop().seconds, 2 * millisecond, 1e-12) << "the others' CPU time is not known: wall time counts";
}

/// Tries of the given times away, the last for all that follow.
struct Tries {
  FakeClock clock;
  int count = 0;

  Sample run(std::vector<double> away, double seconds = millisecond) {
    count = 0;
    return undisturbed(
        [&] {
          Stopwatch watch(1, clock);
          clock.work(seconds + 0.01 * millisecond * count, away[std::min<size_t>(static_cast<size_t>(count), away.size() - 1)]);
          ++count;
          return watch.stop();
        },
        clock);
  }
};

TEST(Undisturbed, RepeatsAPreemptedTry) {
  Tries tries;
  Sample sample = tries.run({0.004, 0.001, 0, 0.001});
  EXPECT_EQ(tries.count, 3);
  EXPECT_EQ(sample.repeats, 2);
  EXPECT_EQ(sample.disturbance, 0);
  EXPECT_NEAR(sample.seconds, 1.02 * millisecond, 1e-12) << "the try that ran through, not the first";
}

TEST(Undisturbed, TakesTheFirstTryThatRunsThrough) {
  Tries tries;
  EXPECT_EQ(tries.run({0}).repeats, 0);
  EXPECT_EQ(tries.count, 1);
}

TEST(Undisturbed, GivesUpAfterTwentyRepeatsAndSaysSo) {
  Tries tries;
  Sample sample = tries.run({0.004, 0.003, 0.0005, 0.004});
  EXPECT_EQ(tries.count, 21);
  EXPECT_EQ(sample.repeats, 20);
  EXPECT_GT(sample.disturbance, 0.02);
  EXPECT_NEAR(sample.seconds, 1.02 * millisecond, 1e-12) << "CPU time of the least disturbed try";
}

TEST(Undisturbed, DoesNotRepeatLongStepsForMinutes) {
  Tries tries;
  Sample sample = tries.run({0.5}, /*seconds=*/0.25);
  EXPECT_EQ(tries.count, 3) << "two seconds are over";
  EXPECT_GT(sample.disturbance, 0.02);
}

TEST(Samples, MedianSpreadAndCounts) {
  Samples samples;
  for (double seconds : {9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0})
    samples.add(Sample{seconds});
  EXPECT_EQ(samples.size(), 8u);
  EXPECT_EQ(samples.median(), 5);
  EXPECT_DOUBLE_EQ(samples.spread(), (7.0 - 3.0) / 5.0);
  EXPECT_EQ(samples.preempted(), 0);
  samples.add(Rate{8, {1, /*disturbance=*/0.5, /*repeats=*/20}});
  samples.add(Rate{8, {1, /*disturbance=*/0, /*repeats=*/2}});
  EXPECT_EQ(samples.preempted(), 1);
  EXPECT_EQ(samples.repeats(), 22);
}

TEST(FastestOf, OneLuckyRoundDoesNotWin) {
  int calls = 0;
  auto rate = [&](size_t i) {
    bool lucky = calls++ == 0; // the first thing, in the first round
    return Rate{lucky ? 100.0 : 10.0 + static_cast<double>(i % 2), {1}};
  };
  EXPECT_EQ(fastestOf(4, rate), 1u);
  EXPECT_EQ(calls, 28);
}

TEST(SystemClock, CpuTimeStandsWhileAThreadSleeps) {
  Stopwatch asleep(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_GT(asleep.stop().disturbance, 1);
  EXPECT_LT(asleep.stop().seconds, 4 * millisecond);
}

TEST(SystemClock, CpuTimeGoesOnWhileAThreadWorks) {
  Sample sample = undisturbed([] {
    Stopwatch watch(1);
    for (double end = now() + millisecond; now() < end;) {
    }
    return watch.stop();
  });
  // On a machine so busy that no millisecond passes in peace nothing is shown, but it is said.
  if (sample.disturbance > 0)
    GTEST_SKIP() << "preempted in each of " << sample.repeats + 1 << " tries";
  EXPECT_GE(sample.seconds, millisecond);
  EXPECT_LT(sample.seconds, 2 * millisecond);
}

} // namespace
} // namespace kv
