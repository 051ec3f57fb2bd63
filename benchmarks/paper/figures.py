#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Figures and a summary from what the benchmark of all configurations wrote.

    figures.py FILE.csv FOLDER     writes a bar figure for each machine and collective; prints Markdown tables
    figures.py --check FOLDER      exit status 1 where FOLDER/configurations.csv gives other figures than are there
"""
import collections
import csv
import math
import pathlib
import sys

# Colours that stay apart for every eye, on white and on dark (Okabe and Ito).
WHO = {"blink": ("Blink", "#0072b2"), "rings": ("rings", "#e69f00"), "chains": ("chains", "#999999")}
MIB = 1 << 20


def read(path):
    """{(machine, collective, bytes): {ranks: {who: row}}}, in the order of the file."""
    table = collections.defaultdict(lambda: collections.defaultdict(dict))
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            row["model"], row["found"] = float(row["model_GBps"]), float(row["emulated_GBps"])
            table[row["machine"], row["collective"], int(row["bytes"])][row["ranks"]][row["who"]] = row
    return table


def figure(machine, collective, size, configurations):
    """An SVG with a group of bars for each configuration; a bar over PCIe is hatched, a tick marks the planned rate."""
    bar, gap, height, left, top, bottom = 6, 8, 180, 44, 40, 78
    names = [who for who in WHO if any(who in c for c in configurations.values())]
    group = bar * len(names) + gap
    width = max(left + group * len(configurations) + 16, 440)
    largest = max(row["model"] for c in configurations.values() for row in c.values())
    step = next(s for s in (5, 10, 20, 25, 50) if largest / s <= 6)
    scale = height / (math.ceil(largest / step) * step)
    ground = top + height
    title = f"{machine}, {collective} of {size // MIB} MiB over emulated links, GB/s"
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {ground + bottom}" font-family="sans-serif" '
           f'font-size="10" role="img" aria-label="{title}">',
           '<defs><pattern id="h" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
           '<rect width="4" height="4" fill="#ffffff"/><rect width="2" height="4" fill="#e69f00"/></pattern></defs>',
           f'<rect width="{width}" height="{ground + bottom}" rx="6" fill="#ffffff"/>',
           f'<text x="{left}" y="15" font-size="12" fill="#222222">{title}</text>']
    x = left
    for label, fill in [(WHO[who][0], WHO[who][1]) for who in names] + [("rings over PCIe", "url(#h)")]:
        out.append(f'<rect x="{x}" y="22" width="10" height="10" fill="{fill}" stroke="#777777" stroke-width="0.4"/>'
                   f'<text x="{x + 14}" y="31" fill="#222222">{label}</text>')
        x += 26 + 6 * len(label)
    out.append(f'<text x="{x}" y="31" fill="#222222">mark: planned rate</text>')
    for value in range(0, math.ceil(largest / step) * step + 1, step):
        y = ground - value * scale
        out.append(f'<line x1="{left}" x2="{width - 8}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>'
                   f'<text x="{left - 6}" y="{y + 3:.1f}" text-anchor="end" fill="#222222">{value}</text>')
    for i, (ranks, rows) in enumerate(configurations.items()):
        x = left + gap / 2 + group * i
        for j, who in enumerate(names):
            if who not in rows:
                continue
            row = rows[who]
            fill = "url(#h)" if row["wires"] == "pcie" else WHO[who][1]
            tall = row["found"] * scale
            out.append(f'<rect x="{x + bar * j:.0f}" y="{ground - tall:.1f}" width="{bar - 1}" height="{tall:.1f}" '
                       f'fill="{fill}"/>')
            y = ground - row["model"] * scale
            out.append(f'<line x1="{x + bar * j - 0.5:.1f}" x2="{x + bar * j + bar - 0.5:.1f}" y1="{y:.1f}" '
                       f'y2="{y:.1f}" stroke="#222222" stroke-width="0.8"/>')
        middle = x + bar * len(names) / 2 + 3
        out.append(f'<text transform="translate({middle:.0f} {ground + 6}) rotate(-90)" text-anchor="end" '
                   f'fill="#222222">{ranks}</text>')
    out.append(f'<text x="{left}" y="{ground + bottom - 8}" fill="#222222">GPUs of each configuration</text></svg>')
    return "\n".join(out) + "\n"


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def summary(table):
    """Markdown: how many times as fast Blink is, and which share of its planned rate it reaches."""
    lines = ["| machine | collective | MiB | against | configurations | geometric mean | least | most | of the planned rates |",
             "|---|---|---|---|---|---|---|---|---|"]
    shares = ["| machine | collective | MiB | least share of the planned rate | median |", "|---|---|---|---|---|"]
    for (machine, collective, size), configurations in table.items():
        for other in ("rings", "chains"):
            gains = [c["blink"]["found"] / c[other]["found"] for c in configurations.values() if other in c]
            planned = [c["blink"]["model"] / c[other]["model"] for c in configurations.values() if other in c]
            if gains:
                lines.append(f"| {machine} | {collective} | {size // MIB} | {other} | {len(gains)} | "
                             f"{geometric_mean(gains):.2f} | {min(gains):.2f} | {max(gains):.2f} | "
                             f"{geometric_mean(planned):.2f} |")
        reached = sorted((c["blink"]["found"] / c["blink"]["model"], ranks) for ranks, c in configurations.items())
        shares.append(f"| {machine} | {collective} | {size // MIB} | {100 * reached[0][0]:.1f} % (GPUs {reached[0][1]}) "
                      f"| {100 * reached[len(reached) // 2][0]:.1f} % |")
    return "\n".join(lines + [""] + shares)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    check, folder = sys.argv[1] == "--check", pathlib.Path(sys.argv[2])
    table = read(folder / "configurations.csv" if check else sys.argv[1])
    largest = max(size for _, _, size in table)
    drawn = {folder / f"{machine}_{collective}.svg": figure(machine, collective, size, configurations)
             for (machine, collective, size), configurations in table.items() if size == largest}
    if check:
        stale = [path for path, text in drawn.items() if not path.is_file() or path.read_text() != text]
        for path in stale:
            print(f"{path} is not what figures.py draws")
        return 1 if stale else 0
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in drawn.items():
        path.write_text(text)
    print(summary(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
