"""Libraries from PyPI, in a venv of their own, each measured by a process of `python -m peer.program`."""
import json
import os
import sys
import venv

from . import HERE
from .common import Failure, run

# The package that is measured, then what it takes to call it.
PACKAGES = {
    "onnxruntime": ["onnxruntime", "onnx", "numpy"],
    "openvino": ["openvino", "numpy"],
    "torch": ["torch", "numpy"],
}


def python(folder):
    return folder / "bin/python"


def install(folder, libraries):
    """Makes the venv, where it is not there, and installs the newest version of what it lacks."""
    if not python(folder).is_file():
        venv.create(folder, with_pip=True)
    for library in libraries:
        run([python(folder), "-m", "pip", "install", "--quiet", *PACKAGES[library]])


class Library:
    def __init__(self, name, arguments):
        self.name, self.arguments = name, arguments
        try:
            self.version = self.program(["--version"]).strip()
        except Failure as failure:
            sys.exit(f"peers.py: `{name}` cannot be used from `{arguments.venv}`: {failure}; `--install` makes the venv")

    def program(self, options):
        environment = {**os.environ, "OMP_NUM_THREADS": str(max(self.arguments.threads)), "PYTHONWARNINGS": "ignore"}
        command = [python(self.arguments.venv), "-m", "peer.program", "--library", self.name, *options]
        return run(command, cwd=HERE, env=environment)

    def measure(self, case, tokens):
        """{mode: {"us", "gflops", "error", ...}} of one run."""
        arguments = self.arguments
        options = ["--type", case.type, "--context", case.context, "--threads", case.threads, "--queries", arguments.queries]
        options += ["--mode", ",".join(arguments.mode), "--seconds", arguments.seconds, "--tokens", tokens]
        return {row["mode"]: row for row in map(json.loads, self.program(options).splitlines())}


def write_tokens(arguments, context, path):
    run([python(arguments.venv), "-m", "peer.tokens", "write", path, context, arguments.queries], cwd=HERE)


def error_of(arguments, context, tokens, output):
    """Relative RMS error of a file of results against float64 on the file's tokens."""
    return float(run([python(arguments.venv), "-m", "peer.tokens", "error", tokens, context, arguments.queries, output], cwd=HERE))
