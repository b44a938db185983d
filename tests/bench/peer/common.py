"""What all peers share: the case, the caches that stand for a type, commands and their failures."""
import dataclasses
import subprocess

# Each type: kvcc's codec, then ggml's.
CODECS = {
    "f32": ("f32", None),
    "f16": ("f16", "f16"),
    "bf16": ("bf16", "bf16"),
    "int8": ("i8 group(d:32) scale f16", "q8_0"),
    "int8-row": ("i8 group(d:*)", "q8_0"),
    "int4": ("i4 group(d:32) scale f16", "q4_0"),
}


class Failure(Exception):
    """Why something could not be measured, in one line."""


@dataclasses.dataclass(frozen=True)
class Case:
    type: str
    context: int
    threads: int


def run(command, **options):
    """What a command prints. A failure gives the first line of its errors, of a Python exception the last one."""
    command = list(map(str, command))
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", **options)
    except OSError as error:
        raise Failure(f"cannot run `{command[0]}`: {error.strerror}") from error
    if done.returncode:
        lines = [line.strip("= ") for line in done.stderr.splitlines() if line.strip("= ")]
        if lines and lines[0].startswith("Traceback"):
            lines = lines[-1:]
        errors = [line for line in lines if "error:" in line or "undefined" in line] + lines
        raise Failure(errors[0] if errors else f"`{command[0]}` ended with {done.returncode}")
    return done.stdout
