"""Fails when a product loop of a report touches the stack with a vector, takes longer than its ports need, or is not there.

Usage: loops.py [--ratio=1.3] REPORT.json...   reports are what `kvcc compile --report --json` prints.
A product loop is an innermost loop one in six of whose instructions, or more, is a dot product or multiply-add of vectors, and that
stores none; every attend kernel that has loops has one. (Around a loop over columns the code that corrects accumulators has a few, too,
and a loop over rows of softmax stores what it computes.)
"""
import argparse
import json

parser = argparse.ArgumentParser()
parser.add_argument("--ratio", type=float, default=float("inf"))
parser.add_argument("reports", nargs="+")
arguments = parser.parse_args()

bad = 0


def complain(loop, what):
    global bad
    bad += 1
    print(f"{loop['function']}+{loop['offset']:#x} on {loop['model']}: {what}")


for path in arguments.reports:
    worst = {}
    attends = {}
    for loop in json.load(open(path))["loops"]:
        if loop["function"].endswith("__attend"):
            attends.setdefault(loop["function"], loop)
        if 6 * loop["products"] < loop["instructions"] or loop["stores"]:
            continue
        if attends.get(loop["function"]):
            attends[loop["function"]] = {}
        if loop["spills"]:
            complain(loop, f"{loop['spills']} loads and stores of vectors in the stack frame")
        if "unmodelled" in loop:
            complain(loop, f"not modelled: {loop['unmodelled']}")
            continue
        if loop["ratio"] > arguments.ratio:
            complain(loop, f"{loop['cycles']:.1f} cycles, {loop['ratio']:.2f} times the {loop['bound']:.1f} that its ports need")
        worst.setdefault(loop["target"], []).append(loop["ratio"])
    for loop in filter(None, attends.values()):
        complain(loop, "no product loop in this kernel")
    for target, ratios in worst.items():
        print(f"{path}: {target}: {len(ratios)} product loops, worst ratio {max(ratios):.2f}")
    if not worst:
        bad += 1
        print(f"{path}: no product loops")
raise SystemExit(1 if bad else 0)
