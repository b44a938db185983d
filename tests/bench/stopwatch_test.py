"""What peer/stopwatch.py repeats and what counts, on a clock that the tests turn."""
import unittest

from peer.stopwatch import Stopwatch, measure, spread, undisturbed


class FakeClock:
    def __init__(self):
        self.now, self.ran, self.switched = 100, 5, 7

    def wall(self):
        return self.now

    def cpu(self):
        return self.ran

    def switches(self):
        return self.switched

    def work(self, seconds, away=0, switches=0):
        self.now += seconds + away
        self.ran += seconds
        self.switched += switches


class StopwatchTest(unittest.TestCase):
    def setUp(self):
        self.clock = FakeClock()

    def stop(self, threads=1, **work):
        watch = Stopwatch(threads, self.clock)
        self.clock.work(0.001, **work)
        return watch.stop()

    def tries(self, away, seconds=0.001):
        """What counts of tries that take ever longer, and how many there were."""
        count = 0

        def take():
            nonlocal count
            watch = Stopwatch(1, self.clock)
            self.clock.work(seconds + 0.00001 * count, away[min(count, len(away) - 1)])
            count += 1
            return watch.stop()

        return *undisturbed(take, self.clock), count

    def test_two_percent(self):
        self.assertEqual(self.stop(away=0.000019)[1], 0)
        seconds, disturbance = self.stop(away=0.000021)
        self.assertAlmostEqual(seconds, 0.001)  # CPU time
        self.assertAlmostEqual(disturbance, 0.021)

    def test_switches_count_with_several_threads(self):
        self.assertEqual(self.stop(switches=1)[1], 0)
        self.assertEqual(self.stop(threads=2)[1], 0)
        seconds, disturbance = self.stop(threads=2, away=0.0005, switches=1)
        self.assertAlmostEqual(seconds, 0.0015)  # wall time
        self.assertGreater(disturbance, 1)

    def test_a_preempted_try_is_repeated(self):
        seconds, disturbance, count = self.tries([0.004, 0.001, 0, 0.001])
        self.assertAlmostEqual(seconds, 0.00102)
        self.assertEqual((disturbance, count), (0, 3))

    def test_gives_up_after_twenty_repeats(self):
        seconds, disturbance, count = self.tries([0.004, 0.003, 0.0005, 0.004])
        self.assertAlmostEqual(seconds, 0.00102)  # of the least disturbed one
        self.assertGreater(disturbance, 0.02)
        self.assertEqual(count, 21)

    def test_gives_up_after_two_seconds(self):
        self.assertEqual(self.tries([0.5], seconds=0.25)[2], 3)

    def test_spread(self):
        self.assertAlmostEqual(spread([9, 1, 2, 3, 4, 5, 6, 7]), (7 - 3) / 4.5)

    def test_measure_counts_what_was_always_preempted(self):
        seconds, _, preempted = measure(lambda count: self.clock.work(0.002 * count), 1, 0.05, self.clock)
        self.assertAlmostEqual(seconds, 0.002)
        self.assertEqual(preempted, 0)
        seconds, _, preempted = measure(lambda count: self.clock.work(0.002 * count, away=0.001), 1, 0.05, self.clock)
        self.assertAlmostEqual(seconds, 0.002)
        self.assertEqual(preempted, 7)


if __name__ == "__main__":
    unittest.main()
