"""Times a step that nothing else took the processor from, by the rules of tools/kvcc/Stopwatch.h: a try whose wall time exceeds the
calling thread's CPU time by 2 %, or with several threads one in which a thread of the process was switched out, is repeated, 20 times
at most and for two seconds at most; then the least disturbed one counts, with one thread its CPU time. Assumes that the library
computes on the calling thread (and with several threads on others as well): all of those that are measured do."""
import resource
import statistics
import time

MOST_EXCESS, MOST_REPEATS, MOST_SECONDS = 0.02, 20, 2


class Clock:
    def wall(self):
        return time.perf_counter()

    def cpu(self):
        return time.thread_time()

    def switches(self):
        return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


class Stopwatch:
    """Starts at once. `stop` gives seconds and how disturbed they were: 0, not at all."""

    def __init__(self, threads=1, clock=Clock()):
        self.threads, self.clock = threads, clock
        self.switches, self.cpu, self.wall = clock.switches(), clock.cpu(), clock.wall()

    def stop(self):
        wall, cpu = self.clock.wall() - self.wall, self.clock.cpu() - self.cpu
        excess = wall / max(cpu, 1e-9) - 1
        switches = self.clock.switches() - self.switches if self.threads > 1 else 0
        if excess <= MOST_EXCESS and not switches:
            return wall, 0
        return (wall if self.threads > 1 else cpu), max(excess, 0) + switches


def undisturbed(take, clock=Clock()):
    """(seconds, disturbance) of the first undisturbed try, or of the least disturbed one."""
    start, best = clock.wall(), take()
    for _ in range(MOST_REPEATS):
        if not best[1] or clock.wall() - start >= MOST_SECONDS:
            break
        best = min(best, take(), key=lambda sample: sample[1])
    return best


def spread(values):
    """From the first quarter of the values to the third, over the median."""
    values = sorted(values)
    return (values[len(values) * 3 // 4] - values[len(values) // 4]) / statistics.median(values)


def measure(steps, threads, seconds, clock=Clock()):
    """(median seconds of a step, spread, samples that were preempted in every try). `steps(count)` runs `count` steps; a sample is of
    a millisecond or of one step, whichever is longer."""

    def sample(count):
        def take():
            watch = Stopwatch(threads, clock)
            steps(count)
            return watch.stop()

        taken, disturbance = undisturbed(take, clock)
        return taken / count, disturbance

    count = int(min(max(1e-3 / max(sample(3)[0], 1e-9), 1), 10000))
    end, samples = clock.wall() + seconds, []
    while len(samples) < 7 or clock.wall() < end:
        samples.append(sample(count))
    times = [taken for taken, _ in samples]
    return statistics.median(times), spread(times), sum(disturbance > 0 for _, disturbance in samples)
