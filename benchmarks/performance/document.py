#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Puts what run.py measured into docs/performance.md, between its markers, and the figures beside it.

    document.py FOLDER DOCS       FOLDER is what run.py wrote; copies its results.json into DOCS/performance
    document.py --check DOCS      exit status 1 where text and figures are not those of DOCS/performance/results.json

A marker is a line `<!-- measured: NAME -->`, its end `<!-- end of NAME -->`. A part of which nothing was measured is
empty.
"""
import collections
import pathlib
import re
import statistics
import sys

import figure
import runs
import tables

SHORT = 1 << 20
TITLES = {"all_reduce": "AllReduce", "broadcast": "Broadcast", "reduce": "Reduce", "all_gather": "AllGather",
          "reduce_scatter": "ReduceScatter"}


def shown(run):
    """A run's command and its table."""
    return f"```text\n$ {run['command']}\n{tables.run_text(run)}```\n"


def pictures(run, title):
    """Figures of a run by file name, and the text that shows them."""
    name = run["name"]
    drawn = {f"{name}.svg": figure.figure(run, f"{title}: bus bandwidth"),
             f"{name}_short.svg": figure.figure(run, f"{title}: time of short calls", "time", up_to=SHORT)}
    return drawn, "".join(f"![{title}](performance/{file})\n" for file in drawn)


def spreads(known, key):
    """By how many percent the samples of a size differ: the median over all sizes measured in graphs, and the most."""
    sides = [row[side] for run in known.values() if run["graphs"] for row in run["results"]
             for side in ("out_of_place", "in_place") if row[side]]
    found = [100 * side[f"{key}_spread"] for side in sides if f"{key}_spread" in side]
    return f"{statistics.median(found):.1f} % ({max(found):.1f} % at most)" if found else ""


def machine_part(known):
    run = next(iter(known.values()))
    gpus = collections.Counter(line.split("] ", 1)[-1] for line in run["devices"])
    lines = [f"- {' and '.join(f'{count} {name}' for name, count in gpus.items())}, a rank each"]
    if run["ceiling_GBps"]:
        lines.append(f"- NVLink: {run['ceiling_GBps']:g} GB/s out of each GPU by its rated speed")
    lines += [f"- {note}" for note in run["notes"]]
    for key, (label, *_) in figure.SERIES.items():
        if text := spreads(known, key):
            lines.append(f"- {label}: the slowest and the fastest sample of a size in graphs differ by {text}")
    return "Measured on:\n\n" + "\n".join(lines) + "\n"


def gains_part(known):
    found = {TITLES[name]: known[name] for name in runs.COLLECTIVES if name in known}
    table = tables.gains(found)
    if not table:
        return ""
    return ("How many times as fast Blink is as NCCL, where NCCL has the faster of plain buffers and symmetric "
            f"windows; out of place, in graphs:\n\n{table}")


def section(known, name, heading, drawn, title=None):
    """Text of a run, empty where it was not made; its figures go into `drawn`."""
    if name not in known:
        return ""
    files, text = pictures(known[name], title or heading)
    drawn.update(files)
    return f"### {heading}\n\n{text}\n{shown(known[name])}"


def collectives_part(known, drawn):
    found = [section(known, name, TITLES[name], drawn, f"{TITLES[name]} in graphs") for name in runs.COLLECTIVES]
    return "\n".join(part for part in found if part)


def blocks_part(known):
    measured = [run for name, run in known.items() if name.endswith("_blocks")]
    if not measured:
        return ""
    return ("### Blocks\n\nBus bandwidth in GB/s by the number of blocks that a rank may use (`--blocks`), out of place, "
            f"in graphs:\n\n{tables.blocks(measured)}")


def parts(known):
    """({marker: text}, {file: figure}) of the runs by name."""
    drawn = {}
    text = {"machine": machine_part(known) if known else "", "gains": gains_part(known),
            "collectives": collectives_part(known, drawn),
            "stream": section(known, "all_reduce_stream", "AllReduce on streams", drawn),
            "types": section(known, "all_reduce_bfloat16", "AllReduce of bfloat16 in graphs", drawn)}
    two = [section(known, "all_reduce_processes", "AllReduce of processes in graphs", drawn),
           section(known, "all_reduce_processes_stream", "AllReduce of processes on streams", drawn)]
    text["processes"] = "\n".join(part for part in two if part)
    text["blocks"] = blocks_part(known)
    return text, drawn


def filled(document, text):
    """The document with each part between its markers.
    Raises ValueError where a part has no marker, or a marker no part."""
    for name, part in text.items():
        pattern = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        document, count = pattern.subn(lambda m, part=part: m[1] + part + m[2], document)
        if count != 1:
            raise ValueError(f"{count} places for the part '{name}', expected one")
    unknown = set(re.findall(r"<!-- measured: (\w+) -->", document)) - set(text)
    if unknown:
        raise ValueError(f"places for parts that there are not: {', '.join(sorted(unknown))}")
    return document


def expected(docs, known):
    """{path: text} of everything that is made of the results."""
    text, drawn = parts(known)
    page = docs / "performance.md"
    return {page: filled(page.read_text(), text), **{docs / "performance" / name: svg for name, svg in drawn.items()}}


def check(docs):
    files = expected(docs, runs.read(docs / "performance" / "results.json"))
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text() != text]
    left = [path for path in sorted((docs / "performance").glob("*.svg")) if path not in files]
    for path in stale:
        print(f"{path} is not what the measurements give")
    for path in left:
        print(f"{path} belongs to no measurement")
    return 1 if stale or left else 0


def update(folder, docs):
    known = runs.read(folder / "results.json")
    if not known:
        sys.exit(f"document.py: {folder} has no results.json: run run.py first")
    files = expected(docs, known)
    target = docs / "performance"
    target.mkdir(exist_ok=True)
    for path in target.glob("*.svg"):
        path.unlink()
    (target / "results.json").write_text(runs.dumped(known.values()))
    for path, text in files.items():
        path.write_text(text)
    return 0


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    docs = pathlib.Path(sys.argv[2])
    try:
        return check(docs) if sys.argv[1] == "--check" else update(pathlib.Path(sys.argv[1]), docs)
    except (ValueError, KeyError) as error:
        print(f"document.py: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
