#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How the time of planning grows with the machine, as a picture.

    bench_planning --benchmark_filter='plan/hgx_h100.*slack:0.05' --benchmark_out=FILE.json
    figure.py FILE.json FIGURE.svg
"""
import json
import math
import re
import sys

# Colours that stay apart for every eye (Okabe and Ito).
COLOURS = {"broadcast": "#0072b2", "reduce": "#56b4e9", "allreduce": "#d55e00", "allgather": "#009e73",
           "reduce_scatter": "#cc79a7"}
UNITS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}
LEFT, TOP, WIDTH, HEIGHT = 62, 44, 420, 260


def read(path):
    """{collective: [(GPUs, milliseconds)]} of the boxes of eight GPUs, in ascending order."""
    found = {}
    with open(path) as file:
        for case in json.load(file)["benchmarks"]:
            match = re.match(r"plan/hgx_h100(?:x(\d+))?/(\w+)/slack:0\.05", case["name"])
            if match and case.get("run_type", "iteration") == "iteration":
                gpus = 8 * int(match[1] or 1)
                found.setdefault(match[2], []).append((gpus, case["cpu_time"] * UNITS[case["time_unit"]]))
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
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full_width} {full_height}" font-family="sans-serif" '
           f'font-size="11" role="img" aria-label="{title}">',
           f'<rect width="{full_width}" height="{full_height}" rx="6" fill="#ffffff"/>',
           f'<text x="12" y="20" font-size="13" fill="#222222">{title}</text>']
    for power in range(low, high + 1):
        _, y = place(2 ** first, 10 ** power)
        label = f"{10 ** power:g} ms" if power < 3 else f"{10 ** (power - 3):g} s"
        out.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>'
                   f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#222222">{label}</text>')
    for gpus in sorted({gpus for gpus, _ in every}):
        x, _ = place(gpus, 10 ** low)
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + HEIGHT}" stroke="#eeeeee"/>'
                   f'<text x="{x:.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle" fill="#222222">{gpus}</text>')
    out.append(f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 34}" text-anchor="middle" fill="#222222">GPUs</text>')
    labels = []
    for kind, points in sorted(curves.items(), key=lambda curve: -curve[1][-1][1]):
        places = [place(*point) for point in points]
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        out.append(f'<polyline points="{way}" fill="none" stroke="{COLOURS[kind]}" stroke-width="2"/>')
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
    curves = read(sys.argv[1])
    if not curves:
        sys.exit(f"{sys.argv[1]}: no case of plan/hgx_h100... with slack 0.05")
    with open(sys.argv[2], "w") as file:
        file.write(figure(curves))


if __name__ == "__main__":
    main()
