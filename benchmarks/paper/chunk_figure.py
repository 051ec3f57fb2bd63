#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Chunk size and throughput, call after call, as chunk_tuning wrote them.

    chunk_figure.py FILE.csv FIGURE.svg
    chunk_figure.py --check FOLDER      exit status 1 where FOLDER/chunks.svg is not drawn from FOLDER/chunks.csv
"""
import csv
import math
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import plot

LEFT, TOP, WIDTH, HEIGHT = 66, 44, 460, 200
CHUNK, RATE = "#d55e00", "#0072b2"  # Okabe and Ito


def read(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    calls, replays = ([(int(r["call"]), int(r["chunk_bytes"]), float(r["GBps"])) for r in rows if r["policy"] == policy]
                      for policy in ("miad", "graph"))
    fixed = {}
    for r in rows:
        if r["policy"] == "fixed":
            fixed.setdefault(int(r["chunk_bytes"]), []).append(float(r["GBps"]))
    return calls, replays, {size: statistics.median(rates) for size, rates in fixed.items()}


def figure(calls, replays, fixed):
    top_rate = math.ceil(max(list(fixed.values()) + [rate for _, _, rate in calls]) / 20) * 20
    low = math.floor(math.log2(min(size for _, size, _ in calls + replays)))
    high = math.ceil(math.log2(max(size for _, size, _ in calls + replays)))
    last = max(call for call, _, _ in calls + replays)

    def x(call):
        return LEFT + WIDTH * call / last

    def y(part):
        return TOP + HEIGHT * (1 - part)

    best = max(fixed, key=fixed.get)
    title = "MIAD in a broadcast of 256 MiB among 4 GPUs of a DGX-1V, emulated"
    width, height = LEFT + WIDTH + 66, TOP + HEIGHT + 40
    out = plot.card(width, height, title)
    for rate in range(0, top_rate + 1, 20):
        out.append(plot.level(LEFT, LEFT + WIDTH, y(rate / top_rate), rate, RATE))
    for power in range(low, high + 1):
        part = (power - low) / (high - low)
        out.append(f'<text x="{LEFT + WIDTH + 6}" y="{y(part) + 4:.1f}" fill="{CHUNK}">{2 ** power // 1024} KiB</text>')
    line = y(fixed[best] / top_rate)
    out.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{line:.1f}" y2="{line:.1f}" stroke="{RATE}" '
               f'stroke-dasharray="4 3"/><text x="{LEFT + WIDTH - 4}" y="{line - 5:.1f}" text-anchor="end" '
               f'fill="{RATE}">best fixed size, {best // 1024} KiB: {fixed[best]:.1f} GB/s</text>')
    out.append(plot.curve([(x(call), y(rate / top_rate)) for call, _, rate in calls], RATE))
    for of, dashes in ((calls, ""), (replays, "2 3")):
        if of:
            out.append(plot.curve([(x(call), y((math.log2(size) - low) / (high - low))) for call, size, _ in of], CHUNK,
                                  dashes))
    if replays:
        out.append(f'<text x="{LEFT + 8}" y="{TOP + 12}" fill="{CHUNK}">dotted: the GPUs search, in a graph</text>')
    for call in range(0, last + 1, 10):
        out.append(plot.below(f"{x(call):.1f}", TOP + HEIGHT + 16, call))
    out.append(plot.below(LEFT + WIDTH / 2, TOP + HEIGHT + 32, "call") +
               f'<text x="{LEFT - 54}" y="{TOP - 8}" fill="{RATE}">GB/s</text>'
               f'<text x="{LEFT + WIDTH + 6}" y="{TOP - 8}" fill="{CHUNK}">chunk</text></svg>')
    return "\n".join(out) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if sys.argv[1] == "--check":
        folder = pathlib.Path(sys.argv[2])
        return 0 if (folder / "chunks.svg").read_text() == figure(*read(folder / "chunks.csv")) else 1
    calls, replays, fixed = read(sys.argv[1])
    pathlib.Path(sys.argv[2]).write_text(figure(calls, replays, fixed))
    best = max(fixed, key=fixed.get)
    for name, of in (("settled", calls), ("settled in a graph", replays)):
        if of:
            rate = statistics.median(rate for _, _, rate in of[-10:])
            print(f"{name}: {of[-1][1]} bytes, {rate:.2f} GB/s; best fixed: {best} bytes, {fixed[best]:.2f} GB/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
