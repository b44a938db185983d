"""Fails when the libraries of a cache, one an architecture, take more than so many bytes together for each attend.

Usage: sizes.py --most=BYTES NAME=FOLDER...   a folder is what `kvcc compile -o` filled.
"""
import argparse
import json
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--most", type=int, required=True)
parser.add_argument("folders", nargs="+")
arguments = parser.parse_args()

bad = 0
for name, folder in (argument.split("=", 1) for argument in arguments.folders):
    size = sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*.a"))
    manifest = json.loads(next(pathlib.Path(folder).glob("*.json")).read_text())
    attends = sum(kernel["op"] == "attend" for kernel in manifest["kernels"])
    print(f"{name}: {size} bytes, {attends} attends")
    bad += not 0 < size <= arguments.most * attends
raise SystemExit(1 if bad else 0)
