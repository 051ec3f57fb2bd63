#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Puts what the benchmarks of the suite wrote where docs/paper.md has it, and draws every figure.

    collect.py FOLDER OUT       FOLDER: with the benchmarks' CSV; OUT: such as docs/paper. Prints the Markdown tables, and
                                names what is not drawn for want of a measurement
    collect.py --check OUT      exit status 1 where OUT's CSV gives other files than are there
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
DOCS = HERE.parents[1] / "docs" / "paper"

# What a benchmark writes, by the name that it has beside the figures.
NAMES = {"configurations.csv": "configurations", "chunks.csv": "chunk_tuning", "sizes.csv": "sizes",
         "dgx2_emulated.csv": "dgx2", "hybrid_emulated.csv": "hybrid", "lanes_emulated.csv": "lanes",
         "simulated.csv": "simulated_configurations", "simulated_sizes.csv": "simulated_sizes",
         "simulated_pair.csv": "simulated_pair", "dgx2.csv": "simulated_dgx2", "hybrid.csv": "simulated_hybrid",
         "lanes.csv": "simulated_lanes", "training.csv": "simulated_training"}

# Who draws, the files that it cannot do without, and what it is told.
DRAWN = {"figures.py": (["configurations.csv"], ["configurations.csv", "."]),
         "chunk_figure.py": (["chunks.csv"], ["chunks.csv", "chunks.svg"]),
         "calibration.py": (["configurations.csv", "sizes.csv", "simulated.csv", "simulated_sizes.csv", "simulated_pair.csv"], ["."]),
         "dgx2_figure.py": (["dgx2.csv"], ["."]), "training_figure.py": (["training.csv"], ["."]),
         "hybrid_figure.py": (["hybrid.csv"], ["."])}


def collect(folder, out):
    """Exit status."""
    out.mkdir(parents=True, exist_ok=True)
    for name, benchmark in NAMES.items():
        if (folder / f"{benchmark}.csv").is_file():
            shutil.copyfile(folder / f"{benchmark}.csv", out / name)
    if not (out / "pair.csv").is_file():
        shutil.copyfile(DOCS / "pair.csv", out / "pair.csv")  # of two real GPUs, by blink-perf
    status = 0
    for script, (needed, arguments) in DRAWN.items():
        if missing := [name for name in needed if not (out / name).is_file()]:
            print(f"{script}: not drawn, there is no {', '.join(missing)}")
            continue
        status |= subprocess.run([sys.executable, HERE / script, *arguments], cwd=out, check=False).returncode
    return status


def check(out):
    """Exit status."""
    with tempfile.TemporaryDirectory() as temporary:
        written, drawn = pathlib.Path(temporary, "written"), pathlib.Path(temporary, "drawn")
        written.mkdir()
        for name, benchmark in NAMES.items():
            shutil.copyfile(out / name, written / f"{benchmark}.csv")
        status = collect(written, drawn)
        names = {path.name for folder in (out, drawn) for path in folder.iterdir()}
        for name in sorted(names):
            if not all((folder / name).is_file() for folder in (out, drawn)) or (out / name).read_text() != (drawn / name).read_text():
                print(f"{name} is not what collect.py makes")
                status = 1
    return status


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if sys.argv[1] == "--check":
        return check(pathlib.Path(sys.argv[2]).resolve())
    return collect(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())


if __name__ == "__main__":
    sys.exit(main())
