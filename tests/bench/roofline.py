#!/usr/bin/env python3
"""Draws measured kernels under the roofs of the machine that ran them: arithmetic intensity against arithmetic done, as SVG.

    build/bin/kv_bench --benchmark_filter='^decode/.*/8192/' --benchmark_format=json > decode.json
    tests/bench/roofline.py decode.json --filter cold -o decode.svg

Reads what `kv_bench --benchmark_format=json` and `kvcc bench --json` print, several files if need be. The roofs are medians of what
was measured between the rows: the streaming read (a GPU's copy) and f32 multiply-adds; a pair for each number of threads. A filled
point read memory; a hollow one the caches, and may lie above the read's roof. Rows without arithmetic (append) are left out."""
import argparse
import collections
import html
import json
import math
import pathlib
import re
import statistics
import sys

WIDTH, HEIGHT = 960, 600
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 50, 60  # of the plot: what lies around it
CHARACTER, LINE = 7.0, 14  # pixels of a label's letter, in a font whose letters are all as wide, rounded up as hinting does
RADIUS = 4.5
# On white and on black; each at least 4.5:1 against its ground.
COLOURS = [("#0b5cad", "#6cb6ff"), ("#b3400e", "#ff9c66"), ("#1a7037", "#5fd38a"), ("#7a3db8", "#c9a0f5")]

Row = collections.namedtuple("Row", "name threads cold intensity gflops memory peak")


class Mistake(Exception):
    pass


def rows_of_google(document):
    """Rows of kv_bench; of repetitions their median."""
    entries = [entry for entry in document["benchmarks"] if not entry.get("error_occurred")]
    medians = [entry for entry in entries if entry.get("aggregate_name") == "median"]
    for entry in medians or [entry for entry in entries if entry.get("run_type", "iteration") == "iteration"]:
        if "GFLOP/s" not in entry:
            continue
        *name, threads = entry.get("run_name", entry["name"]).removesuffix("/manual_time").split("/")
        yield Row("/".join(name), int(threads.removeprefix("threads:")), name[-1] == "cold", entry["intensity"], entry["GFLOP/s"],
                  entry["read_bytes/s"] * 1e-9, entry["peak_GFLOP/s"] or None)


def rows_of_kvcc(document):
    """Rows of `kvcc bench`, named by what they differ in."""
    several = {key for key in ("target", "context", "batch", "queries") if len({entry[key] for entry in document}) > 1}
    for entry in document:
        if not entry["flops"]:
            continue
        name = [entry["kernel"]] + [f"{key} {entry[key]}" if key != "target" else entry[key]
                                    for key in ("target", "context", "batch", "queries") if key in several]
        yield Row(", ".join(name + [entry["mode"]]), entry["threads"], entry["mode"] == "cold", entry["flops"] / entry["bytes"],
                  entry["gflops"], entry["memory_gbps"], entry["peak_gflops"])


def read(path):
    try:
        document = json.loads(path.read_text())
        return list(rows_of_google(document) if isinstance(document, dict) else rows_of_kvcc(document))
    except (OSError, ValueError) as error:
        raise Mistake(f"cannot read `{path}`: {error}")
    except (KeyError, TypeError) as error:
        raise Mistake(f"`{path}` has rows without {error}: neither `kv_bench --benchmark_format=json` nor `kvcc bench --json`")


def roofs_of(rows):
    """For each number of threads: GB/s of memory, GFLOP/s of multiply-adds or None."""
    roofs = {}
    for threads in sorted({row.threads for row in rows}):
        same = [row for row in rows if row.threads == threads]
        peaks = [row.peak for row in same if row.peak]
        roofs[threads] = statistics.median(row.memory for row in same), statistics.median(peaks) if peaks else None
    return roofs


class Plot:
    """Where things are in the picture."""

    def __init__(self, rows, roofs):
        ridges = [peak / memory for memory, peak in roofs.values() if peak]
        self.x0, self.x1 = self.span([row.intensity for row in rows] + ridges, 2)
        tops = [peak for _, peak in roofs.values() if peak] or [memory * self.x1 for memory, _ in roofs.values()]
        self.y0, self.y1 = self.span([row.gflops for row in rows] + tops, 1.6)
        self.width, self.height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    @staticmethod
    def span(values, margin):
        return min(values) / margin, max(values) * margin

    def x(self, intensity):
        return LEFT + self.width * math.log(intensity / self.x0) / math.log(self.x1 / self.x0)

    def y(self, gflops):
        return TOP + self.height * (1 - math.log(gflops / self.y0) / math.log(self.y1 / self.y0))

    def spot(self, row):
        return self.x(row.intensity), self.y(row.gflops)

    def inside(self, box):
        return box[0] >= LEFT and box[2] <= WIDTH - RIGHT and box[1] >= TOP and box[3] <= HEIGHT - BOTTOM


