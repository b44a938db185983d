#!/usr/bin/env python3
"""tools/soak reports a planted fault with a command that shows it again, and nothing where nothing is wrong."""
import json
import os
import pathlib
import shlex
import subprocess
import sys
import unittest

SOAK = str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "soak")
SEED = "56"  # one head of forty channels, lse


def soak(*words, **environment):
    return subprocess.run([SOAK, "--minutes", "0.001", "--seed", SEED, *words], capture_output=True, text=True,
                          env={**os.environ, **environment})


class Soak(unittest.TestCase):
    def test_clean(self):
        ran = soak("--target", "generic")
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertRegex(ran.stdout, rf"^1 specs from seed {SEED} for generic, [1-9]\d* cases in \d+ s; 0 failed\n$")

    def test_planted(self):
        ran = soak("--target", "generic", "--json", "--", "--plant", "token")
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        result = json.loads(ran.stdout)
        self.assertEqual((result["specs"], result["cases"], result["first_seed"], result["target"]), (1, 0, int(SEED), "generic"))
        (failure,) = result["failures"]
        self.assertRegex(failure["why"], "c_a on generic, .*: .*tolerance")
        again = subprocess.run(shlex.split(failure["again"]), capture_output=True, text=True)
        self.assertEqual(again.returncode, 1)
        self.assertIn(failure["why"], again.stdout)

    def test_line(self):
        ran = soak("--target", "generic", "--", "--plant", "row")
        self.assertEqual(ran.returncode, 1)
        self.assertRegex(ran.stdout, rf"(?m)^seed {SEED}: c_a on generic, .*; again: .*oracle_test --target generic --seed {SEED} --count 1 --plant row$")

    def test_nothing_to_run(self):
        self.assertEqual(soak(BUILD_DIR="/nowhere").returncode, 2)
        self.assertEqual(soak("--runner", "no-such-emulator", "--target", "aarch64").returncode, 2)
        for words in (["--target", "no-such-target"], ["--", "--plant", "no-such-fault"]):
            ran = soak(*words)
            self.assertEqual(ran.returncode, 2)
            self.assertIn("there is no ", ran.stderr)
            self.assertEqual(ran.stdout, "")


if __name__ == "__main__":
    os.environ["BUILD_DIR"] = sys.argv.pop(1)
    unittest.main()
