#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How the time of planning grows with the machine, as a picture.

    bench_planning --benchmark_filter='plan/hgx_h100.*slack:0.05' --benchmark_repetitions=5 \\
                   --benchmark_out=FILE.json
    figure.py FILE.json FOLDER     writes FOLDER/planning.csv and FOLDER/planning.svg
    figure.py --check FOLDER       exit status 1 where FOLDER/planning.svg is not drawn from FOLDER/planning.csv
"""
import csv
import json
import math
import pathlib
import re
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import plot

# Colours that stay apart for every eye (Okabe and Ito).
COLOURS = {"broadcast": "#0072b2", "reduce": "#56b4e9", "allreduce": "#d55e00", "allgather": "#009e73",
           "reduce_scatter": "#cc79a7"}
UNITS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}
LEFT, TOP, WIDTH, HEIGHT = 62, 44, 420, 260


def measured(path):
    """Rows (collective, GPUs, milliseconds) of the boxes of eight GPUs, the medians of what the benchmark wrote."""
    times = {}
    with open(path) as file:
        for case in json.load(file)["benchmarks"]:
            match = re.match(r"plan/hgx_h100(?:x(\d+))?/(\w+)/slack:0\.05", case["name"])
            if match and case.get("run_type", "iteration") == "iteration":
                gpus = 8 * int(match[1] or 1)
                times.setdefault((match[2], gpus), []).append(case["cpu_time"] * UNITS[case["time_unit"]])
    return [(*case, f"{statistics.median(ms):.4g}") for case, ms in sorted(times.items())]


def read(path):
    """{collective: [(GPUs, milliseconds)]}, in ascending order."""
    found = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["collective"], []).append((int(row["gpus"]), float(row["ms"])))
    return {kind: sorted(points) for kind, points in found.items()}


def figure(curves):
    """A log-log plot in SVG."""
    every = [point for points in curves.values() for point in points]
    low, high = math.floor(math.log10(min(ms for _, ms in every))), math.ceil(math.log10(max(ms for _, ms in every)))
    first, last = math.log2(min(gpus for gpus, _ in every)), math.log2(max(gpus for gpus, _ in every))

    def place(gpus, ms):
        return (LEFT + WIDTH * (math.log2(gpus) - first) / (last - first),
                TOP + HEIGHT * (high - math.log10(ms)) / (high - low))

    title = "Planning boxes of eight H100, from machine to schedule, one thread"
    full_width, full_height = LEFT + WIDTH + 120, TOP + HEIGHT + 44
    out = plot.card(full_width, full_height, title)
    for power in range(low, high + 1):
        label = f"{10 ** power:g} ms" if power < 3 else f"{10 ** (power - 3):g} s"
        out.append(plot.level(LEFT, LEFT + WIDTH, place(2 ** first, 10 ** power)[1], label))
    for gpus in sorted({gpus for gpus, _ in every}):
        x, _ = place(gpus, 10 ** low)
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + HEIGHT}" stroke="#eeeeee"/>' +
                   plot.below(f"{x:.1f}", TOP + HEIGHT + 16, gpus))
    out.append(plot.below(LEFT + WIDTH / 2, TOP + HEIGHT + 34, "GPUs"))
    labels = []
    for kind, points in sorted(curves.items(), key=lambda curve: -curve[1][-1][1]):
        places = [place(*point) for point in points]
        out.append(plot.curve(places, COLOURS[kind]))
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[kind]}"/>' for x, y in places]
        y = places[-1][1] + 4
        labels.append(max(y, labels[-1] + 14) if labels else y)
        out.append(f'<text x="{LEFT + WIDTH + 8}" y="{labels[-1]:.1f}" fill="#222222">{kind}</text>'
                   f'<rect x="{LEFT + WIDTH + 100}" y="{labels[-1] - 8:.1f}" width="10" height="8" '
                   f'fill="{COLOURS[kind]}"/>')
    return "\n".join(out) + "\n</svg>\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[2])
    if sys.argv[1] == "--check":
        return 0 if (folder / "planning.svg").read_text() == figure(read(folder / "planning.csv")) else 1
    rows = measured(sys.argv[1])
    if not rows:
        sys.exit(f"{sys.argv[1]}: no case of plan/hgx_h100... with slack 0.05")
    with open(folder / "planning.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("collective", "gpus", "ms"))
        writer.writerows(rows)
    (folder / "planning.svg").write_text(figure(read(folder / "planning.csv")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
