"""roofline.py on small results of both kinds: every point is where it belongs, under its name, and no name covers another."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as tree

SCRIPT = pathlib.Path(__file__).with_name("roofline.py")
SVG = "{http://www.w3.org/2000/svg}"


def google(name, intensity, gflops, **more):
    return {"name": f"{name}/manual_time", "run_name": f"{name}/manual_time", "run_type": "iteration", "intensity": intensity,
            "GFLOP/s": gflops, "read_bytes/s": 40e9, "peak_GFLOP/s": 250.0, **more}


def kvcc(kernel, context, mode, flops, gflops, peak=250.0, threads=1):
    return {"kernel": kernel, "target": "x", "context": context, "batch": 1, "queries": 1, "mode": mode, "threads": threads,
            "bytes": 1000.0, "flops": flops, "gflops": gflops, "memory_gbps": 40.0, "peak_gflops": peak}


class RooflineTest(unittest.TestCase):
    def run_script(self, document, *options):
        with tempfile.TemporaryDirectory() as folder:
            source, picture = pathlib.Path(folder, "in.json"), pathlib.Path(folder, "out.svg")
            source.write_text(document if isinstance(document, str) else json.dumps(document))
            command = [sys.executable, SCRIPT, source, "-o", picture, *options]
            run = subprocess.run(command, stderr=subprocess.PIPE, text=True)
            return run.stderr if run.returncode else tree.parse(picture).getroot()

    def points(self, svg):
        """Names of the points and where they are."""
        points = {}
        for circle in svg.findall(f"{SVG}circle"):
            name = circle.find(f"{SVG}title").text.split(":")[0]
            points[name] = float(circle.get("cx")), float(circle.get("cy")), circle.get("class")
        return points

    def labels(self, svg):
        """All but those that lie on a slope."""
        return [label for label in svg.findall(f"{SVG}text")
                if "label" in label.get("class") and label.get("transform", "rotate(0.0 ").startswith("rotate(0.0 ")]

    def test_google(self):
        rows = [google("decode/f16/8192/cold/threads:1", 4, 100), google("decode/f16/8192/hot/threads:1", 4, 200),
                google("prefill/f16/512/4096/cold/threads:1", 400, 200), {"name": "append/f16/1/1024/hot/threads:1/manual_time"}]
        svg = self.run_script({"benchmarks": rows})
        self.assertEqual(svg.tag, f"{SVG}svg")
        points = self.points(svg)
        self.assertEqual(set(points), {"decode/f16/8192/cold", "decode/f16/8192/hot", "prefill/f16/512/4096/cold"})
        x, y, cold = points["decode/f16/8192/cold"]
        hot_x, hot_y, hot = points["decode/f16/8192/hot"]
        far_x, far_y, _ = points["prefill/f16/512/4096/cold"]
        self.assertEqual((x, hot_y), (hot_x, far_y))
        self.assertLess(hot_y, y)
        self.assertLess(x, far_x)
        self.assertIn("cold", cold)
        self.assertIn("hot", hot)
        names = [label.text for label in self.labels(svg)]
        self.assertTrue(set(points) <= set(names))
        self.assertIn("f32 multiply-adds 250 GFLOP/s, 1 thread", names)

    def test_medians(self):
        rows = [google("decode/f16/128/hot/threads:1", 4, value) for value in (50, 100)]
        rows.append(google("decode/f16/128/hot/threads:1", 4, 77, run_type="aggregate", aggregate_name="median"))
        rows.append(google("decode/f16/128/hot/threads:1", 4, 5, run_type="aggregate", aggregate_name="stddev"))
        svg = self.run_script({"benchmarks": rows})
        titles = [circle.find(f"{SVG}title").text for circle in svg.findall(f"{SVG}circle")]
        self.assertEqual(titles, ["decode/f16/128/hot: 4 FLOP/byte, 77 GFLOP/s"])

    def test_kvcc(self):
        rows = [kvcc("c_decode", 128, "cold", 4000.0, 90.0), kvcc("c_decode", 8192, "cold", 4000.0, 95.0, threads=2),
                kvcc("c_append", 128, "cold", 0.0, 0.0)]
        svg = self.run_script(rows)
        self.assertEqual(set(self.points(svg)), {"c_decode, context 128, cold, 1", "c_decode, context 8192, cold, 2"})

    def test_gpu(self):
        svg = self.run_script([kvcc("c_decode", 128, "cold", 4000.0, 90.0, peak=None, threads=0)])
        self.assertEqual(set(self.points(svg)), {"c_decode, cold"})
        self.assertIn("copy 40.0 GB/s", [label.text for label in svg.findall(f"{SVG}text")])

    def test_names_apart(self):
        rows = [google(f"decode/int8_fast/{context}/cold/threads:1", 7.5, 80 + 3 * i) for i, context in enumerate(range(100, 112))]
        boxes = []
        for label in self.labels(self.run_script({"benchmarks": rows})):
            width, x, y = 6.7 * len(label.text), float(label.get("x")), float(label.get("y"))
            boxes.append((x, y - 10, x + width, y))
        self.assertEqual(len(boxes), 13)
        for i, a in enumerate(boxes):
            for b in boxes[:i]:
                self.assertFalse(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3], (a, b))

    def test_mistakes(self):
        rows = [google("decode/f16/128/hot/threads:1", 4, 50)]
        self.assertIn("no row with arithmetic is left", self.run_script({"benchmarks": rows}, "--filter", "int8"))
        self.assertIn("cannot read", self.run_script("no JSON"))
        self.assertIn("has rows without 'intensity'", self.run_script({"benchmarks": [{"name": "x/hot/threads:1", "GFLOP/s": 1}]}))
        self.assertIn("--filter: ", self.run_script({"benchmarks": rows}, "--filter", "("))
        many = [google(f"decode/int8_fast/{i}/cold/threads:1", 7.5, 80) for i in range(200)]
        self.assertIn("no room for the name", self.run_script({"benchmarks": many}))


if __name__ == "__main__":
    unittest.main()
