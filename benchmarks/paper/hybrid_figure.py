#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What PCIe beside NVLink gains, as simulated_hybrid and, over emulated links, hybrid wrote it.

    hybrid_figure.py FOLDER           draws FOLDER/hybrid_broadcast.svg and hybrid_allreduce.svg from FOLDER/hybrid.csv;
                                      prints Markdown tables, also of FOLDER/hybrid_emulated.csv where it is
    hybrid_figure.py --check FOLDER   exit status 1 where the figures there are others, or where a learnt share makes a
                                      call slower
"""
import csv
import pathlib
import sys

import lines

COLOURS = {3: "#0072b2", 4: "#e69f00", 5: "#009e73", 6: "#cc79a7", 7: "#56b4e9", 8: "#999999"}
NAMES = {"broadcast": "Broadcast", "allreduce": "AllReduce"}


def read(path):
    """{collective: {gpus: {bytes: {who: row}}}}"""
    table = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            sizes = table.setdefault(row["collective"], {}).setdefault(int(row["gpus"]), {})
            sizes.setdefault(int(row["bytes"]), {})[row["who"]] = row
    return table


def gain(rows, who):
    """Per cent more throughput than over NVLink alone."""
    return 100 * (float(rows["nvlink"]["microseconds"]) / float(rows[who]["microseconds"]) - 1)


def slower(table):
    return [f"{collective}, {gpus} GPUs, {lines.size_name(size)}: {gain(rows, 'learnt'):.2f} %"
            for collective, by_gpus in table.items() for gpus, sizes in by_gpus.items()
            for size, rows in sizes.items() if gain(rows, "learnt") < -1e-4]


def figures(table, folder):
    return {folder / f"hybrid_{collective}.svg": lines.figure(
        f"{NAMES[collective]} over NVLink and PCIe, DGX-1V, simulated", "% more",
        [(f"{gpus} GPUs", COLOURS[gpus], {size: gain(rows, "learnt") for size, rows in sizes.items()})
         for gpus, sizes in by_gpus.items()]) for collective, by_gpus in table.items()}


def tables(table):
    text = ["| collective | GPUs | planned, NVLink and both | NVLink alone | share by the formula | learnt share | of PCIe "
            "| one plan over all links | formula below NVLink alone at |", "|---|---|---|---|---|---|---|---|---|"]
    for collective, by_gpus in table.items():
        for gpus, sizes in by_gpus.items():
            rows = sizes[max(sizes)]
            below = [lines.size_name(size) for size, r in sizes.items() if gain(r, "formula") < -1e-4]
            text.append(
                f"| {collective} | {gpus} | {float(rows['nvlink']['planned_GBps']):.1f}, "
                f"{float(rows['learnt']['planned_GBps']):.1f} | {float(rows['nvlink']['GBps']):.1f} | "
                f"{float(rows['formula']['GBps']):.1f} | {float(rows['learnt']['GBps']):.1f} | "
                f"{100 * float(rows['learnt']['pcie_share']):.1f} % | {float(rows['one_plan']['GBps']):.1f} | "
                f"{', '.join(below) or '-'} |")
    return "\n".join(text)


def emulated(path):
    found = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            key = (row["collective"], int(row["gpus"]), int(row["bytes"]))
            found.setdefault(key, {})[float(row["pcie_share"])] = float(row["emulated_GBps"])
    text = ["| collective | GPUs | size | NVLink alone | best share of PCIe | with it | at the share of the rates |",
            "|---|---|---|---|---|---|---|"]
    for (collective, gpus, size), shares in found.items():
        best = max(shares, key=shares.get)
        text.append(f"| {collective} | {gpus} | {lines.size_name(size)} | {shares[0]:.1f} | {100 * best:.1f} % | "
                    f"{shares[best]:.1f} | {shares[max(shares)]:.1f} |")
    return "\n".join(text)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder, check = pathlib.Path(sys.argv[-1]), sys.argv[1] == "--check"
    table = read(folder / "hybrid.csv")
    for line in slower(table):
        print("slower with PCIe:", line)
    status = lines.write_or_check(figures(table, folder), check)
    if not check:
        print(tables(table))
        if (folder / "hybrid_emulated.csv").is_file():
            print("\n" + emulated(folder / "hybrid_emulated.csv"))
    return 1 if slower(table) else status


if __name__ == "__main__":
    sys.exit(main())
