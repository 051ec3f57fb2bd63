#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures all that docs/performance.md shows: some two minutes on two GPUs. Every element is checked.

    run.py BLINK_PERF FOLDER [--quick] [--only NAME ...]

Writes into FOLDER for each run NAME.txt, as blink-perf prints it, NAME.json, as it writes it, and of all together
results.json and the figures. Exit status 1 where a run failed, 77 where there are no two GPUs. Then

    document.py FOLDER docs

puts it into the document.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import time

import document
import runs

LONGEST = 150  # seconds of one run


def measure(perf, folder, name, arguments):
    """Runs blink-perf; (exit status, what it wrote or None)."""
    path = folder / f"{name}.json"
    path.unlink(missing_ok=True)
    begin = time.monotonic()
    try:
        done = subprocess.run([perf, *arguments, "--executor", "cuda", "--json", path], capture_output=True, text=True,
                              timeout=LONGEST, check=False)
        status, output, errors = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        status, errors = 124, f"took longer than {LONGEST} s\n"
        output = late.stdout.decode(errors="replace") if late.stdout else ""
    (folder / f"{name}.txt").write_text(f"$ blink-perf {' '.join(arguments)}\n{output}{errors}")
    outcome = "done" if status == 0 else f"status {status}"
    print(f"{output}{errors}{name}: {outcome}, {time.monotonic() - begin:.1f} s\n", flush=True)
    return status, json.loads(path.read_text()) if path.is_file() else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("perf", type=lambda text: pathlib.Path(text).resolve(), metavar="BLINK_PERF")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true", help="a half minute: few sizes and few runs")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these runs alone")
    chosen = parser.parse_args()
    planned = runs.planned(chosen.quick)
    if unknown := set(chosen.only or []) - set(planned):
        parser.error(f"no such runs: {', '.join(sorted(unknown))}; there are {', '.join(planned)}")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    begin, known, failed = time.monotonic(), [], []
    for name, arguments in planned.items():
        if chosen.only and name not in chosen.only:
            continue
        status, found = measure(chosen.perf, chosen.folder, name, arguments)
        text = (chosen.folder / f"{name}.txt").read_text()
        too_few = "no GPU" in text or "no CUDA" in text or (found and found["ranks"] < 2)
        if too_few and not known and not failed:
            print("There are no two GPUs here.")
            return 77
        if status == 0 and found:
            known.append(runs.kept(name, arguments, found))
        else:
            failed.append(name)
    (chosen.folder / "results.json").write_text(runs.dumped(known))
    text, drawn = document.parts({run["name"]: run for run in known})
    for file, svg in drawn.items():
        (chosen.folder / file).write_text(svg)
    print(text["machine"] + "\n" + text["gains"] + "\n" + text["blocks"])
    print(f"{len(known)} runs, {len(failed)} failed {' '.join(failed)}({time.monotonic() - begin:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
