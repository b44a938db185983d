"""Fails when a pass has no file of tests: createTileAppendPass wants TileAppend.cpp and tile-append.mlir. Usage: passes.py ROOT"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
passes = [(header.parent, name) for header in sorted(root.glob("compiler/*/Passes.h"))
          for name in re.findall(r"\bcreate(\w+)Pass\(", header.read_text())]
bad = 0
for folder, name in passes:
    dashed = re.sub(r"(?<!^)([A-Z])", r"-\1", name).lower()
    source, test = folder / f"{name}.cpp", root / f"tests/lit/transforms/{dashed}.mlir"
    for path, wanted in ((source, f'"kv-{dashed}"'), (test, f"kv-{dashed}")):
        if not path.exists() or wanted not in path.read_text():
            bad += 1
            print(f"{name}: expected {path.relative_to(root)} with {wanted}")
if len(passes) < 6:
    sys.exit(f"{len(passes)} passes seen: this gate looks in the wrong place")
sys.exit(1 if bad else 0)
