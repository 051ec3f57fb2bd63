#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One-hop trees of a DGX-2 beside a ring, a double binary tree and a chain, as simulated_dgx2 wrote them.

    dgx2_figure.py FOLDER           draws FOLDER/dgx2_throughput.svg and dgx2_latency.svg from FOLDER/dgx2.csv; prints a table
    dgx2_figure.py --check FOLDER   exit status 1 where the figures there are others
"""
import csv
import pathlib
import sys

import lines

WHO = {"blink": ("Blink, one-hop trees", "#0072b2"), "ring": ("ring", "#e69f00"),
       "double_tree": ("double binary tree", "#009e73"), "chain": ("chain", "#999999")}
SMALL = 1 << 20


def read(path):
    """{who: {bytes: row}}"""
    table = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            table.setdefault(row["who"], {})[int(row["bytes"])] = row
    return table


def series(table, column, sizes, factor=1):
    return [(label, colour, {size: factor * float(row[column]) for size, row in table[who].items() if sizes(size)})
            for who, (label, colour) in WHO.items()]


def table_of(table):
    text = ["| size | Blink | ring | double binary tree | chain | Blink against the better of ring and double tree |",
            "|---|---|---|---|---|---|"]
    for size in sorted(table["blink"])[::2]:
        us = {who: float(table[who][size]["microseconds"]) for who in WHO}
        gain = min(us["ring"], us["double_tree"]) / us["blink"]
        text.append(f"| {lines.size_name(size)} | " + " | ".join(f"{us[who]:.1f} us" for who in WHO) + f" | {gain:.2f} |")
    gains = {size: min(float(table[w][size]["microseconds"]) for w in ("ring", "double_tree")) /
             float(row["microseconds"]) for size, row in table["blink"].items()}
    best = max(gains, key=gains.get)
    return "\n".join(text) + f"\n\nmost: {gains[best]:.2f} at {lines.size_name(best)}; least: {min(gains.values()):.2f}"


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[-1])
    table = read(folder / "dgx2.csv")
    files = {
        folder / "dgx2_throughput.svg": lines.figure("AllReduce among 16 GPUs of a DGX-2, simulated", "GB/s",
                                                     series(table, "GBps", lambda size: True), every=4),
        folder / "dgx2_latency.svg": lines.figure("The same up to 1 MiB: microseconds a call, simulated", "us",
                                                  series(table, "microseconds", lambda size: size <= SMALL), every=2),
    }
    status = lines.write_or_check(files, sys.argv[1] == "--check")
    if sys.argv[1] != "--check":
        print(table_of(table))
    return status


if __name__ == "__main__":
    sys.exit(main())
