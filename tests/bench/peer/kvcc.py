"""kvcc's own side: times by `kvcc bench`, and what its kernels make of the tokens that the peers get, by kvcc.c."""
import json

from . import HERE
from .common import CODECS, Failure, run

SPEC = """cache peer(Hq = 32, Hkv = 8, D = 128) {{
  k, v: {codec}
  layout {layout}
}}

attend decode(q: {type}[1..{queries}]) on peer -> (o: {type}) {{
  mask j <= i
  {accuracy}
}}
"""


class Kvcc:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder

    def write(self, case):
        arguments = self.arguments
        layout = f"dense({case.context})" if arguments.layout == "dense" else arguments.layout
        accuracy = f"accuracy {arguments.accuracy}" if arguments.accuracy else ""
        spec = self.folder / "peer.kv"
        # Libraries compute in bf16 with a cache of bf16, else in float32.
        type = "bf16" if case.type == "bf16" else "f32"
        spec.write_text(SPEC.format(type=type, codec=CODECS[case.type][0], layout=layout, accuracy=accuracy, queries=arguments.queries))
        return spec

    def measure(self, case):
        """{mode: {"us", "spread", "share", "bytes"}} of one run."""
        arguments = self.arguments
        command = [arguments.kvcc, "bench", self.write(case), "--kernel", "peer_append_decode", "--json"]
        command += ["--seconds", arguments.seconds, "--context", case.context, "--threads", case.threads]
        command += ["--mode", ",".join(arguments.mode)]
        if arguments.queries > 1:
            command += ["--queries", arguments.queries]
        return {row["mode"]: row for row in json.loads(run(command))}

    def results(self, case, tokens, output):
        """Appends the file's tokens, attends from its queries, and writes what comes out to the file `output`."""
        library = self.folder / "library"
        run([self.arguments.kvcc, "compile", self.write(case), "--target", "native", "-o", library])
        build = self.arguments.kvcc.resolve().parents[1]
        runtime = build / "lib/libkvrt.a"
        if not runtime.is_file():
            raise Failure(f"no `libkvrt.a` in `{runtime.parent}`")
        program = self.folder / "peer-kvcc"
        include = next(path for path in (HERE.parents[1] / "runtime/include", build / "include") if path.is_dir())
        run([self.arguments.cc, "-O2", f"-I{library}", f"-I{include}", HERE / "peer/kvcc.c", library / "libpeer.a", runtime,
             "-pthread", "-lm", "-ldl", "-o", program])
        run([program, tokens, case.context, self.arguments.queries, output])