def ticks(low, high):
    """Round numbers between, few enough to read: powers of ten, or 1, 2 and 5 of each."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if math.log10(high / low) < 4 else (1,)
    return [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]


def text(x, y, words, kind="", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" {more}>{html.escape(words)}</text>'


def line(x0, y0, x1, y1, kind):
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" class="{kind}"/>'


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def boxes_along(x0, y0, x1, y1, half):
    """Small boxes that cover a line."""
    count = max(1, math.ceil(math.hypot(x1 - x0, y1 - y0) / 8))
    for i in range(count + 1):
        x, y = x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count
        yield x - half, y - half, x + half, y + half


def draw_axes(plot):
    for value in ticks(plot.x0, plot.x1):
        yield line(plot.x(value), TOP, plot.x(value), HEIGHT - BOTTOM, "grid")
        yield text(plot.x(value), HEIGHT - BOTTOM + 18, f"{value:g}", "tick middle")
    for value in ticks(plot.y0, plot.y1):
        yield line(LEFT, plot.y(value), WIDTH - RIGHT, plot.y(value), "grid")
        yield text(LEFT - 8, plot.y(value) + 4, f"{value:g}", "tick end")
    yield text(LEFT + plot.width / 2, HEIGHT - 16, "arithmetic intensity, FLOP a byte of the cache", "axis middle")
    middle = TOP + plot.height / 2
    yield text(18, middle, "GFLOP/s", "axis middle", f'transform="rotate(-90 18 {middle:.1f})"')


def name_on(start, end, name, colour, from_end, taken):
    """A roof's name along its upper side, near one end of it and rather not over what is in `taken`."""
    slope = math.atan2(end[1] - start[1], end[0] - start[0])
    along, across = (math.cos(slope), math.sin(slope)), (math.sin(slope), -math.cos(slope))
    reach, room = len(name) * CHARACTER, math.dist(start, end)
    best = None
    for slack in range(10, max(11, int(room - reach)), 10):
        begin = room - reach - slack if from_end else slack + 18
        x, y = (start[i] + begin * along[i] + 7 * across[i] for i in (0, 1))
        middle = x + 4 * across[0], y + 4 * across[1]
        boxes = list(boxes_along(*middle, middle[0] + reach * along[0], middle[1] + reach * along[1], 6))
        hits = sum(overlap(box, other) for box in boxes for other in taken)
        if best is None or hits < best[0]:
            best = hits, x, y, boxes
    _, x, y, boxes = best
    taken += boxes
    return text(x, y, name, f"label {colour}", f'transform="rotate({math.degrees(slope):.1f} {x:.1f} {y:.1f})"')


def draw_roofs(plot, roofs, taken, avoided):
    """The roofs; what their names cover is added to `taken`, what they cover themselves to `avoided`."""
    for i, (threads, (memory, peak)) in enumerate(roofs.items()):
        on = f", {threads} thread{'s' if threads > 1 else ''}" if threads else ""
        ridge = min(peak / memory, plot.x1) if peak else plot.x1
        left = max(plot.x0, plot.y0 / memory)
        start, end = (plot.x(left), plot.y(left * memory)), (plot.x(ridge), plot.y(ridge * memory))
        yield line(*start, *end, f"roof c{i}")
        avoided += boxes_along(*start, *end, 2)
        yield name_on(start, end, f"{'streaming read' if threads else 'copy'} {memory:.1f} GB/s{on}", f"c{i}", False, taken)
        if peak:
            right = plot.x(plot.x1), end[1]
            yield line(*end, *right, f"roof c{i}")
            avoided += boxes_along(*end, *right, 2)
            yield name_on(end, right, f"f32 multiply-adds {peak:.0f} GFLOP/s{on}", f"c{i}", True, taken)


def nearest(box, at):
    """Where the leader to a label's box ends."""
    return min(max(at[0], box[0]), box[2]), min(max(at[1], box[1] + 3), box[3] - 3)


def place(plot, at, words, taken, avoided):
    """The box of a label near a point that covers nothing, or None: the nearer the better, and rather off the roofs."""
    width, best = len(words) * CHARACTER, None
    for distance in (9, 16, 26, 40, 58, 80, 105, 135, 170):
        for turn in range(24):
            angle = math.pi * turn / 12
            x, y = at[0] + distance * math.cos(angle), at[1] + 0.8 * distance * math.sin(angle)
            left = x if math.cos(angle) > 0.3 else x - width if math.cos(angle) < -0.3 else x - width / 2
            box = (left, y - LINE / 2, left + width, y + LINE / 2)
            if not plot.inside(box) or any(overlap(box, other) for other in taken):
                continue
            cost = distance + 6 * sum(overlap(box, other) for other in avoided) + 4 * abs(math.sin(angle))
            if best and cost >= best[0]:
                continue
            # A leader is best drawn over nothing but where it begins.
            way = list(boxes_along(*at, *nearest(box, at), 1))[2:]
            cost += 15 * sum(any(overlap(step, other) for step in way) for other in taken)
            if best is None or cost < best[0]:
                best = cost, box
    return best and best[1]


