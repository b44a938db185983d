#!/usr/bin/env python3
"""kvcc's attention in turn with that of ggml, or of a fork of it, on the same shapes and the same bytes: 32 query heads on 8 kv
heads of 128 channels, one sequence. Every round takes kvcc and then each peer; a ratio is the peer's time over kvcc's, the median
of the rounds.

    tests/bench/peers.py --kvcc build/bin/kvcc --context 1024,8192 \\
        --peer ggml=ggml/include,ggml/build/src --peer ik=ik_llama.cpp/ggml/include,ik_llama.cpp/build/ggml/src

The peer is a library that you have built, optimised for this machine; one of ik_llama.cpp with its own flash attention, and that
for every quantised type where int4 is to be measured. peer_ggml.cpp, compiled here against the headers, calls `ggml_flash_attn_ext`
as llama.cpp does, holds the result to float64 (the column `error`: relative RMS) and prints times.

| --types  | kvcc                      | bytes a token | peer | bytes a token |
|----------|---------------------------|---------------|------|---------------|
| f16      | f16                       | 4096          | f16  | 4096          |
| bf16     | bf16                      | 4096          | bf16 | 4096          |
| int8     | i8 group(d:32) scale f16  | 2176          | q8_0 | 2176          |
| int8-row | i8 group(d:*)             | 2112          | q8_0 | 2176          |
| int4     | i4 group(d:32) scale f16  | 1152          | q4_0 | 1152          |

`cold` rotates over copies of the cache, by the last-level cache's size up to 3 GB of them; `hot` reads one again and again. `kvcc
bench` measures the streaming read between its samples, so that a hot sample of kvcc's begins with a slower step; a peer's does not.
Queries are the last tokens of the context (more than one: where `kvcc bench` has `--queries`); GFLOP/s (of the peer's median) count
the pairs that a causal mask leaves."""
import argparse
import dataclasses
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CODECS = {
    "f16": ("f16", "f16"),
    "bf16": ("bf16", "bf16"),
    "int8": ("i8 group(d:32) scale f16", "q8_0"),
    "int8-row": ("i8 group(d:*)", "q8_0"),
    "int4": ("i4 group(d:32) scale f16", "q4_0"),
}
SPEC = """cache peer(Hq = 32, Hkv = 8, D = 128) {{
  k, v: {codec}
  layout {layout}
}}

attend decode(q: f32[1..{queries}]) on peer -> (o: f32) {{
  mask j <= i
  {accuracy}
}}
"""


class Failure(Exception):
    """Why something could not be measured, in one line."""


def run(command, **options):
    """What a command prints. A failure gives the first line of its errors."""
    command = list(map(str, command))
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", **options)
    except OSError as error:
        raise Failure(f"cannot run `{command[0]}`: {error.strerror}") from error
    if done.returncode:
        lines = [line.strip("= ") for line in done.stderr.splitlines() if line.strip("= ")]
        errors = [line for line in lines if "error:" in line or "undefined" in line] + lines
        raise Failure(errors[0] if errors else f"`{command[0]}` ended with {done.returncode}")
    return done.stdout


@dataclasses.dataclass(frozen=True)
class Case:
    type: str
    context: int
    threads: int


class Kvcc:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder

    def measure(self, case):
        """{mode: {"us", "share", "bytes"}} of one run."""
        arguments = self.arguments
        layout = f"dense({case.context})" if arguments.layout == "dense" else arguments.layout
        accuracy = f"accuracy {arguments.accuracy}" if arguments.accuracy else ""
        spec = self.folder / "peer.kv"
        spec.write_text(SPEC.format(codec=CODECS[case.type][0], layout=layout, accuracy=accuracy, queries=arguments.queries))
        command = [arguments.kvcc, "bench", spec, "--kernel", "peer_decode", "--json", "--seconds", arguments.seconds]
        command += ["--context", case.context, "--threads", case.threads, "--mode", ",".join(arguments.mode)]
        if arguments.queries > 1:
            command += ["--queries", arguments.queries]
        return {row["mode"]: row for row in json.loads(run(command))}


class Peer:
    def __init__(self, text, arguments, folder):
        self.name, equals, places = text.partition("=")
        include, comma, libraries = places.partition(",")
        if not (self.name and equals and include and comma and libraries):
            sys.exit(f"peers.py: expected `--peer NAME=INCLUDE_DIR[:DIR...],LIB_DIR_OR_FILE[,...]`, got `{text}`")
        self.arguments, self.program, self.refused = arguments, folder / f"peer-{self.name}", {}
        try:
            self.build(include.split(":"), [pathlib.Path(path).resolve() for path in libraries.split(",")])
        except Failure as failure:
            sys.exit(f"peers.py: peer `{self.name}` cannot be compiled: {failure}")

    def build(self, includes, places):
        if not any(pathlib.Path(path, "ggml.h").is_file() for path in includes):
            raise Failure(f"no `ggml.h` in `{':'.join(includes)}`")
        libraries = []
        for place in places:
            found = [place] if place.is_file() else sorted(place.glob("libggml*.so")) or sorted(place.glob("libggml*.a"))
            if not found:
                raise Failure(f"no `libggml*.so` or `libggml*.a` in `{place}`")
            libraries += found
        command = [self.arguments.cxx, "-std=c++17", "-O2", *(f"-I{path}" for path in includes), HERE / "peer_ggml.cpp"]
        command += ["-Wl,--start-group", *libraries, "-Wl,--end-group", *(f"-Wl,-rpath,{path.parent}" for path in libraries)]
        run([*command, "-pthread", "-ldl", *self.arguments.cxxflags.split(), "-o", self.program])

    def measure(self, case):
        """{mode: {"us", "gflops", "error", ...}} of one run. What it has refused once it is not asked again."""
        if case in self.refused:
            raise self.refused[case]
        arguments = self.arguments
        command = [self.program, "--type", CODECS[case.type][1], "--context", case.context, "--threads", case.threads]
        command += ["--queries", arguments.queries, "--mode", ",".join(arguments.mode), "--seconds", arguments.seconds]
        try:
            lines = run(command, env={**os.environ, "GGML_NO_BACKTRACE": "1"}).splitlines()
        except Failure as failure:
            self.refused[case] = failure
            raise
        return {row["mode"]: row for row in map(json.loads, lines)}


