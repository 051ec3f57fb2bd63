#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What blink-perf measured, as a picture: bus bandwidth or time over size, Blink beside what it was compared with.

    figure.py RESULT.json FILE.svg [--time] [--in-place] [--up-to BYTES] [--ceiling GBps] [--title TEXT]

RESULT.json is what `blink-perf --json` wrote. The ceiling is what the wires allow: by default what the file says of
NVLink, none where it says nothing; 0 draws none.
"""
import argparse
import json
import math
import pathlib
import sys
from xml.sax.saxutils import escape

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import plot
import tables

# Colours that stay apart for every eye (Okabe and Ito), and a mark for each, for who sees none.
SERIES = {"time": ("Blink", "#0072b2", "circle"), "nccl_time": ("NCCL", "#e69f00", "square"),
          "nccl_window_time": ("NCCL, symmetric windows", "#009e73", "diamond")}
CEILING = "#d55e00"
LEFT, TOP, WIDTH, HEIGHT, RIGHT, BOTTOM = 66, 62, 600, 300, 24, 56
LETTER = 6.3  # width of a letter in the font of the labels, at most as a mean over a word


def levels(largest):
    """Round numbers from 0 to a little above `largest`, five to ten of them."""
    step = next(mantissa * 10.0 ** power for power in range(-6, 9) for mantissa in (1, 2, 2.5, 5)
                if largest / (mantissa * 10.0 ** power) <= 9)
    return [step * i for i in range(math.ceil(largest / step * 1.001) + 1)]


def mark(shape, x, y, colour):
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>'
    if shape == "square":
        return f'<rect x="{x - 2.9:.1f}" y="{y - 2.9:.1f}" width="5.8" height="5.8" fill="{colour}"/>'
    return f'<path d="M{x:.1f} {y - 4:.1f}l4 4l-4 4l-4 -4z" fill="{colour}"/>'


def sized(sizes):
    """Those of the sizes that get a label: all, or every second, third ... where they would touch."""
    every = 1
    while len(sizes) > 1:
        shown = sizes[::every]
        gaps = [WIDTH * math.log(b / a) / math.log(sizes[-1] / sizes[0]) for a, b in zip(shown, shown[1:])]
        widths = [LETTER * len(tables.size_name(size)) + 8 for size in shown]
        if all(gap >= (a + b) / 2 for gap, a, b in zip(gaps, widths, widths[1:])):
            return shown
        every += 1
    return sizes


def series_of(run, quantity, side, up_to):
    """[(label, colour, mark, {size: value})] of a run; `quantity` is bandwidth or time."""
    found = []
    for key, (label, colour, shape) in SERIES.items():
        points = {}
        for row in run["results"]:
            values = row[side]
            if values is None or key not in values or (up_to and row["size"] > up_to):
                continue
            # All have moved the same bytes as Blink.
            points[row["size"]] = values[key] if quantity == "time" else values["bus_bw"] * values["time"] / values[key]
        if points:
            found.append((label, colour, shape, points))
    return found


def figure(run, title, quantity="bandwidth", side="out_of_place", up_to=0, ceiling=None):
    """An SVG; sizes on a logarithmic axis, values from 0 on."""
    series = series_of(run, quantity, side, up_to)
    if not series:
        raise ValueError("no row to draw")
    sizes = sorted({size for *_, points in series for size in points})
    ceiling = (run.get("ceiling_GBps") or 0) if ceiling is None else ceiling
    if quantity == "time":
        ceiling = 0
    grid = levels(max([ceiling, *(value for *_, points in series for value in points.values())]))

    def place_x(size):
        span = math.log(sizes[-1] / sizes[0])
        return LEFT + (WIDTH * math.log(size / sizes[0]) / span if span else WIDTH / 2)

    def place_y(value):
        return TOP + HEIGHT * (1 - value / grid[-1])

    width, height = LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM
    out = plot.card(width, height, escape(title, {'"': "&quot;"}))
    for value in grid:
        out.append(plot.level(LEFT, LEFT + WIDTH, place_y(value), f"{value:g}"))
    for size in sized(sizes):
        out.append(f'<line x1="{place_x(size):.1f}" x2="{place_x(size):.1f}" y1="{TOP + HEIGHT}" '
                   f'y2="{TOP + HEIGHT + 5}" stroke="{plot.INK}"/>')
        out.append(plot.below(f"{place_x(size):.1f}", TOP + HEIGHT + 19, tables.size_name(size)))
    axis = "bus bandwidth (GB/s)" if quantity == "bandwidth" else "time of a call (us)"
    middle = TOP + HEIGHT / 2
    out.append(f'<text transform="translate(18 {middle:.0f}) rotate(-90)" text-anchor="middle" fill="{plot.INK}">'
               f'{axis}</text>')
    out.append(plot.below(LEFT + WIDTH / 2, TOP + HEIGHT + 42, "size of a rank's larger buffer"))
    if ceiling:
        y = place_y(ceiling)
        out.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{CEILING}" '
                   'stroke-dasharray="7 4" stroke-width="1.5"/>')
    for label, colour, shape, points in series:
        places = [(place_x(size), place_y(value)) for size, value in sorted(points.items())]
        out.append(plot.curve(places, colour))
        out += [mark(shape, x, y, colour) for x, y in places]
    return "\n".join(out + legend(series, ceiling)) + "\n</svg>\n"


def legend(series, ceiling):
    """A line above the plot."""
    out, x, y = [], LEFT, 44
    for label, colour, shape, _ in series:
        out.append(f'<line x1="{x:.1f}" x2="{x + 22:.1f}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" '
                   'stroke-width="2"/>' + mark(shape, x + 11, y - 4, colour))
        out.append(f'<text x="{x + 28:.1f}" y="{y}" fill="{plot.INK}">{label}</text>')
        x += 46 + LETTER * len(label)
    if ceiling:
        out.append(f'<line x1="{x:.1f}" x2="{x + 22:.1f}" y1="{y - 4}" y2="{y - 4}" stroke="{CEILING}" '
                   'stroke-dasharray="7 4" stroke-width="1.5"/>')
        out.append(f'<text x="{x + 28:.1f}" y="{y}" fill="{plot.INK}">ceiling of the wires: {ceiling:g} GB/s</text>')
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=pathlib.Path)
    parser.add_argument("svg", type=pathlib.Path)
    parser.add_argument("--time", action="store_true", help="microseconds of a call instead of bus bandwidth")
    parser.add_argument("--in-place", action="store_true", help="the calls in place instead of those out of place")
    parser.add_argument("--up-to", type=int, default=0, metavar="BYTES", help="leave longer calls out")
    parser.add_argument("--ceiling", type=float, metavar="GBps", help="what the wires allow; 0: draw none")
    parser.add_argument("--title", help="default: the collective and its ranks")
    chosen = parser.parse_args()
    run = json.loads(chosen.result.read_text())
    title = chosen.title or f"{run['collective']} among {run['ranks']} ranks"
    try:
        text = figure(run, title, "time" if chosen.time else "bandwidth",
                      "in_place" if chosen.in_place else "out_of_place", chosen.up_to, chosen.ceiling)
    except ValueError as error:
        sys.exit(f"figure.py: {chosen.result}: {error}")
    chosen.svg.write_text(text)


if __name__ == "__main__":
    main()
