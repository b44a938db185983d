"""ggml and its forks: ggml.cpp, compiled against a library that you have built."""
import json
import os
import pathlib
import sys

from . import HERE
from .common import CODECS, Failure, run


class Ggml:
    def __init__(self, text, arguments, folder):
        self.name, equals, places = text.partition("=")
        include, comma, libraries = places.partition(",")
        if not (self.name and equals and include and comma and libraries):
            sys.exit(f"peers.py: expected `--peer NAME=INCLUDE_DIR[:DIR...],LIB_DIR_OR_FILE[,...]`, got `{text}`")
        self.arguments, self.program = arguments, folder / f"peer-{self.name}"
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
        root = HERE.parents[1]
        command = [self.arguments.cxx, "-std=c++17", "-O2", *(f"-I{path}" for path in includes), f"-I{root}", HERE / "peer/ggml.cpp"]
        command += [root / "tools/kvcc/Stopwatch.cpp", "-Wl,--start-group", *libraries, "-Wl,--end-group"]
        command += [f"-Wl,-rpath,{path.parent}" for path in libraries]
        run([*command, "-pthread", "-ldl", *self.arguments.cxxflags.split(), "-o", self.program])

    def measure(self, case, tokens):
        """{mode: {"us", "gflops", "error", ...}} of one run."""
        arguments, name = self.arguments, CODECS[case.type][1]
        if not name:
            raise Failure(f"no cache of type {case.type}")
        command = [self.program, "--type", name, "--context", case.context, "--threads", case.threads]
        command += ["--queries", arguments.queries, "--mode", ",".join(arguments.mode), "--seconds", arguments.seconds]
        if tokens:
            command += ["--tokens", tokens]
        lines = run(command, env={**os.environ, "GGML_NO_BACKTRACE": "1"}).splitlines()
        return {row["mode"]: row for row in map(json.loads, lines)}
