#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles one source file as a user would, and holds the time against a limit.

    compile_time.py LIMIT_SECONDS SOURCE COMPILER ARGUMENTS...

The time is processor time, so that other work on the machine does not count; the better of at most two attempts.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time


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
        command = [*compiler, "-c", source, "-o", str(pathlib.Path(folder, "object.o"))]
        for _ in range(2):
            seconds, wall = attempt(command)
            print(f"{pathlib.Path(source).name}: {seconds:.1f} s of processor time, {wall:.1f} s on the clock, "
                  f"limit {limit:g} s")
            if seconds < limit:
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
