#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles one source file as a user would, and holds the time against a limit.

    compile_time.py LIMIT_SECONDS SOURCE COMPILER ARGUMENTS...

The time is processor time, the best of at most three attempts. A second of it buys less on a slow or crowded machine, so
a yardstick is compiled before each attempt: where that takes longer than on the machine that the limits were set on, the
limit grows in proportion.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

YARDSTICK = pathlib.Path(__file__).with_name("compile_yardstick.cu")
YARDSTICK_SECONDS = 8.0  # what it takes where the limits were set: two idle cores of an AMD EPYC, nvcc 13.0


def attempt(command):
    """(processor seconds, wall seconds) of a command that has to succeed."""
    before, start = os.times(), time.monotonic()
    subprocess.run(command, check=True)
    after = os.times()
    return (after.children_user - before.children_user + after.children_system - before.children_system,
            time.monotonic() - start)


def main():
    limit, source, compiler = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
    with tempfile.TemporaryDirectory() as folder:
        output = ["-o", str(pathlib.Path(folder, "object.o"))]
        for _ in range(3):
            yardstick, _ = attempt([*compiler, "-c", str(YARDSTICK), *output])
            scaled = limit * max(1.0, yardstick / YARDSTICK_SECONDS)
            seconds, wall = attempt([*compiler, "-c", source, *output])
            print(f"{pathlib.Path(source).name}: {seconds:.1f} s of processor time, {wall:.1f} s on the clock, "
                  f"limit {scaled:.1f} s (the yardstick took {yardstick:.1f} s)")
            if seconds < scaled:
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
