"""What smaller.py makes of rows that a kvcc of its own prints: codecs that are faster, one that is slower once, one that is slower."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name("smaller.py")

# Microseconds of each codec in turn, the last for all turns after; rows as `kvcc bench --json` prints them.
FAKE = """#!{python}
import json, pathlib, sys
value = lambda name: sys.argv[sys.argv.index(name) + 1]
times = json.loads(pathlib.Path({times!r}).read_text())
rows = []
for kernel in value("--kernel").split(","):
    left = times[kernel.removesuffix("_decode")]
    for context in value("--context").split(","):
        for mode in value("--mode").split(","):
            rows.append({{"kernel": kernel, "context": int(context), "mode": mode, "us": left.pop(0) if len(left) > 1 else left[0]}})
pathlib.Path({times!r}).write_text(json.dumps(times))
print(json.dumps(rows))
"""


def run(times, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        kvcc, store = pathlib.Path(folder, "kvcc"), pathlib.Path(folder, "times.json")
        store.write_text(json.dumps(times))
        kvcc.write_text(FAKE.format(python=sys.executable, times=str(store)))
        os.chmod(kvcc, 0o755)
        command = [sys.executable, str(SCRIPT), "--kvcc", str(kvcc), "--context", "128", "--batch", "1", "--threads", "1"]
        return subprocess.run(command + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class SmallerTest(unittest.TestCase):
    def test_faster(self):
        result = run({"half": [100], "int8": [50], "int4": [25]})
        self.assertIn("int8: 2.00 times as fast as f16", result.stdout)
        self.assertIn("int4: 4.00 times as fast as f16", result.stdout)
        self.assertIn("2 rows, none slower than f16", result.stdout)
        self.assertEqual(result.returncode, 0)

    def test_slower_once_is_noise(self):
        result = run({"half": [100], "int8": [120, 50], "int4": [25]}, "--mode", "hot")
        self.assertIn("int8: 2.00 times", result.stdout)
        self.assertEqual(result.returncode, 0)

    def test_slower(self):
        result = run({"half": [100], "int8": [50], "int4": [125]}, "--mode", "cold")
        self.assertIn("slower than f16: int4, 0.80 times as fast: 128 tokens, batch 1, 1 threads, cold", result.stdout)
        self.assertIn("1 rows, 1 of them slower", result.stdout)
        self.assertEqual(result.returncode, 1)

    def test_nothing_to_measure(self):
        result = run({"half": [1], "int8": [1], "int4": [1]}, "--gigabytes", "0.0001")
        self.assertIn("no cache is small enough", result.stdout)
        self.assertEqual(result.returncode, 1)


if __name__ == "__main__":
    unittest.main()
