"""Measures one library of the venv on one case, and prints a line of JSON for each mode.

    python -m peer.program --library torch --type f16 --context 8192 --tokens FILE [--threads 1] [--queries 1] [--mode cold,hot]

A step appends the newest tokens and attends, where the library does so at all. `cold` goes round copies of the cache that are worth
four times the last-level cache, 1 GB at least and 3 GB at most; `hot` stays on one. The error is relative RMS against float64 on the
tokens as they came, so that what the codec forgets is in it."""
import argparse
import importlib
import importlib.metadata
import itertools
import json
import subprocess
import sys

MOST_BYTES = 3 << 30


def cold_bytes():
    known = subprocess.run(["getconf", "LEVEL3_CACHE_SIZE"], capture_output=True, text=True).stdout.strip()
    return max(1 << 30, 4 * int(known) if known.isdigit() else 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--version", action="store_true", help="print the library's version, if it can be loaded")
    for name in ("type", "tokens"):
        parser.add_argument(f"--{name}")
    for name, default in (("context", 1), ("threads", 1), ("queries", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--mode", default="cold,hot")
    parser.add_argument("--seconds", type=float, default=0.5)
    arguments = parser.parse_args()
    library = importlib.import_module(f"peer.of_{arguments.library}")
    if arguments.version:
        print(importlib.metadata.version(arguments.library))
        return

    from peer.stopwatch import measure
    from peer.tokens import Tokens

    tokens = Tokens(arguments.tokens, arguments.context, arguments.queries)
    try:
        attend = library.Attend(arguments.type, tokens, arguments.threads)
    except library.Refused as refused:
        sys.exit(f"error: {refused}")
    modes = arguments.mode.split(",")
    attend.add_copy()
    attend.step(0)
    error = tokens.error(attend.output())
    copies = 1
    if "cold" in modes:
        copies = max(2, min(cold_bytes() // attend.bytes + 1, MOST_BYTES // attend.bytes))
        for _ in range(copies - 1):
            attend.add_copy()
    rounds = itertools.cycle(range(copies))

    def cold(count):
        for copy in itertools.islice(rounds, count):
            attend.step(copy)

    def hot(count):
        for _ in range(count):
            attend.step(0)

    for mode in modes:
        seconds, spread, preempted = measure(cold if mode == "cold" else hot, arguments.threads, arguments.seconds)
        print(json.dumps({"mode": mode, "us": seconds * 1e6, "spread": spread, "preempted": preempted, "bytes": attend.bytes,
                          "gflops": tokens.operations() / seconds * 1e-9, "error": error}))


if __name__ == "__main__":
    main()
