#!/usr/bin/env python3
"""How far default schedules are from the best of {unroll 1, 2, default} x {prefetch 1 .. 4} on this machine: decode of 32 query heads
on 8 kv heads of 128 channels, one thread, from memory (cold).

    tests/bench/defaults.py --kvcc build/bin/kvcc --json defaults.json

All schedules of a cache are attends of one file, measured in turn on the same tokens (`kvcc bench --in-turn`), in another order each
round; a ratio is a schedule's time over the default's of the same round, the median of the rounds. The fastest schedule then races the default in rounds
of its own, and only those count: among twelve noisy numbers the least is too small. `spread` is from the first quarter of those ratios to
the third. The last line says how far the farthest default is from its best."""
import argparse
import itertools
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

CODECS = {  # keys and values, accuracy
    "f16": ("f16", "high"),
    "int8 high": ("i8 group(d:*)", "high"),
    "int8 fast": ("i8 group(d:*)", "fast"),
    "int4": ("i4 group(d:32) scale f16", "fast"),
    "u4 asym": ("u4 group(d:32) asym scale f16", "fast"),
}
DEFAULT = ""
CANDIDATES = [f"{unroll}prefetch {prefetch}" for unroll, prefetch in itertools.product(("", "unroll 1; ", "unroll 2; "), range(1, 5))]


class Cache:
    """One codec in pages of one size, with an attend for each schedule."""

    def __init__(self, codec, page, arguments, folder):
        self.codec, self.page, self.arguments, self.file = codec, page, arguments, folder / "defaults.kv"

    def measure(self, schedules, seconds):
        """{schedule: microseconds}, measured in this order."""
        types, accuracy = CODECS[self.codec]
        names = {f"a{i}": schedule for i, schedule in enumerate(schedules)}
        text = f"cache c(Hq = 32, Hkv = 8, D = 128) {{ k, v: {types} layout paged({self.page}) }}\n"
        for name, schedule in names.items():
            text += f"attend {name}(q: f16[1]) on c -> (o: f16) {{ mask j <= i accuracy {accuracy} }}\n"
            if schedule:
                text += f"schedule {name} for {self.arguments.target} {{ {schedule} }}\n"
        self.file.write_text(text)
        command = [self.arguments.kvcc, "bench", self.file, "--json", "--mode", "cold", "--in-turn", "--target", self.arguments.target]
        command += ["--context", self.arguments.context, "--seconds", seconds, "--kernel", ",".join(f"c_{name}" for name in names)]
        return {names[row["kernel"].removeprefix("c_")]: row["us"] for row in run(command)}

    def race(self, schedules, rounds, seconds):
        """{schedule: ratios to the default, one a round}, and the default's microseconds."""
        ratios, base = {schedule: [] for schedule in schedules}, []
        for _ in range(rounds):
            order = random.sample([DEFAULT, *schedules], len(schedules) + 1)
            times = self.measure(order, seconds)
            base.append(times[DEFAULT])
            for schedule in schedules:
                ratios[schedule].append(times[schedule] / times[DEFAULT])
        return ratios, statistics.median(base)


def run(command):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"defaults.py: `{' '.join(map(str, command))}` ended with {done.returncode}")
    return json.loads(done.stdout)


def native(arguments, folder):
    """The name of this machine's target."""
    spec = folder / "target.kv"
    spec.write_text("cache c(Hq = 1, Hkv = 1, D = 8) { k, v: f32 layout paged(16) }\nattend a(q: f32[1]) on c -> (o: f32) { mask j <= i }\n")
    command = [arguments.kvcc, "bench", spec, "--json", "--mode", "hot", "--context", 16, "--seconds", 0.01, "--kernel", "c_a"]
    return run(command)[0]["target"]


def quarter_spread(values):
    values = sorted(values)
    return values[len(values) * 3 // 4] - values[len(values) // 4]


def measure(cache, arguments):
    ratios, _ = cache.race(CANDIDATES, arguments.rounds, arguments.seconds)
    medians = {schedule: statistics.median(values) for schedule, values in ratios.items()}
    best = min(medians, key=medians.get)
    final, base = cache.race([best], arguments.finals, arguments.seconds)
    ratio = statistics.median(final[best])
    return {"codec": cache.codec, "page": cache.page, "default_us": base, "best": best, "ratio": ratio,
            "spread": quarter_spread(final[best]), "distance": max(0, 1 - ratio), "ratios": ratios, "finals": final[best]}


def numbers(text):
    return [int(number) for number in text.split(",")]


def codecs(text):
    names = text.split(",")
    if not set(names) <= set(CODECS):
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(CODECS)}, got `{text}`")
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kvcc", default="kvcc", help="the compiler to measure")
    parser.add_argument("--target", help="default: this machine's best")
    parser.add_argument("--codecs", type=codecs, default=list(CODECS), help="comma separated (default: all)")
    parser.add_argument("--page", type=numbers, default=[16, 64], help="tokens of a page, comma separated")
    parser.add_argument("--context", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=5, help="of all schedules")
    parser.add_argument("--finals", type=int, default=15, help="rounds of the fastest one against the default")
    parser.add_argument("--seconds", type=float, default=0.2, help="for each schedule and round")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    rows = []
    print(f"{'codec':<10} {'page':>4} {'default us':>10}  {'best':<22} {'of default':>10} {'spread':>7}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        arguments.target = arguments.target or native(arguments, folder)
        for codec, page in itertools.product(arguments.codecs, arguments.page):
            row = measure(Cache(codec, page, arguments, folder), arguments)
            rows.append(row)
            print(f"{codec:<10} {page:>4} {row['default_us']:>10.1f}  {row['best']:<22} {100 * row['ratio']:>8.1f} % "
                  f"{100 * row['spread']:>5.1f} %", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"target": arguments.target, "context": arguments.context, "rows": rows}, indent=2) + "\n")
    worst = max(rows, key=lambda row: row["distance"])
    print(f"farthest default: {worst['codec']} in pages of {worst['page']}, {100 * worst['distance']:.1f} % from `{worst['best']}`")


if __name__ == "__main__":
    main()