def draw_points(plot, rows, roofs, taken, avoided):
    colours = list(roofs)
    lines, grounds, marks = [], [], []  # from below to above
    for row in sorted(rows, key=lambda row: -row.gflops):
        x, y = plot.spot(row)
        name = row.name if len(colours) == 1 else f"{row.name}, {row.threads}"
        box = place(plot, (x, y), name, taken, avoided)
        if not box:
            raise Mistake(f"no room for the name of `{name}` among {len(rows)} points; --filter chooses some")
        taken.append(box)
        colour = f"c{colours.index(row.threads)}"
        near = nearest(box, (x, y))
        if math.dist((x, y), near) > RADIUS + 6:
            lines.append(line(x, y, *near, f"leader {colour}"))
            avoided += boxes_along(x, y, *near, 1)
        said = html.escape(f"{name}: {row.intensity:.4g} FLOP/byte, {row.gflops:.4g} GFLOP/s")
        width = box[2] - box[0]
        grounds.append(f'<rect x="{box[0]:.1f}" y="{box[1]:.1f}" width="{width:.1f}" height="{LINE}" class="ground veil"/>')
        marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" class="point {"cold" if row.cold else "hot"} {colour}">'
                     f"<title>{said}</title></circle>")
        marks.append(text(box[0], box[3] - 3, name, "label" if len(colours) == 1 else f"label {colour}"))
    return lines + grounds + marks


def style():
    light = [".ground{fill:#fff}", "text{fill:#222}", ".grid{stroke:#e4e4e4}"]
    dark = [".ground{fill:#14171c}", "text{fill:#e6e6e6}", ".grid{stroke:#2d323a}"]
    for i, colours in enumerate(COLOURS):
        for sheet, colour, ground in ((light, colours[0], "#fff"), (dark, colours[1], "#14171c")):
            sheet += [f".c{i}{{stroke:{colour}}}", f"text.c{i}{{fill:{colour};stroke:none}}", f".cold.c{i}{{fill:{colour}}}",
                      f".hot.c{i}{{fill:{ground}}}"]
    shapes = ["text{font:11px 'DejaVu Sans Mono',Menlo,Consolas,monospace}", ".title{font-size:15px;font-weight:bold}",
              ".axis{font-size:12px}", ".middle{text-anchor:middle}", ".end{text-anchor:end}", ".roof{stroke-width:2}",
              ".point{stroke-width:1.8}", ".leader{stroke-width:.7;stroke-opacity:.6}",
              ".veil{fill-opacity:.75}"]
    return f"<style>{''.join(shapes + light)}@media (prefers-color-scheme:dark){{{''.join(dark)}}}</style>"


def draw(rows, title):
    """The picture of rows, of which there must be some."""
    roofs = roofs_of(rows)
    if len(roofs) > len(COLOURS):
        raise Mistake(f"{len(roofs)} numbers of threads; a picture shows at most {len(COLOURS)}")
    plot, reach, avoided = Plot(rows, roofs), RADIUS + 1, []
    taken = [(x - reach, y - reach, x + reach, y + reach) for x, y in map(plot.spot, rows)]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
             f"<title>{html.escape(title)}</title>", style(), f'<rect width="{WIDTH}" height="{HEIGHT}" class="ground"/>',
             text(LEFT, 28, title, "title")]
    if len({row.cold for row in rows}) > 1:
        parts.append(text(WIDTH - RIGHT, 28, "filled: from memory; hollow: from the caches", "tick end"))
    parts += draw_axes(plot)
    parts += draw_roofs(plot, roofs, taken, avoided)
    parts += draw_points(plot, rows, roofs, taken, avoided)
    return "\n".join(parts + ["</svg>\n"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=pathlib.Path)
    parser.add_argument("-o", "--output", type=pathlib.Path, default=pathlib.Path("roofline.svg"))
    parser.add_argument("--filter", default="", metavar="REGEX", help="only rows whose names have it")
    parser.add_argument("--title", default="Attention under the roofs of this machine")
    arguments = parser.parse_args()
    try:
        rows = [row for path in arguments.results for row in read(path) if re.search(arguments.filter, row.name)]
        if not rows:
            raise Mistake("no row with arithmetic is left")
        arguments.output.write_text(draw(rows, arguments.title))
    except re.error as error:
        sys.exit(f"roofline.py: --filter: {error}")
    except (Mistake, OSError) as error:
        sys.exit(f"roofline.py: {error}")


if __name__ == "__main__":
    main()
