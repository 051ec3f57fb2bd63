#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times AllReduce with and without libblink.so, in one table.

    compare_times.py [--write FILE] [--repeat N] LIBBLINK TIMING [ARGUMENT...]

TIMING is the program of timing.cu. A line a mode and size; microseconds of a call through NCCL, through libblink.so and
through Blink's headers: call by call, of these the host's, and in graphs. Of N runs of each, in turns, the medians.
--write FILE: adds to a tuning file, or makes one, from which size on NCCL is to do the AllReduces of all modes: from the
smallest on from which it was faster with every larger one, both in graphs and call by call.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys


def times(command, **variables):
    """(mode, way, bytes) -> microseconds call by call, of the host, in graphs; none where the program skips."""
    environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "LD_AUDIT")}
    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, timeout=280)
    sys.stderr.write(done.stderr)
    if done.returncode == 77:
        return None
    if done.returncode != 0:
        sys.exit(f"{command}: status {done.returncode}\n{done.stdout}")
    lines = [line.split() for line in done.stdout.splitlines()[1:]]
    return {(mode, way, int(size)): tuple(map(float, rest)) for mode, way, size, *rest in lines}


def median(runs):
    return {key: tuple(map(statistics.median, zip(*(run[key] for run in runs)))) for key in runs[0]}


def nccl_from(rows):
    """Bytes from which on NCCL was faster in all modes; none where it was not."""
    smallest = None
    for size in sorted({size for _, size in rows}, reverse=True):
        own = [(nccl, blink) for (_, of), (nccl, blink, _) in rows.items() if of == size]
        if not all(nccl[i] < blink[i] for nccl, blink in own for i in (0, 2)):
            break
        smallest = size
    return smallest


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=pathlib.Path)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("libblink")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    plain, under = [], []
    for _ in range(given.repeat):
        plain.append(times(given.command))
        if plain[0] is None:
            print("skipped: two GPUs are needed")
            return 77
        under.append(times(given.command, LD_PRELOAD=os.path.abspath(given.libblink)))
    plain, under = median(plain), median(under)
    # The library and the headers in one process: the same call takes up to 2 us longer in another one.
    rows = {(mode, size): (plain[mode, "nccl", size], under[mode, "nccl", size], under[mode, "header", size])
            for mode, way, size in plain if way == "nccl"}
    print(f"{'':20}{'call by call':^27}{'of the host':^27}{'in a graph':^27}")
    print(f"{'mode':10}{'bytes':>10}" + f"{'NCCL':>9}{'libblink':>9}{'header':>9}" * 3)
    for (mode, size), ways in rows.items():
        print(f"{mode:10}{size:10}" + "".join(f"{way[column]:9.2f}" for column in range(3) for way in ways))
    if given.write:
        tuning = json.loads(given.write.read_text(encoding="utf-8")) if given.write.exists() else {}
        best = nccl_from(rows)
        tuning.get("nccl_from", {}).pop("allreduce", None)
        if best is not None:
            tuning.setdefault("nccl_from", {})["allreduce"] = best
        given.write.write_text(json.dumps(tuning, indent=2) + "\n", encoding="utf-8")
        print(f"{given.write}: NCCL does AllReduces " + ("of no size" if best is None else f"from {best} bytes on"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
