#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a program with and without libblink.so, which must make no difference to what it prints and how it ends.

    compare_runs.py [--says TEXT] [--nccl LIBNCCL] [--set NAME=VALUE]... [--limit SECONDS] LIBBLINK PROGRAM [ARGUMENT...]

--says TEXT: the run with the library has to say TEXT on its standard error, under BLINK_DEBUG=info.
--nccl LIBNCCL: the NCCL of both runs, where the program is linked to something that stands in for it.
--set NAME=VALUE: a variable of the run with the library.
--limit SECONDS: how long each of the two runs may take; what it has printed by then is shown.
Exit status 77 where the program itself skips (77).
"""
import argparse
import os
import subprocess
import sys


def text(printed):
    return printed.decode(errors="replace") if isinstance(printed, bytes) else printed or ""


def run(command, limit, **variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BLINK_", "LD_PRELOAD", "LD_AUDIT"))}
    try:
        return subprocess.run(command, env=environment | variables, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired as e:
        return subprocess.CompletedProcess(command, "too slow", text(e.stdout), text(e.stderr))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--says")
    parser.add_argument("--nccl")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--limit", type=float, default=280)
    parser.add_argument("preloaded", metavar="LIBBLINK")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    plain = run(given.command, given.limit, **({"LD_PRELOAD": given.nccl} if given.nccl else {}))
    if plain.returncode == 77:
        print(plain.stdout, end="")
        return 77
    blink = run(given.command, given.limit, LD_PRELOAD=os.path.abspath(given.preloaded), BLINK_DEBUG="info",
                **({"BLINK_NCCL_LIBRARY": given.nccl} if given.nccl else {}), **dict(s.split("=", 1) for s in given.set))
    print(blink.stdout, end="")
    print(blink.stderr, end="", file=sys.stderr)
    wrong = []
    if plain.returncode != 0:
        wrong.append(f"without the library the program ends with {plain.returncode}: {plain.stderr}")
    if plain.stdout != blink.stdout:
        wrong.append(f"without the library the program prints:\n{plain.stdout}")
    if plain.returncode != blink.returncode:
        wrong.append(f"status {blink.returncode}, without the library {plain.returncode}")
    if not plain.stdout:
        wrong.append(f"the program prints nothing: {plain.stderr}")
    if given.says and given.says not in blink.stderr:
        wrong.append(f"the library does not say '{given.says}'")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
