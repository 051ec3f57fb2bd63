#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One-hop trees of a DGX-2 beside a ring, a double binary tree and a chain, as simulated_dgx2 wrote them, and as dgx2
measured them over emulated links.

    dgx2_figure.py FOLDER           draws FOLDER/dgx2_throughput.svg and dgx2_latency.svg from FOLDER/dgx2.csv, and where
                                    there is FOLDER/dgx2_emulated.csv, dgx2_emulated_*.svg from it; prints the tables
    dgx2_figure.py --check FOLDER   exit status 1 where the figures there are others
"""
import csv
import pathlib
import sys

import lines

WHO = {"blink": ("Blink, one-hop trees", "#0072b2"), "ring": ("ring", "#e69f00"),
       "double_tree": ("double binary tree", "#009e73"), "chain": ("chain", "#999999")}
SMALL = 1 << 20


def read(path, rows=lambda row: True):
    """{who: {bytes: row}}"""
    table = {}
    with open(path, newline="") as file:
        for row in filter(rows, csv.DictReader(file)):
            table.setdefault(row["who"], {})[int(row["bytes"])] = row
    return table


def series(table, column, sizes, factor=1):
    return [(label, colour, {size: factor * float(row[column]) for size, row in table[who].items() if sizes(size)})
            for who, (label, colour) in WHO.items() if who in table]


def table_of(table):
    known = [who for who in WHO if who in table]
    text = ["| size | " + " | ".join(WHO[who][0].split(",")[0] for who in known) +
            " | Blink against the better of ring and double tree |", "|---|" + "---|" * len(known) + "---|"]
    for size in sorted(table["blink"])[::2]:
        us = {who: float(table[who][size]["microseconds"]) for who in known}
        gain = min(us["ring"], us["double_tree"]) / us["blink"]
        text.append(f"| {lines.size_name(size)} | " + " | ".join(f"{us[who]:.1f} us" for who in known) + f" | {gain:.2f} |")
    gains = {size: min(float(table[w][size]["microseconds"]) for w in ("ring", "double_tree")) /
             float(row["microseconds"]) for size, row in table["blink"].items()}
    best = max(gains, key=gains.get)
    return "\n".join(text) + f"\n\nmost: {gains[best]:.2f} at {lines.size_name(best)}; least: {min(gains.values()):.2f}"


def simulated(folder):
    """The figures by file, and the tables."""
    table = read(folder / "dgx2.csv")
    return {
        folder / "dgx2_throughput.svg": lines.figure("AllReduce among 16 GPUs of a DGX-2, simulated", "GB/s",
                                                     series(table, "GBps", lambda size: True), every=4),
        folder / "dgx2_latency.svg": lines.figure("The same up to 1 MiB: microseconds a call, simulated", "us",
                                                  series(table, "microseconds", lambda size: size <= SMALL), every=2),
    }, "simulated\n\n" + table_of(table)


def emulated(folder):
    """As `simulated`. Short calls had links at their rate, long ones links that are slower by one factor."""
    path = folder / "dgx2_emulated.csv"
    short = read(path, lambda row: float(row["scale"]) == 1)
    long = read(path, lambda row: float(row["scale"]) != 1)
    figures, tables = {}, ""
    if short:
        figures[folder / "dgx2_emulated_latency.svg"] = lines.figure(
            "AllReduce among 16 GPUs of a DGX-2: microseconds a call, emulated", "us",
            series(short, "microseconds", lambda size: True), every=2)
        tables += "emulated, links at their rate\n\n" + table_of(short)
    if long:
        scale = float(next(iter(long["blink"].values()))["scale"])
        figures[folder / "dgx2_emulated_throughput.svg"] = lines.figure(
            f"The same, emulated with links at 1/{1 / scale:g} of their rate, times {1 / scale:g}", "GB/s",
            series(long, "GBps", lambda size: True), every=2)
        tables += f"\n\nemulated, links at 1/{1 / scale:g} of their rate, times as they passed\n\n" + table_of(long)
    return figures, tables


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[-1])
    files, text = simulated(folder)
    if (folder / "dgx2_emulated.csv").is_file():
        measured, more = emulated(folder)
        files.update(measured)
        text += "\n\n" + more
    status = lines.write_or_check(files, sys.argv[1] == "--check")
    if sys.argv[1] != "--check":
        print(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
