#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How much shorter communication and iterations of training are over Blink's trees, as simulated_training wrote them.

    training_figure.py FOLDER           draws FOLDER/training_communication.svg and training_iteration.svg from
                                        FOLDER/training.csv; prints Markdown tables
    training_figure.py --check FOLDER   exit status 1 where the figures there are others
"""
import collections
import csv
import pathlib
import sys

import lines

OTHERS = {"rings": "rings", "relayed": "rings through ranks", "chains": "chains", "double_tree": "double binary tree"}
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#999999"]
TIMES = {"communication": lambda row: row["communication_ms"], "iteration": lambda row: row["iteration_ms"],
         "iteration, nothing hidden": lambda row: row["compute_ms"] + row["communication_ms"]}


def read(path):
    """{network: {ranks: {who: row}}}, in the order of the file."""
    table = collections.defaultdict(lambda: collections.defaultdict(dict))
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            for name in list(row):
                if name.endswith("_ms"):
                    row[name] = float(row[name])
            table[row["network"]][row["ranks"]][row["who"]] = row
    return table


def savings(configurations, other, time, wanted=lambda ranks, rows: True):
    """Per cent less than `other` takes, by configuration."""
    return [100 * (1 - TIMES[time](rows["blink"]) / TIMES[time](rows[other])) for ranks, rows in configurations.items()
            if other in rows and wanted(ranks, rows)]


def mean(values):
    return sum(values) / len(values)


def summary(values):
    return ", ".join(f"{round(v, 1) + 0:.1f}" for v in (mean(values), min(values), max(values))) + " %"


def figure(table, time, title):
    """A bar to the mean for each network and number of GPUs, a stroke from the least to the most."""
    left, top, height, bar, gap = 52, 52, 220, 14, 18
    sizes = sorted({len(ranks) for c in table.values() for ranks in c})
    values = {(size, net): savings(c, "rings", time, lambda ranks, rows, size=size: len(ranks) == size)
              for size in sizes for net, c in table.items()}
    least, most = min(min(v) for v in values.values()), max(max(v) for v in values.values())
    step = 20 if most > 30 else 10 if most > 15 else 5
    low, high = step * min(0, int(least // step)), step * int(most // step + 1)
    group = bar * len(table) + gap
    width = left + group * len(sizes) + 16

    def place(value):
        return top + height * (high - value) / (high - low)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top + height + 34}" '
           f'font-family="sans-serif" font-size="11" role="img" aria-label="{title}">',
           f'<rect width="{width}" height="{top + height + 34}" rx="6" fill="#ffffff"/>',
           f'<text x="12" y="18" font-size="13" fill="#222222">{title}</text>']
    for mark in range(low, high + 1, step):
        out.append(f'<line x1="{left}" x2="{width - 8}" y1="{place(mark):.1f}" y2="{place(mark):.1f}" '
                   f'stroke="{"#777777" if mark == 0 else "#dddddd"}"/><text x="{left - 6}" y="{place(mark) + 4:.1f}" '
                   f'text-anchor="end" fill="#222222">{mark} %</text>')
    at = left
    for net, colour in zip(table, COLOURS):
        out.append(f'<rect x="{at}" y="28" width="10" height="10" fill="{colour}"/>'
                   f'<text x="{at + 14}" y="37" fill="#222222">{net}</text>')
        at += 32 + 6.5 * len(net)
    for i, size in enumerate(sizes):
        x = left + gap / 2 + group * i
        for j, (net, colour) in enumerate(zip(table, COLOURS)):
            found = values[size, net]
            upper, lower = place(max(mean(found), 0)), place(min(mean(found), 0))
            middle = x + bar * j + (bar - 2) / 2
            out.append(f'<rect x="{x + bar * j:.1f}" y="{upper:.1f}" width="{bar - 2}" height="{lower - upper:.1f}" '
                       f'fill="{colour}"/><line x1="{middle:.1f}" x2="{middle:.1f}" y1="{place(max(found)):.1f}" '
                       f'y2="{place(min(found)):.1f}" stroke="#222222"/>')
        out.append(f'<text x="{x + bar * len(table) / 2:.1f}" y="{top + height + 18}" text-anchor="middle" '
                   f'fill="#222222">{size} GPUs</text>')
    return "\n".join(out) + "\n</svg>\n"


def tables(table):
    text = ["| network | images a GPU | one GPU computes | communication over rings | over Blink's trees |",
            "|---|---|---|---|---|"]
    for net, configurations in table.items():
        rows = [c["rings"] for c in configurations.values()]
        ours = [c["blink"] for c in configurations.values()]
        text.append(f"| {net} | {rows[0]['batch']} | {rows[0]['compute_ms']:.1f} ms | "
                    + " | ".join(f"{min(r['communication_ms'] for r in who):.1f} to "
                                 f"{max(r['communication_ms'] for r in who):.1f} ms" for who in (rows, ours)) + " |")
    text += ["", "| against | configurations | network | " + " | ".join(f"{t}: mean, least, most" for t in TIMES) + " |",
             "|---|---|---|" + "---|" * len(TIMES)]
    for other, label in OTHERS.items():
        pooled = {time: [] for time in TIMES}
        for net, configurations in table.items():
            cells = []
            for time in TIMES:
                found = savings(configurations, other, time)
                pooled[time] += found
                cells.append(summary(found))
            text.append(f"| {label} | {len(found)} | {net} | " + " | ".join(cells) + " |")
        text.append(f"| {label} | | all | " + " | ".join(map(summary, pooled.values())) + " |")
    text += ["", "Where NVLink has a ring, against it, mean, least, most:"]
    for time in TIMES:
        found = [v for c in table.values()
                 for v in savings(c, "rings", time, lambda ranks, rows: rows["rings"]["wires"] == "nvlink")]
        text.append(f"{time}: {summary(found)}")
    return "\n".join(text)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[-1])
    table = read(folder / "training.csv")
    files = {
        folder / "training_communication.svg": figure(
            table, "communication", "Less time in AllReduce than over rings, DGX-1V, simulated"),
        folder / "training_iteration.svg": figure(
            table, "iteration", "Shorter iterations than over rings, DGX-1V, simulated"),
    }
    status = lines.write_or_check(files, sys.argv[1] == "--check")
    if sys.argv[1] != "--check":
        print(tables(table))
    return status


if __name__ == "__main__":
    sys.exit(main())
