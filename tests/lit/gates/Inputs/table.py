"""A table of counts that may only get smaller: what a gate has found against what is known of it, in a file beside the gate.

    KEY COUNT            # a line each; `GATE ROOT --write` writes today's counts"""
import pathlib
import sys


def compare(path, found, say, cure):
    """Ends the gate: with 1 where a count of `found` {key: count} differs from the file's. `say(key, count, limit)` tells of one,
    `cure(key)` what to do about a count that is too high."""
    path = pathlib.Path(path)
    if sys.argv[2:] == ["--write"]:
        path.write_text("".join(f"{key} {count}\n" for key, count in sorted(found.items())))
        sys.exit(0)
    limits = {key: int(count) for key, _, count in (line.rpartition(" ") for line in path.read_text().splitlines())}
    bad = 0
    for key in sorted(found.keys() | limits.keys()):
        count, limit = found.get(key, 0), limits.get(key, 0)
        if count != limit:
            bad += 1
            print(say(key, count, limit) + (cure(key) if count > limit else f": run {pathlib.Path(sys.argv[0]).name} ROOT --write"))
    sys.exit(1 if bad else 0)
