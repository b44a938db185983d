"""Fails when a source file passes 400 lines: it does two jobs. Usage: sizes.py ROOT"""
import pathlib
import sys

LIMIT = 400
FOLDERS = ["dialect", "compiler", "runtime", "tools", "examples", "tests"]
SOURCES = {".c", ".h", ".cpp", ".td", ".def", ".in", ".py", ".cmake", ".txt", ".kv", ".mlir", ".test"}

root = pathlib.Path(sys.argv[1])
seen = bad = 0
for folder in FOLDERS:
    for path in sorted((root / folder).rglob("*")):
        if not path.is_file() or path.suffix not in SOURCES:
            continue
        seen += 1
        lines = len(path.read_text(errors="replace").splitlines())
        if lines > LIMIT:
            bad += 1
            print(f"{path.relative_to(root)}: {lines} lines, at most {LIMIT}")
if seen < 100:
    sys.exit(f"{seen} files seen: this gate looks in the wrong place")
sys.exit(1 if bad else 0)
