#!/usr/bin/env python3
"""Whether a smaller cache is a faster cache: decode from int8 and int4 caches against f16 (decode.kv), at every context, batch and
number of threads, cold and hot. Prints how many times faster each is where it is fastest and slowest; fails where one is slower.

    tests/bench/smaller.py --kvcc build/bin/kvcc --json smaller.json

A codec that seems slower is measured again beside f16, and counts as slower only if it is so in most of the turns."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

SPEC = pathlib.Path(__file__).with_name("decode.kv")
F16_TOKEN = 4096  # bytes
TURNS = 5


def numbers(text):
    return [int(number) for number in text.split(",")]


def bench(arguments, codecs, contexts, batch, threads, modes):
    """{(codec, context, mode): microseconds} for one batch and number of threads."""
    command = [arguments.kvcc, "bench", SPEC, "--json", "--seconds", arguments.seconds, "--batch", batch, "--threads", threads]
    command += ["--kernel", ",".join(f"{codec}_decode" for codec in codecs), "--context", ",".join(map(str, contexts))]
    command += ["--mode", ",".join(modes)]
    run = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(f"smaller.py: `{' '.join(map(str, command))}` ended with {run.returncode}")
    return {(row["kernel"].removesuffix("_decode"), row["context"], row["mode"]): row["us"] for row in json.loads(run.stdout)}


def ratio(arguments, codec, times, context, batch, threads, mode):
    """How many times faster than f16: of one turn, or where that is less than 1 the median of several."""
    first = times["half", context, mode] / times[codec, context, mode]
    if first >= 1:
        return first
    turns = [bench(arguments, ["half", codec], [context], batch, threads, [mode]) for _ in range(TURNS)]
    return statistics.median(turn["half", context, mode] / turn[codec, context, mode] for turn in turns)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kvcc", default="kvcc", help="the compiler to measure")
    parser.add_argument("--context", type=numbers, default="128,512,1024,8192,32768,65536")
    parser.add_argument("--batch", type=numbers, default="1,4,16,64")
    parser.add_argument("--threads", type=numbers, default="1,2")
    parser.add_argument("--mode", type=lambda text: text.split(","), default="cold,hot")
    parser.add_argument("--seconds", type=float, default=0.05, help="for each row and turn")
    parser.add_argument("--gigabytes", type=float, default=4, help="the largest f16 cache to measure")
    parser.add_argument("--json", type=pathlib.Path, help="write all rows there")
    arguments = parser.parse_args()

    rows, codecs = [], ["int8", "int4"]
    for batch in arguments.batch:
        contexts = [context for context in arguments.context if context * batch * F16_TOKEN <= arguments.gigabytes * 1e9]
        for threads in arguments.threads:
            if not contexts:
                continue
            if sys.stderr.isatty():
                print(f"\rbatch {batch}, threads {threads} ...   ", end="", file=sys.stderr, flush=True)
            times = bench(arguments, ["half"] + codecs, contexts, batch, threads, arguments.mode)
            for context in contexts:
                for mode in arguments.mode:
                    faster = {codec: ratio(arguments, codec, times, context, batch, threads, mode) for codec in codecs}
                    rows.append({"context": context, "batch": batch, "threads": threads, "mode": mode, **faster})
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
    if not rows:
        sys.exit("smaller.py: no cache is small enough: say more --gigabytes")

    where = lambda row: f"{row['context']} tokens, batch {row['batch']}, {row['threads']} threads, {row['mode']}"
    for codec in codecs:
        slowest, fastest = min(rows, key=lambda row: row[codec]), max(rows, key=lambda row: row[codec])
        print(f"{codec}: {slowest[codec]:.2f} times as fast as f16 ({where(slowest)}) to {fastest[codec]:.2f} ({where(fastest)})")
    slower = [(codec, row) for row in rows for codec in codecs if row[codec] < 1]
    for codec, row in slower:
        print(f"slower than f16: {codec}, {row[codec]:.2f} times as fast: {where(row)}")
    print(f"{len(rows)} rows, {len(slower)} of them slower" if slower else f"{len(rows)} rows, none slower than f16")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
