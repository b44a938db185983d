"""What defaults.py makes of schedules that a kvcc of its own times: one that is faster, none, one that is fast once."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name("defaults.py")

# Microseconds by what a schedule says, 100 without one; `lucky` halves the first time of that schedule. Rows as `kvcc bench --json`
# prints them, of the attends that the file has.
FAKE = """#!{python}
import json, pathlib, re, sys
value = lambda name: sys.argv[sys.argv.index(name) + 1]
text, store = pathlib.Path(sys.argv[2]).read_text(), pathlib.Path({store!r})
times, rows = json.loads(store.read_text()), []
schedules = dict(re.findall(r"schedule (\\w+) for some-target \\{{ (.*?) \\}}", text))
for kernel in value("--kernel").split(","):
    name = kernel.removeprefix("c_")
    assert f"attend {{name}}(" in text
    schedule = schedules.get(name, "")
    us = times.get(schedule, 100)
    if schedule and schedule == times.get("lucky"):
        us, times["lucky"] = us / 2, ""
    rows.append({{"kernel": kernel, "us": us, "target": "some-target"}})
store.write_text(json.dumps(times))
print(json.dumps(rows))
"""


def run(times):
    with tempfile.TemporaryDirectory() as folder:
        kvcc, store, results = (pathlib.Path(folder, name) for name in ("kvcc", "times.json", "results.json"))
        store.write_text(json.dumps(times))
        kvcc.write_text(FAKE.format(python=sys.executable, store=str(store)))
        os.chmod(kvcc, 0o755)
        command = [sys.executable, SCRIPT, "--kvcc", kvcc, "--codecs", "f16", "--page", "16", "--rounds", "3", "--finals", "3"]
        done = subprocess.run(list(map(str, command + ["--json", results])), capture_output=True, text=True)
        return done.stdout + done.stderr, json.loads(results.read_text())


class DefaultsTest(unittest.TestCase):
    def test_a_faster_schedule(self):
        text, results = run({"unroll 1; prefetch 3": 80, "prefetch 2": 120})
        self.assertIn("farthest default: f16 in pages of 16, 20.0 % from `unroll 1; prefetch 3`", text)
        self.assertEqual(results["target"], "some-target")
        row = results["rows"][0]
        self.assertEqual((row["best"], row["ratio"], row["default_us"]), ("unroll 1; prefetch 3", 0.8, 100))
        self.assertEqual(len(row["ratios"]), 12)
        self.assertEqual(row["ratios"]["prefetch 2"], [1.2] * 3)

    def test_none_is_faster(self):
        text, _ = run({f"{unroll}prefetch {n}": 101 for unroll in ("", "unroll 1; ", "unroll 2; ") for n in range(1, 5)})
        self.assertIn("0.0 % from", text)

    def test_fast_once_does_not_count(self):
        text, results = run({"unroll 2; prefetch 4": 99, "lucky": "unroll 2; prefetch 4"})
        self.assertIn("1.0 % from `unroll 2; prefetch 4`", text)
        self.assertEqual(results["rows"][0]["finals"], [0.99] * 3)


if __name__ == "__main__":
    unittest.main()
