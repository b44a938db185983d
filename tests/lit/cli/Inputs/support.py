"""The table of README.md between two lines that say `support`: what multiplies keys and values, by codec and target.

Usage: support.py [--kvcc KVCC] README           rewrites the table
       support.py [--kvcc KVCC] --check README   fails when it is out of date

A cell is what `kvcc explain` says of a cache of one codec: `high / fast`, or one word where they are the same.
"""
import argparse
import difflib
import pathlib
import re
import subprocess
import sys

CODECS = ["k, v: f32", "k, v: f16", "k, v: bf16", "k, v: f8e4m3", "k, v: i8", "k, v: i8 group(d:32)", "k, v: i4 group(d:32)", "k, v: u4 asym",
          "k: i8 v: i4"]
ACCURACIES = ["high", "fast"]
BEGIN, END = "<!-- support: `ninja kv-readme` writes the table -->\n", "<!-- support ends -->\n"

parser = argparse.ArgumentParser()
parser.add_argument("--kvcc", default="kvcc")
parser.add_argument("--check", action="store_true")
parser.add_argument("readme", type=pathlib.Path)
arguments = parser.parse_args()


def spec(codec):
    """Query heads share a kv head, as in most models: products of matrices need more rows than one. Queries and outputs are f16, or
    bf16 where the cache is."""
    rows = "bf16" if "bf16" in codec else "f16"
    text = f"cache c(Hq = 8, Hkv = 2, D = 64) {{ {codec} layout paged(32) }}\n"
    for accuracy in ACCURACIES:
        text += f"attend {accuracy}(q: {rows}[1..8]) on c -> (o: {rows}) {{ accuracy {accuracy} }}\n"
    return text


def products(codec):
    """The cell of each target, in the order of kvcc's table."""
    run = subprocess.run([arguments.kvcc, "explain", "-"], input=spec(codec), stdout=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(f"support.py: `{codec}`: kvcc explain failed")
    chosen, header = {}, None
    for line in run.stdout.splitlines():
        columns = re.split(" {2,}", line.removeprefix("//").strip())
        if columns[0] == "schedule":
            header = columns
        elif not header or len(columns) != len(header):
            header = None
        else:
            row = dict(zip(header, columns))
            key, value = row["key dot"], row["value dot"]
            chosen.setdefault(row["schedule"], []).append(key if key == value else f"{key}, {value}")
    if not chosen or any(len(words) != len(ACCURACIES) for words in chosen.values()):
        sys.exit(f"support.py: `{codec}`: expected a schedule for each accuracy in what kvcc explain prints")
    return {target: " / ".join(dict.fromkeys(words)) for target, words in chosen.items()}


def merge(rows):
    """[(name, cells)] to [(names, cells)]: those of equal cells are one."""
    merged = {}
    for name, cells in rows:
        merged.setdefault(tuple(cells), []).append(name)
    return [(", ".join(names), list(cells)) for cells, names in merged.items()]


def table():
    columns = [(f"`{codec.removeprefix('k, v: ')}`", products(codec)) for codec in CODECS]
    targets = list(reversed(columns[0][1]))  # the simplest first
    columns = merge((codec, [cells[target] for target in targets]) for codec, cells in columns)
    rows = merge((f"`{target}`", [cells[i] for _, cells in columns]) for i, target in enumerate(targets))
    lines = [["target"] + [codec for codec, _ in columns], ["---"] * (len(columns) + 1)]
    lines += [[target] + cells for target, cells in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("| --- ", "|---")


text = arguments.readme.read_text()
before, begin, rest = text.partition(BEGIN)
_, end, after = rest.partition(END)
if not begin or not end:
    sys.exit(f"support.py: {arguments.readme}: expected the lines {BEGIN.strip()} and {END.strip()}")
wanted = before + begin + table() + end + after
if not arguments.check:
    arguments.readme.write_text(wanted)
elif text != wanted:
    sys.stdout.writelines(difflib.unified_diff(text.splitlines(True), wanted.splitlines(True), "README.md", "what kvcc explains"))
    sys.exit("support.py: README.md's table of codecs and targets is out of date: run `ninja kv-readme` and commit it")