def measure(case, kvcc, peers, arguments):
    """The rows of a case, one for each mode and peer, with the numbers of every round."""
    names = [peer.name for peer in peers] or [None]
    rows = {(mode, name): {**dataclasses.asdict(case), "queries": arguments.queries, "mode": mode, "peer": name, "kvcc_us": [],
                           "share": [], "peer_us": [], "gflops": []} for mode in arguments.mode for name in names}
    for _ in range(arguments.rounds):
        measured = kvcc.measure(case)
        for (mode, _), row in rows.items():
            row["kvcc_us"].append(measured[mode]["us"])
            row["share"].append(measured[mode]["share"])
            row["kvcc_bytes"] = measured[mode]["bytes"]
        for peer in peers:
            try:
                measured = peer.measure(case)
            except Failure as failure:
                for mode in arguments.mode:
                    rows[mode, peer.name]["failure"] = str(failure)
                continue
            for mode, one in measured.items():
                row = rows[mode, peer.name]
                row["peer_us"].append(one["us"])
                row["gflops"].append(one["gflops"])
                row["peer_bytes"], row["error"] = one["bytes"], one["error"]
    return list(rows.values())


HEADER = (f"{'type':<8} {'context':>7} {'mode':<4} {'threads':>7} {'kvcc us':>10} {'share':>6}  {'peer':<10} {'peer us':>10} "
          f"{'ratio':>6} {'of rounds':>13} {'GFLOP/s':>8} {'error':>8}")


def line(row):
    """A row of the table."""
    median = statistics.median
    text = (f"{row['type']:<8} {row['context']:>7} {row['mode']:<4} {row['threads']:>7} {median(row['kvcc_us']):>10.1f} "
            f"{100 * median(row['share']):>4.0f} %")
    if not row["peer"]:
        return text
    if "failure" in row:
        return f"{text}  {row['peer']:<10} {row['failure']}"
    ratios = [theirs / ours for theirs, ours in zip(row["peer_us"], row["kvcc_us"])]
    spread = f"{min(ratios):.2f} - {max(ratios):.2f}"
    return (f"{text}  {row['peer']:<10} {median(row['peer_us']):>10.1f} {median(ratios):>6.2f} {spread:>13} "
            f"{median(row['gflops']):>8.1f} {row['error']:>8.1e}")


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kvcc", default=HERE.parents[1] / "build/bin/kvcc", help="the compiler (default: %(default)s)")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=INCLUDE_DIR[:DIR...],LIB_DIR_OR_FILE[,...]",
                        help="headers and libraries of a built peer; may be said again; without any, kvcc alone")
    parser.add_argument("--types", type=listed(CODECS), default=["f16", "bf16", "int8", "int4"], help="caches, comma separated")
    parser.add_argument("--context", type=listed(), default=[8192], help="tokens, comma separated")
    parser.add_argument("--threads", type=listed(), default=[1], help="threads, comma separated")
    parser.add_argument("--mode", type=listed(["cold", "hot"]), default=["cold", "hot"], help="from memory, from the caches")
    parser.add_argument("--queries", type=positive, default=1, help="queries of a step, the last tokens of the context")
    parser.add_argument("--layout", default="paged(32)", help="of kvcc's cache; `dense` fits the context (default: %(default)s)")
    parser.add_argument("--accuracy", choices=["exact", "high", "fast"], help="of kvcc's attend (default: by the codec)")
    parser.add_argument("--rounds", type=positive, default=5, help="kvcc and the peers in turn, so often")
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each number of a round")
    parser.add_argument("--cxx", default=os.environ.get("CXX", "c++"), help="the compiler for peer_ggml.cpp (default: %(default)s)")
    parser.add_argument("--cxxflags", default="", help="more flags for it, such as -fopenmp for a static library")
    parser.add_argument("--json", type=pathlib.Path, help="a file for the numbers of every round")
    arguments = parser.parse_args()

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        kvcc, peers = Kvcc(arguments, folder), [Peer(text, arguments, folder) for text in arguments.peer]
        print(HEADER, flush=True)
        for case in itertools.starmap(Case, itertools.product(arguments.types, arguments.context, arguments.threads)):
            try:
                rows += (measured := measure(case, kvcc, peers, arguments))
            except Failure as failure:
                sys.exit(f"peers.py: kvcc, {case.type} at {case.context}: {failure}")
            print("\n".join(map(line, measured)), flush=True)
    if arguments.json:
        about = {"layout": arguments.layout, "accuracy": arguments.accuracy}
        arguments.json.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
