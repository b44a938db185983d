"""Fails when a source of the shared path names a processor: only compiler/targets may. Usage: names.py ROOT"""
import pathlib
import re
import sys

SHARED = ["dialect", "compiler/codecs", "compiler/distribute", "compiler/frontend", "compiler/interpret", "compiler/kernels",
          "compiler/online", "compiler/policy", "compiler/reference", "compiler/schedule"]
NAMES = re.compile(
    r"(?<![a-z0-9])(x86|amd64|avx|sse[0-9]|vnni|amx|bmi|vpdp|zmm|ymm|neon|sve|sme|aarch64|armv|cortex|riscv|rvv|cuda|ptx|nvvm|nvptx|"
    r"nvidia|rocm|sm_[0-9])", re.IGNORECASE)

root = pathlib.Path(sys.argv[1])
seen = bad = 0
for folder in SHARED:
    for path in sorted((root / folder).rglob("*")):
        if not path.is_file() or path.suffix == ".md":
            continue
        seen += 1
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for match in NAMES.finditer(line):
                bad += 1
                print(f"{path.relative_to(root)}:{number}: `{match.group(0)}` is a target's name; ask for a capability")
if seen < 40:
    sys.exit(f"{seen} files seen: this gate looks in the wrong place")
sys.exit(1 if bad else 0)
