#!/usr/bin/env python3
"""tools/same-code finds nothing between a build and itself, and names the functions that another schedule changes."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(sys.argv.pop())
TINY = ROOT / "tests" / "lit" / "cli" / "Inputs" / "tiny.kv"
SCHEDULE = "schedule decode for {} {{ prefetch 0; unroll 3 }}\n"


def same_code(before, after, *words):
    return subprocess.run([ROOT / "tools" / "same-code", before, after, *words], capture_output=True, text=True)


class SameCode(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def other_build(self, schedule):
        """kvcc with a schedule of its own for some target."""
        build = pathlib.Path(self.folder.name) / "build"
        (build / "bin").mkdir(parents=True)
        (build / "schedule.kv").write_text(schedule)
        kvcc = build / "bin" / "kvcc"
        kvcc.write_text(f'#!/bin/sh\nexec "{BUILD}/bin/kvcc" "$@" --schedule "{build}/schedule.kv"\n')
        kvcc.chmod(0o755)
        return build

    def test_same(self):
        ran = same_code(BUILD, BUILD, "--files", TINY, "--targets", "generic,x86-64-v4,sm_90", "--routes", "mlir")
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertRegex(ran.stdout, r"^1 files, 3 targets: [1-9]\d functions are the same, 0 differences\n$")

    def test_other_code(self):
        build = self.other_build(SCHEDULE.format("generic"))
        ran = same_code(BUILD, build, "--files", TINY, "--targets", "generic,x86-64-v4", "--routes", "mlir", "--json")
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        found = json.loads(ran.stdout)["differences"]
        self.assertIn("tiny_decode__generic__attend", [one["what"] for one in found])
        self.assertTrue(all("x86_64_v4" not in one["what"] for one in found), found)

    def test_other_error(self):
        build = self.other_build("schedule decode for generic { unroll 99 }\n")
        ran = same_code(BUILD, build, "--files", TINY, "--targets", "generic,x86-64-v4", "--routes", "mlir")
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        self.assertIn("error for generic (mlir)", ran.stdout)

    def test_no_build(self):
        ran = same_code(BUILD, self.folder.name, "--files", TINY)
        self.assertEqual(ran.returncode, 2)
        self.assertIn("there is no ", ran.stderr)


if __name__ == "__main__":
    unittest.main()
