#!/usr/bin/env python3
"""tools/same-speed times a build against itself, names what is slower, and says what it cannot measure."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(sys.argv.pop())
QUICK = ("--codecs", "int4", "--steps", "threads", "--rounds", "1", "--seconds", "0.01", "--target", "generic")


def same_speed(before, after, *words):
    return subprocess.run([ROOT / "tools" / "same-speed", before, after, *words], capture_output=True, text=True)


class SameSpeed(unittest.TestCase):
    def test_rows(self):
        ran = same_speed(BUILD, BUILD, *QUICK, "--bound", "100", "--json")  # a noisy machine is no failure
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        result = json.loads(ran.stdout)
        self.assertIn("int4 threads int4_step_fast 8192 cold", [row["row"] for row in result["rows"]])
        self.assertTrue(all(row["least"] <= row["ratio"] <= row["most"] for row in result["rows"]))
        self.assertEqual(result["slower"], 0)

    def test_slower(self):
        """Of a kvcc that says what it is told, round by round."""
        row = {"kernel": "k", "context": 64, "queries": 1, "mode": "hot"}
        with tempfile.TemporaryDirectory() as folder:
            build = pathlib.Path(folder)
            (build / "bin").mkdir()
            for number, (new, old) in enumerate([(12, 10), (11, 10), (30, 10)]):
                rows = [row | {"us": new, "library": None}, row | {"us": old, "library": "old.a"}]
                (build / f"round-{number}").write_text(json.dumps(rows))
            kvcc = build / "bin" / "kvcc"
            kvcc.write_text(f'#!/bin/sh\n[ $1 = compile ] || {{ set -- {folder}/round-*; cat $1; rm $1; }}\n')
            kvcc.chmod(0o755)
            ran = same_speed(build, build, "--codecs", "int8", "--steps", "prompt", "--rounds", "3")
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        self.assertEqual(ran.stdout, "int8 prompt k 64 hot  1.200  1.100 .. 3.000  slower\n"
                                     "1 rows, 1 slower by more than 2%; geometric mean 1.200\n")

    def test_nothing(self):
        ran = same_speed(BUILD / "nowhere", BUILD, *QUICK)
        self.assertEqual((ran.returncode, ran.stdout), (2, ""))
        self.assertIn("same-speed: ", ran.stderr)
        self.assertEqual(same_speed(BUILD, BUILD, "--steps", "sleep").returncode, 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
