#!/usr/bin/env python3
"""kvcc's attention in turn with that of other libraries, on the same shapes and the same tokens: 32 query heads on 8 kv heads of 128
channels, one sequence. Every round takes kvcc and then each peer; a ratio is the peer's time over kvcc's, the median of the rounds.

    tests/bench/peers.py --install --library onnxruntime,openvino,torch --venv ~/peers   # from PyPI, into a venv of its own
    tests/bench/peers.py --library onnxruntime,openvino,torch --venv ~/peers --context 1024,8192
    tests/bench/peers.py --context 1024,8192 \\
        --peer ggml=ggml/include,ggml/build/src --peer ik=ik_llama.cpp/ggml/include,ik_llama.cpp/build/ggml/src

`--peer` is a library of ggml or of a fork that you have built, optimised for this machine; one of ik_llama.cpp with its own flash
attention, and that for every quantised type where int4 is to be measured. peer/ggml.cpp, compiled here against the headers, calls
`ggml_flash_attn_ext` as llama.cpp does. `--library` names packages; what of them is called, and how, is in peer/of_*.py.

| --types  | kvcc                     | bytes a token | ggml | bytes | onnxruntime    | bytes | openvino | bytes | torch |
|----------|--------------------------|---------------|------|-------|----------------|-------|----------|-------|-------|
| f32      | f32                      | 8192          |      |       | f32            | 8192  | f32      | 8192  | f32   |
| f16      | f16                      | 4096          | f16  | 4096  | f16            | 4096  | f16      | 4096  | f16   |
| bf16     | bf16                     | 4096          | bf16 | 4096  |                |       | bf16     | 4096  | bf16  |
| int8     | i8 group(d:32) scale f16 | 2176          | q8_0 | 2176  | int8, channels | 2048  | u8       | 2368  |       |
| int8-row | i8 group(d:*)            | 2112          | q8_0 | 2176  | int8, channels | 2048  |          |       |       |
| int4     | i4 group(d:32) scale f16 | 1152          | q4_0 | 1152  | int4, channels | 1024  | u4       | 1344  |       |

Queries and outputs of kvcc are bf16 with a cache of bf16, else f32: libraries compute so.

A step of kvcc's appends the newest tokens and attends; so does a step of every library's, while ggml only attends. With a library the
columns `error` are relative RMS against float64 on the tokens as they came, with what the codec forgets in it; without one, a peer's
is against float64 on its decoded cache.

`cold` rotates over copies of the cache, by the last-level cache's size up to 3 GB of them; `hot` reads one again and again. `kvcc
bench` measures the streaming read between its samples, and then runs two steps before a hot sample. Samples that were preempted are
repeated by everyone (tools/kvcc/Stopwatch.h, peer/stopwatch.py). Queries are the last tokens of the context; GFLOP/s (of the peer's
median) count the pairs that a causal mask leaves."""
import argparse
import dataclasses
import itertools
import json
import os
import pathlib
import statistics
import sys
import tempfile

from peer import HERE, venv
from peer.common import CODECS, Case, Failure
from peer.ggml import Ggml
from peer.kvcc import Kvcc


class Tokens:
    """The files of tokens that every library reads, one for each context."""

    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder

    def file(self, context):
        path = self.folder / f"tokens-{context}"
        if not path.is_file():
            venv.write_tokens(self.arguments, context, path)
        return path

    def error(self, kvcc, case):
        """Of kvcc's results."""
        output = self.folder / "results"
        kvcc.results(case, self.file(case.context), output)
        return venv.error_of(self.arguments, case.context, self.file(case.context), output)


def measure(case, kvcc, peers, arguments, tokens):
    """The rows of a case, one for each mode and peer, with the numbers of every round. What a peer has refused once it is not asked
    again."""
    names = [peer.name for peer in peers] or [None]
    error = tokens.error(kvcc, case) if tokens else None
    rows = {(mode, name): {**dataclasses.asdict(case), "queries": arguments.queries, "mode": mode, "peer": name, "kvcc_us": [],
                           "kvcc_spread": [], "kvcc_error": error, "share": [], "peer_us": [], "peer_spread": [], "preempted": 0,
                           "gflops": []} for mode in arguments.mode for name in names}
    for _ in range(arguments.rounds):
        measured = kvcc.measure(case)
        for (mode, _), row in rows.items():
            for name, key in (("kvcc_us", "us"), ("kvcc_spread", "spread"), ("share", "share")):
                row[name].append(measured[mode][key])
            row["kvcc_bytes"] = measured[mode]["bytes"]
            row["preempted"] += measured[mode]["preempted"]
        for peer in peers:
            if any("failure" in rows[mode, peer.name] for mode in arguments.mode):
                continue
            try:
                measured = peer.measure(case, tokens.file(case.context) if tokens else None)
            except Failure as failure:
                for mode in arguments.mode:
                    rows[mode, peer.name]["failure"] = str(failure)
                continue
            for mode, one in measured.items():
                row = rows[mode, peer.name]
                for name, key in (("peer_us", "us"), ("peer_spread", "spread"), ("gflops", "gflops")):
                    row[name].append(one[key])
                row["peer_bytes"], row["error"] = one["bytes"], one["error"]
                row["preempted"] += one["preempted"]
    return list(rows.values())


HEADER = (f"{'type':<8} {'context':>7} {'mode':<4} {'threads':>7} {'kvcc us':>10} {'share':>6} {'error':>8}  {'peer':<11} "
          f"{'peer us':>10} {'ratio':>6} {'of rounds':>13} {'GFLOP/s':>8} {'error':>8}")


def line(row):
    """A row of the table."""
    median = statistics.median
    error = f"{row['kvcc_error']:.1e}" if row["kvcc_error"] is not None else "-"
    share = f"{100 * median(row['share']):.0f} %" if row["mode"] == "cold" else "-"
    text = (f"{row['type']:<8} {row['context']:>7} {row['mode']:<4} {row['threads']:>7} {median(row['kvcc_us']):>10.1f} "
            f"{share:>6} {error:>8}")
    if not row["peer"]:
        return text
    if "failure" in row:
        return f"{text}  {row['peer']:<11} {row['failure']}"
    ratios = [theirs / ours for theirs, ours in zip(row["peer_us"], row["kvcc_us"])]
    spread = f"{min(ratios):.2f} - {max(ratios):.2f}"
    preempted = f"  {row['preempted']} samples were preempted in every try" if row["preempted"] else ""
    return (f"{text}  {row['peer']:<11} {median(row['peer_us']):>10.1f} {median(ratios):>6.2f} {spread:>13} "
            f"{median(row['gflops']):>8.1f} {row['error']:>8.1e}{preempted}")


def listed(allowed=None):
    """A comma separated argument, of words or of positive integers."""

    def parse(text):
        parts = text.split(",")
        if allowed and not set(parts) <= set(allowed):
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(allowed)}, got `{text}`")
        if not allowed and not all(part.isdigit() and int(part) for part in parts):
            raise argparse.ArgumentTypeError(f"expected positive integers, got `{text}`")
        return parts if allowed else list(map(int, parts))

    return parse


def positive(text):
    if not (text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a positive integer, got `{text}`")
    return int(text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kvcc", type=pathlib.Path, default=HERE.parents[1] / "build/bin/kvcc",
                        help="the compiler (default: %(default)s)")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=INCLUDE_DIR[:DIR...],LIB_DIR_OR_FILE[,...]",
                        help="headers and libraries of a built peer; may be said again")
    parser.add_argument("--library", type=listed(venv.PACKAGES), default=[], help=f"some of {', '.join(venv.PACKAGES)}")
    parser.add_argument("--venv", type=pathlib.Path, default=HERE.parents[1] / "build/peers",
                        help="where the libraries are installed (default: %(default)s)")
    parser.add_argument("--install", action="store_true",
                        help="make the venv and install the libraries, some gigabytes; then measure only if --rounds is said")
    parser.add_argument("--types", type=listed(CODECS), default=["f16", "bf16", "int8", "int4"], help="caches, comma separated")
    parser.add_argument("--context", type=listed(), default=[8192], help="tokens, comma separated")
    parser.add_argument("--threads", type=listed(), default=[1], help="threads, comma separated")
    parser.add_argument("--mode", type=listed(["cold", "hot"]), default=["cold", "hot"], help="from memory, from the caches")
    parser.add_argument("--queries", type=positive, default=1, help="queries of a step, the last tokens of the context")
    parser.add_argument("--layout", default="paged(32)", help="of kvcc's cache; `dense` fits the context (default: %(default)s)")
    parser.add_argument("--accuracy", choices=["exact", "high", "fast"], help="of kvcc's attend (default: by the codec)")
    parser.add_argument("--rounds", type=positive, help="kvcc and the peers in turn, so often (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each number of a round")
    parser.add_argument("--cc", default=os.environ.get("CC", "cc"), help="the compiler for kvcc.c (default: %(default)s)")
    parser.add_argument("--cxx", default=os.environ.get("CXX", "c++"), help="the compiler for ggml.cpp (default: %(default)s)")
    parser.add_argument("--cxxflags", default="", help="more flags for it, such as -fopenmp for a static library")
    parser.add_argument("--json", type=pathlib.Path, help="a file for the numbers of every round")
    return parser.parse_args()


def main():
    arguments = parse()
    arguments.venv = arguments.venv.absolute()
    if arguments.install:
        try:
            venv.install(arguments.venv, arguments.library)
        except Failure as failure:
            sys.exit(f"peers.py: the venv cannot be made: {failure}")
        if not arguments.rounds:
            return
    arguments.rounds = arguments.rounds or 5
    rows, versions = [], {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        kvcc, peers = Kvcc(arguments, folder), [Ggml(text, arguments, folder) for text in arguments.peer]
        libraries = [venv.Library(name, arguments) for name in arguments.library]
        tokens = Tokens(arguments, folder) if libraries else None
        for library in libraries:
            versions[library.name] = library.version
        if versions:
            print(", ".join(f"{name} {version}" for name, version in versions.items()))
        print(HEADER, flush=True)
        for case in itertools.starmap(Case, itertools.product(arguments.types, arguments.context, arguments.threads)):
            try:
                rows += (measured := measure(case, kvcc, peers + libraries, arguments, tokens))
            except Failure as failure:
                sys.exit(f"peers.py: kvcc, {case.type} at {case.context}: {failure}")
            print("\n".join(map(line, measured)), flush=True)
    if arguments.json:
        about = {"layout": arguments.layout, "accuracy": arguments.accuracy, "versions": versions}
        arguments.json.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
